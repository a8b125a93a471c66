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
  - Creates, changes and removes one WireGuard interface and its addresses, over netlink. Only differences are changed.
  - Peers and their sessions are not changed; M(wirewright.overlay.wg_peer) manages them.
  - Does not persist across reboots. M(wirewright.overlay.overlay_apply) writes boot files.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.changes
options:
  interface:
    description:
      - Name of the interface, at most 15 characters.
    type: str
    required: true
  state:
    description:
      - Whether the interface exists. V(absent) removes WireGuard interfaces only.
    type: str
    choices: [present, absent]
    default: present
  private_key_file:
    description:
      - File on the managed host with the private key in base64, as M(wirewright.overlay.wg_key) creates it.
      - The key is read on the host. By default the key of the interface is not changed.
    type: path
  listen_port:
    description:
      - UDP port to listen on. V(0) lets the kernel choose one. By default the port is not changed.
    type: int
  fwmark:
    description:
      - Mark of the packets that the interface sends, as a decimal or hexadecimal number. V(0) clears it. By default the
        mark is not changed.
    type: str
  mtu:
    description:
      - MTU of the interface. By default it is not changed, and a new interface has 1420.
    type: int
  threaded_napi:
    description:
      - Whether the kernel delivers decrypted packets in a thread for each peer (threaded NAPI) instead of the softirq. By
        default the setting is not changed, and that of a new interface depends on the kernel.
      - Can be set only once the interface has a peer, so this takes a call after the first M(wirewright.overlay.wg_peer).
        Until then, and with C(wireguard-go), which does not support it, the module warns.
    type: bool
  addresses:
    description:
      - All addresses of the interface, with prefix length. Others are removed, except link-local addresses that the kernel
        or another program has set.
      - An IPv6 address that gets another prefix length is replaced, because the kernel cannot change it.
      - An empty list removes all. By default addresses are not changed, also where the kernel removes them because the
        interface is set down.
    type: list
    elements: str
  up:
    description:
      - Whether the interface is up.
    type: bool
    default: true
  userspace:
    description:
      - Whether to use C(wireguard-go) if the kernel does not support WireGuard.
    type: bool
    default: false
  allow_management_change:
    description:
      - Whether a change may reroute or cut the management connection. By default a call is refused that removes the address
        or the interface of this connection, changes the private key of that interface, or makes replies to the controller
        leave through another interface or gateway.
    type: bool
    default: false
requirements:
  - pyroute2 >= 0.7.2
seealso:
  - module: wirewright.overlay.wg_key
  - module: wirewright.overlay.wg_peer
"""

EXAMPLES = r"""
- name: Create wg0 with key, port and addresses
  wirewright.overlay.wg_interface:
    interface: wg0
    private_key_file: /etc/wireguard/wg0.key
    listen_port: 51820
    mtu: 1420
    addresses:
      - 10.42.0.1/24
      - fd42:42::1/64

- name: Mark the packets of the tunnel
  wirewright.overlay.wg_interface:
    interface: wg0
    fwmark: "0xca6c"

- name: Remove wg0
  wirewright.overlay.wg_interface:
    interface: wg0
    state: absent
"""

RETURN = r"""
public_key:
  description: Public key of the interface in base64, null for an interface without a key.
  returned: success
  type: str
  sample: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=
addresses:
  description: Number of addresses added and removed.
  returned: success
  type: dict
  sample: {created: 2, deleted: 0, updated: 0}
"""

from ..module_utils._engine.module_run import Module, combine, exit_with
from ..module_utils._interface.module_options import parse_module_interface
from ..module_utils._overlay.exclusive import run_exclusively
from ..module_utils._overlay.interfaces import converge_interface


def main() -> None:
    module = Module(
        argument_spec={
            "interface": {"type": "str", "required": True},
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
    result = run_exclusively(
        module,
        lambda: converge_interface(
            parse_module_interface(module.params), check_mode=module.check_mode, allow_management_change=allowed
        ),
    )
    named = combine({module.params["interface"]: result})
    exit_with(module, named, differs=result.changed, addresses=result.counts["addresses"], **result.details)


if __name__ == "__main__":
    main()
