# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter `node_verdicts`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.wirewright.overlay.plugins.plugin_utils.node_verdicts import judge, report
from ansible_collections.wirewright.overlay.plugins.plugin_utils.plain import to_plain

DOCUMENTATION = r"""
name: node_verdicts
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Whether each pair of Kubernetes nodes talks encrypted
description:
  - Puts together what M(wirewright.overlay.wire_census) returned on all nodes, pair by pair.
options:
  _input:
    description:
      - By inventory name, what the module returned there.
    type: dict
    required: true
  wire:
    description:
      - RV(wirewright.overlay.overlay_plan#module:wire) of the plan.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Judge every pair
  ansible.builtin.set_fact:
    verdicts: "{{ dict(ansible_play_hosts | zip(results)) | wirewright.overlay.node_verdicts(plan.wire) }}"
  vars:
    results: "{{ ansible_play_hosts | map('extract', hostvars, 'census') }}"
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - C(works), whether every pair is V(ok); C(summary), one line; C(table), lines for people; and C(pairs), with C(nodes),
      C(verdict), C(reasons), C(handshake_age), C(rtt_ms), C(mtu), and the packets C(encrypted), C(plaintext_pod) and
      C(plaintext_host).
    - With IPsec also C(states), for each way between two addresses C(source), C(destination), C(src), C(dst), the C(spis) of
      the states that are sent by, the packets C(sent), C(received) and C(failed) meanwhile, C(key_age_days),
      C(sequence_percent), and C(fault), what is wrong with them.
    - A verdict is V(ok), V(plaintext), V(not_asked), or one of M(wirewright.overlay.overlay_probe). With IPsec V(no_state)
      and V(no_answer) take the place of most of those.
  type: dict
  sample:
    works: true
    summary: '1 pair: 1 ok'
    table: []
    pairs:
      - nodes: [node1, node2]
        verdict: ok
        reasons: []
        handshake_age: 3
        rtt_ms: 0.42
        mtu: 1420
        encrypted: 24
        plaintext_pod: 0
        plaintext_host: 0
        states: []
"""


def node_verdicts(results: object, wire: object) -> Any:
    """Return the verdicts. Raises AnsibleFilterError for what is no result and no plan."""
    if not isinstance(results, Mapping) or not isinstance(wire, Mapping):
        raise AnsibleFilterError(
            "node_verdicts: give it results by inventory name, and `wire` of overlay_plan's result"
        )
    plain: dict[str, Any] = to_plain(results)
    return report(judge(plain, to_plain(wire)), plain)


class FilterModule:
    """What Ansible asks for the filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by name."""
        return {"node_verdicts": node_verdicts}
