# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter `removal`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..plugin_utils._fleet_variables import variables_of_roles
from ..plugin_utils._plain import plain_or_none, to_plain
from ..plugin_utils._removal import removal
from ..plugin_utils._topology.plan_model.fleet import Absence

DOCUMENTATION = r"""
name: removal
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: List what the playbook remove removes, and from which hosts
description:
  - Combines the facts of hosts into lines for the user, with hosts of the same state on one line.
options:
  _input:
    description:
      - The facts C(wirewright_overlay) of M(wirewright.overlay.overlay_prepare) by inventory name.
    type: dict
    required: true
  interfaces:
    description:
      - The interfaces to remove.
    type: list
    elements: str
    required: true
  with_keys:
    description:
      - Whether private keys are removed, too.
    type: bool
    default: false
  variables:
    description:
      - The names of all variables, to find typing errors.
    type: list
    elements: str
    default: []
  absent:
    description:
      - The hosts of the play that are unreachable or have failed. Lines name them, with the reason.
    type: list
    elements: str
    default: []
  failed:
    description:
      - Those of them that have failed, C(ansible_failed_hosts).
    type: list
    elements: str
    default: []
  key_file:
    description:
      - The private key file of the interfaces. By default C(/etc/wireguard/NAME.key) of each.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show what would be removed
  ansible.builtin.debug:
    msg: "{{ dict(ansible_play_hosts | zip(facts)) | wirewright.overlay.removal(['wg0']) }}"
  vars:
    facts: "{{ ansible_play_hosts | map('extract', hostvars, ['ansible_facts', 'wirewright_overlay']) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - Lists of lines. C(going), the objects to remove; C(staying), other interfaces of the collection, and hosts that take no
      part, or that there is nothing to remove; C(problems), why the removal is refused; C(private_keys), those on hosts
      that do not have their interface, from the fact C(private_key_files).
  type: dict
  sample:
    going: ["wg0 (mesh, 2 peers) of h1-h3"]
    staying: ["wg5 (mesh, 1 peer) of h1 stays: -e overlay_interfaces=wg5 removes it"]
    problems: []
    private_keys: []
"""


def filtered(
    facts: Mapping[str, Any],
    interfaces: Sequence[str],
    with_keys: bool = False,
    variables: Sequence[str] = (),
    absent: Sequence[str] = (),
    failed: Sequence[str] = (),
    key_file: str = "",
) -> dict[str, list[str]]:
    """Return what a removal does, as plain data."""
    found = removal(
        {str(name): plain_or_none(fact) for name, fact in facts.items()},
        to_plain(interfaces),
        with_keys=bool(with_keys),
        variables=to_plain(variables),
        known=variables_of_roles(),
        key_file=str(key_file),
        lost={name: Absence.FAILED if name in failed else Absence.LOST for name in map(str, to_plain(absent))},
    )
    return found._asdict()


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"removal": filtered}
