#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_info
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Check whether a host is ready for an overlay
description:
  - Looks for what would make a run of a role fail, or the overlay lose packets, and returns each finding with its cause and its
    remedy. Nothing is changed, except that the kernel loads its WireGuard module if it has one.
  - Checks rights, WireGuard in the kernel (module, Secure Boot, containers), the name of the interface, its UDP port and the
    process that has it, read-only and full file systems, the clock, the MTU of the uplink, firewalls, systemd, packages, and the
    kernel parameters for the source check and for forwarding.
  - Without root, the module works, and its checks are incomplete.
  - The playbook C(wirewright.overlay.doctor) runs it on all hosts of a group, and shows one table.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.reads
  - wirewright.overlay.controller_time
options:
  interface:
    description:
      - The WireGuard interface that the host is to have.
    type: str
    default: wg0
  port:
    description:
      - The UDP port of the interface; 0 for any.
    type: int
    default: 51820
  userspace:
    description:
      - Whether wireguard-go may be used where the kernel has no WireGuard.
    type: bool
    default: false
  forwards:
    description:
      - Whether the host forwards packets of others, as a hub or a gateway does.
    type: bool
    default: false
  adopt:
    description:
      - Whether an interface of another program is taken over.
    type: bool
    default: false
seealso:
  - module: wirewright.overlay.overlay_prepare
  - module: wirewright.overlay.probe_info
"""

EXAMPLES = r"""
- name: Check a host for a hub
  wirewright.overlay.preflight_info:
    interface: wg0
    port: 51820
    forwards: true
  register: preflight

- name: Stop where the role would fail
  ansible.builtin.assert:
    that: preflight.ready
    fail_msg: "{{ preflight.findings }}"
"""

RETURN = r"""
ready:
  description: Whether there is no finding of the level C(error).
  returned: success
  type: bool
  sample: false
findings:
  description: What was found, errors first; an empty list if nothing was.
  returned: success
  type: list
  elements: dict
  contains:
    check:
      description:
        - C(rights), C(wireguard), C(interface), C(port), C(files), C(clock), C(uplink), C(mtu), C(firewall), C(boot),
          C(packages), C(rp_filter) or C(forwarding).
      type: str
      returned: success
      sample: port
    level:
      description:
        - C(error), a role would fail, or no tunnel would work; C(warning), the overlay works with a loss; C(note), worth knowing.
      type: str
      returned: success
      sample: error
    cause:
      description: What was found.
      type: str
      returned: success
      sample: UDP port 51820 is in use by openvpn (process 812)
    remedy:
      description: What to do; empty if there is nothing to do.
      type: str
      returned: success
      sample: choose another port, or stop its user
"""

import os

from ..module_utils._engine.module_run import Module, run
from ..module_utils._preflight.findings import ERROR, Finding, findings
from ..module_utils._preflight.options import checked
from ..module_utils._preflight.read_state import read_state


def main() -> None:
    module = Module(
        argument_spec={
            "interface": {"type": "str", "default": "wg0"},
            "port": {"type": "int", "default": 51820},
            "userspace": {"type": "bool", "default": False},
            "forwards": {"type": "bool", "default": False},
            "adopt": {"type": "bool", "default": False},
            "controller_time": {"type": "float", "default": 0},
        },
        supports_check_mode=True,
    )

    def check() -> list[Finding]:
        wanted = checked(module.params)
        state = read_state(wanted, dict(os.environ))
        return findings(state, wanted)

    found = run(module, check, "nothing was read")
    ready = all(one.level != ERROR for one in found)
    module.exit_json(changed=False, ready=ready, findings=[one._asdict() for one in found])


if __name__ == "__main__":
    main()
