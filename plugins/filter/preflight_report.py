# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter `preflight_report`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils._plain import plain_or_none
from ..plugin_utils._preflight_report import preflight_report as report

DOCUMENTATION = r"""
name: preflight_report
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Combine the preflight checks of several hosts into one table
description:
  - Takes the results of M(wirewright.overlay.preflight_info) of several hosts, and returns a line for each finding, errors first,
    with all hosts that have it.
options:
  _input:
    description:
      - The results of the module, by host. A host without a result counts as one with an error.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Check the hosts
  wirewright.overlay.preflight_info:
  register: preflight

- name: Show one table
  ansible.builtin.debug:
    msg: "{{ (results | wirewright.overlay.preflight_report).table }}"
  vars:
    results: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, 'preflight'))) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - C(table), the lines; C(ready), the hosts without an error; C(all_ready), whether these are all.
  type: dict
  sample:
    table:
      - "error  port  h2  UDP port 51820 is in use by openvpn (process 812). Remedy: choose another port, or stop its user"
      - "1 of 2 hosts are ready"
    ready: [h1]
    all_ready: false
"""


def preflight_report(results: object) -> Any:
    """Return the report. Raises AnsibleFilterError for other input."""
    if not isinstance(results, Mapping):
        raise AnsibleFilterError("preflight_report: the input is a dictionary of results by host")
    found = report({str(name): plain_or_none(result) for name, result in results.items()})
    return {"table": found.table, "ready": found.ready, "all_ready": len(found.ready) == len(results)}


class FilterModule:
    """Entry point of Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"preflight_report": preflight_report}
