# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter `node_encryption_report`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils._plain import to_plain
from ..plugin_utils._topology.node_encryption.traffic_report import read_reports
from ..plugin_utils._topology.node_encryption.verdicts import judge, report

DOCUMENTATION = r"""
name: node_encryption_report
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Report the encryption of traffic between each pair of Kubernetes nodes
description:
  - Combines the results of M(wirewright.overlay.traffic_info) on all nodes into one verdict per pair.
options:
  _input:
    description:
      - The results of the module by inventory name.
    type: dict
    required: true
  wire:
    description:
      - RV(wirewright.overlay.overlay_plan#module:wire) of the plan.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Report the encryption of every pair
  ansible.builtin.set_fact:
    verdicts: "{{ dict(ansible_play_hosts | zip(results)) | wirewright.overlay.node_encryption_report(plan.wire) }}"
  vars:
    results: "{{ ansible_play_hosts | map('extract', hostvars, 'traffic') }}"
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - C(works), whether every result can be read and every pair is V(ok); C(summary), one line; C(table), the lines of a
      printed table; and C(pairs), with C(nodes), C(verdict), C(reasons), C(handshake_age), C(rtt_ms), C(mtu), and the
      packets C(encrypted), C(plaintext_pod) and C(plaintext_host).
    - With IPsec also C(states), one entry per direction between two addresses with C(source), C(destination), C(src),
      C(dst), the C(spis) of the sending states, the packets C(sent), C(received) and C(failed) meanwhile,
      C(key_age_days), C(sequence_percent), and C(fault), the error found.
    - A verdict is V(ok), V(plaintext), V(no_report) if the result of a node is malformed, V(not_probed), or one of
      M(wirewright.overlay.probe_info). With IPsec V(no_state) and V(no_answer) replace most of those.
    - C(nodes), every host of the group and every other node of the cluster with C(name), C(status) and C(reason). A status
      is V(encrypted), V(failed) if a pair of the node is not V(ok), V(exempt), or V(not covered).
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
    nodes:
      - {name: node1, status: encrypted, reason: ''}
"""


def node_encryption_report(results: object, wire: object) -> Any:
    """Return the report. Raises AnsibleFilterError if an argument is not a mapping."""
    if not isinstance(results, Mapping) or not isinstance(wire, Mapping):
        raise AnsibleFilterError(
            "node_encryption_report: pass the results by inventory name, and `wire` of overlay_plan's result"
        )
    expected: dict[str, Any] = to_plain(wire)
    reports = read_reports(results, expected)
    return report(judge(reports, expected), reports, expected.get("coverage", ()))


class FilterModule:
    """Entry point of Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"node_encryption_report": node_encryption_report}
