#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: wg_interface
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Manage a WireGuard interface
description:
  - Makes, changes and removes one WireGuard interface and its addresses, over netlink. Only what differs is changed.
  - Peers are the business of M(wirewright.overlay.wg_peer); they and their sessions are left alone here.
  - Nothing is written for the next boot. M(wirewright.overlay.overlay_apply) does that.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.changes
options:
  name:
    description:
      - Name of the interface, at most 15 characters.
    type: str
    required: true
  state:
    description:
      - Whether the interface exists. With V(absent), only an interface that is WireGuard's is removed.
    type: str
    choices: [present, absent]
    default: present
  private_key_file:
    description:
      - File on the managed host that holds the private key in base64, as M(wirewright.overlay.wg_key) makes it.
      - The key is read on the host. Left out, the interface keeps the key it has, or has none.
    type: path
  listen_port:
    description:
      - UDP port to listen on. V(0) lets the kernel choose one. Left out, the port is left alone.
    type: int
  fwmark:
    description:
      - Mark of the packets that the interface sends, as a number or in hexadecimal. V(0) takes it off.
        Left out, it is left alone.
    type: str
  mtu:
    description:
      - MTU of the interface. Left out, it is left alone, and a new interface has 1420.
    type: int
  threaded_napi:
    description:
      - Whether the kernel decrypts and delivers packets in a thread for each peer (threaded NAPI), and not where interrupts
        are served. Left out, it is left alone, and the kernel's release decides what a new interface has.
      - It can be set only where there is a peer, so it takes a call after M(wirewright.overlay.wg_peer) made the first; until
        then there is a warning. C(wireguard-go) has no such thing, and then there is a warning, too.
    type: bool
  addresses:
    description:
      - All addresses of the interface, with prefix length; others are removed, link-local ones apart.
      - An empty list removes all. Left out, addresses are left alone.
    type: list
    elements: str
  up:
    description:
      - Whether the interface is up.
    type: bool
    default: true
  userspace:
    description:
      - Whether C(wireguard-go) may serve the interface where the kernel has no WireGuard.
      - The kernel is always tried first.
    type: bool
    default: false
  allow_management_change:
    description:
      - Whether the connection by which the module runs may be sent another way, or cut.
        Without it a call is refused that takes away the address the connection comes to, the interface it goes through or
        the private key of that, or after which answers to the controller would leave by another way.
    type: bool
    default: false
requirements:
  - pyroute2 >= 0.7.2
seealso:
  - module: wirewright.overlay.wg_key
  - module: wirewright.overlay.wg_peer
"""

EXAMPLES = r"""
- name: Have wg0 with its key, port and addresses
  wirewright.overlay.wg_interface:
    name: wg0
    private_key_file: /etc/wireguard/wg0.key
    listen_port: 51820
    mtu: 1420
    addresses:
      - 10.42.0.1/24
      - fd42:42::1/64

- name: Mark the packets of the tunnel
  wirewright.overlay.wg_interface:
    name: wg0
    fwmark: "0xca6c"

- name: Remove wg0
  wirewright.overlay.wg_interface:
    name: wg0
    state: absent
"""

RETURN = r"""
public_key:
  description: The public key of the interface in base64, null for one without a key.
  returned: success
  type: str
  sample: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=
addresses:
  description: How many addresses were added and removed.
  returned: success
  type: dict
  sample: {created: 2, deleted: 0, updated: 0}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.apply import converge
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.desired import parse_module_interface
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.module_run import (
    exit_with,
    interface_result,
    run,
)
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.outcome import HostOutcome


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "private_key_file": {"type": "path"},
            "listen_port": {"type": "int"},
            "fwmark": {"type": "str"},
            "mtu": {"type": "int"},
            "threaded_napi": {"type": "bool"},
            "addresses": {"type": "list", "elements": "str"},
            "up": {"type": "bool", "default": True},
            "userspace": {"type": "bool", "default": False},
            "allow_management_change": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    allowed = module.params["allow_management_change"]
    outcomes = run(
        module,
        lambda: converge(
            [parse_module_interface(module.params)], check_mode=module.check_mode, allow_management_change=allowed
        ),
    )
    result = interface_result(outcomes[0])
    exit_with(module, HostOutcome(outcomes), public_key=result["public_key"], addresses=result["addresses"])


if __name__ == "__main__":
    main()
