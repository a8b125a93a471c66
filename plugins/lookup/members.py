# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup `members`."""

from __future__ import annotations

DOCUMENTATION = r"""
name: members
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Overlay addresses and public keys of all members, by inventory name
description:
  - Returns the members of an overlay that a role of this collection has planned in this run, unreachable hosts included. A run
    may plan several.
    In a later run without the role, the members that the host has as peers, from its facts.
  - The result is computed on use and not stored. As a fact of each host, it would need memory with the square of the number
    of hosts.
  - The addresses of the host itself are in the fact C(ansible_facts.wirewright_overlay.addresses), by interface.
options:
  _terms:
    description:
      - The interface of the overlay. Optional if the roles of this run have planned one interface only.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Let a database accept connections from all members
  ansible.builtin.template:
    src: pg_hba.conf.j2
    dest: /etc/postgresql/15/main/pg_hba.conf
    mode: "0640"
  vars:
    members: "{{ lookup('wirewright.overlay.members', 'wg0') }}"

- name: Show the overlay address of another host
  ansible.builtin.debug:
    msg: "{{ lookup('wirewright.overlay.members').db1.addresses | first }}"
"""

RETURN = r"""
_raw:
  description:
    - One dictionary by inventory name, each entry with the overlay C(addresses) without prefix length, and the
      C(public_key), null if it is unknown.
  type: list
  elements: dict
  sample:
    - db1: {addresses: [10.42.0.7], public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=}
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..plugin_utils._plain import to_plain
from ..plugin_utils._topology.earlier_plans import PLANS, registered_plans
from ..plugin_utils._topology.members import planned_interfaces, planned_members, reported_members

_FACT = "wirewright_overlay"


class LookupModule(LookupBase):
    """Reads the registered plans, else the facts of the host, without templating them."""

    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        """Return one dictionary of members."""
        known = variables or {}
        interfaces = {
            name: plan for plan in registered_plans(known, PLANS) for name in planned_interfaces(plan) if name
        }
        if len(terms) > 1 or not (terms or len(interfaces) == 1):
            raise AnsibleLookupError(
                f"members: name one interface; those planned in this run are {', '.join(interfaces) or 'none'}"
            )
        interface = str(terms[0]) if terms else next(iter(interfaces))
        if interface in interfaces:
            return [to_plain(planned_members(interfaces[interface], interface))]
        facts = known.get("ansible_facts")
        fact = facts.get(_FACT) if isinstance(facts, Mapping) else None
        found = reported_members(fact, interface, str(known["inventory_hostname"])) if isinstance(fact, Mapping) else {}
        if not found:
            raise AnsibleLookupError(
                f"members: no role of this run has planned {interface!r}, and this host reports no such interface"
            )
        return [to_plain(found)]
