# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter `imported_variables`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils._imported import import_hosts, interface_names, read_interface
from ..plugin_utils._plain import plain_or_none

DOCUMENTATION = r"""
name: imported_variables
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Turn the WireGuard configurations of hosts into variables of a role
description:
  - Takes the results of M(wirewright.overlay.wg_config_info) of several hosts, and returns the variables of each host
    for the role C(mesh) or C(hub_spoke), with which these hosts are adopted without a change of their configuration.
  - A peer with the public key of another of these hosts is that host. The endpoint that others have for it becomes its
    C(endpoint), allowed IPs beyond its addresses become its C(networks), and what differs between hosts becomes
    C(peer_overrides). Other peers become C(static_peers).
options:
  _input:
    description:
      - The results of the module, by host.
    type: dict
    required: true
  role:
    description:
      - The role whose variables are returned.
    type: str
    choices: [mesh, hub_spoke]
    default: mesh
  interface:
    description:
      - The interface. By default the only one of each host.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Read the existing interfaces
  wirewright.overlay.wg_config_info:
  register: found

- name: Show the variables of all hosts
  ansible.builtin.debug:
    msg: "{{ results | wirewright.overlay.imported_variables(interface='wg0') }}"
  vars:
    results: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, 'found'))) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - By host, its C(variables), and C(notes) on what they lack, such as preshared keys. Notes name the variables of the role.
      C(interfaces) has the names of the interfaces; a host with several of them has no variables.
  type: dict
  sample:
    h1:
      notes: []
      interfaces: [wg0]
      variables:
        mesh_adopt: true
        mesh_interface: wg0
        mesh_addresses: [10.8.0.1/24]
        mesh_port: 51820
        mesh_endpoint: 192.0.2.11:51820
"""

ROLES = ("mesh", "hub_spoke")


def imported_variables(results: object, role: str = "mesh", interface: str = "") -> Any:
    """Return variables and notes by host. Raises AnsibleFilterError for other input."""
    if not isinstance(results, Mapping):
        raise AnsibleFilterError("imported_variables: the input is a dictionary of results by host")
    if role not in ROLES:
        raise AnsibleFilterError(f"imported_variables: role is one of {', '.join(ROLES)}")
    plain = {str(name): plain_or_none(result) for name, result in results.items()}
    names = {name: interface_names(result) for name, result in plain.items()}
    found = import_hosts({name: read_interface(one, interface) for name, one in plain.items()}, f"{role}_", names)
    return {
        name: {
            "variables": {f"{role}_{variable}": value for variable, value in _with_adoption(host.variables).items()},
            "notes": host.notes,
            "interfaces": [one for one in names[name] if not interface or one == interface],
        }
        for name, host in found.items()
    }


def _with_adoption(variables: Mapping[str, Any]) -> dict[str, Any]:
    return {"adopt": True, **variables} if variables else {}


class FilterModule:
    """Entry point of Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"imported_variables": imported_variables}
