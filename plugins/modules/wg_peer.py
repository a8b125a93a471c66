#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: wg_peer
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Manage peers of a WireGuard interface
description:
  - Adds, changes and removes one or more peers, in as few netlink messages as possible.
  - Only differences are sent. The sessions of unchanged peers continue.
  - Does not persist across reboots. M(wirewright.overlay.overlay_apply) writes boot files.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.changes
options:
  interface:
    description:
      - Name of the WireGuard interface, which must exist. In check mode a missing one is a warning, because an earlier task
        may have predicted it.
    type: str
    required: true
  peers:
    description:
      - The peers. Options that are left out are not changed; empty values clear them.
    type: list
    elements: dict
    required: true
    suboptions:
      public_key:
        description:
          - Public key of the peer in base64. It identifies the peer.
        type: str
        required: true
      state:
        description:
          - Whether the peer exists.
        type: str
        choices: [present, absent]
        default: present
      name:
        description:
          - Display name, stored on the host and returned by M(wirewright.overlay.wg_info).
        type: str
      preshared_key:
        description:
          - Preshared key in base64. An empty string removes it.
        type: str
      endpoint:
        description:
          - Endpoint of the peer, as C(address:port), C([IPv6 address]:port) or C(name:port).
          - Set only when this value changes, so that an endpoint learned through roaming is kept. Cannot be cleared.
          - Names are resolved on the managed host. The first usable address is set. An address is not usable if it is
            unspecified, multicast, reserved, link-local without an interface, an address of this host, reached
            through the tunnel, or not reached at all, as an IPv6 address on a host without IPv6. An endpoint with a usable
            address of the name is kept.
          - An address and port of the interface itself, an address inside a network of the interface, and a scope that is no
            interface of this host are refused. Another port of this host is accepted, because a proxy may have it, with a
            warning unless it is the loopback.
          - If a name has no usable address within three seconds, the module warns, and the peer keeps its endpoint.
        type: str
      endpoint_family:
        description:
          - Address family that a name in O(peers[].endpoint) is resolved to. Without it, both are allowed.
        type: str
        choices: [ipv4, ipv6]
      persistent_keepalive:
        description:
          - Seconds between keepalive packets. V(0) disables them.
        type: int
      allowed_ips:
        description:
          - All allowed IPs of the peer. An empty list removes all.
          - An allowed IP belongs to one peer of the interface. The peer that had it before loses it. Two peers of one call
            cannot have the same. A network of one peer inside that of another is allowed, with a warning; the longer
            prefix wins.
        type: list
        elements: str
  purge:
    description:
      - Whether to remove all other peers of the interface.
    type: bool
    default: false
  allow_mass_removal:
    description:
      - Whether O(purge) may remove more than 30 percent of the peers of the interface in one call, if these are at least three.
        By default such a call is refused, because a list of peers that is empty by mistake would remove all.
    type: bool
    default: false
  allow_management_change:
    description:
      - Whether a change may reroute or cut the management connection. By default a call is refused after which the peer
        that carries this connection would not receive its packets any more.
    type: bool
    default: false
requirements:
  - pyroute2 >= 0.7.2
seealso:
  - module: wirewright.overlay.wg_interface
  - module: wirewright.overlay.overlay_apply
"""

EXAMPLES = r"""
- name: Configure two peers and remove all others
  wirewright.overlay.wg_peer:
    interface: wg0
    purge: true
    peers:
      - name: alpha
        public_key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=
        endpoint: 192.0.2.1:51820
        allowed_ips: [10.42.0.1/32]
      - name: beta
        public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=
        endpoint: "[2001:db8::2]:51820"
        allowed_ips: [10.42.0.2/32, 10.77.0.0/16]
        persistent_keepalive: 25

- name: Remove the preshared key and the keepalive of a peer
  wirewright.overlay.wg_peer:
    interface: wg0
    peers:
      - public_key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=
        preshared_key: ""
        persistent_keepalive: 0

- name: Remove a peer
  wirewright.overlay.wg_peer:
    interface: wg0
    peers:
      - public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=
        state: absent
"""

RETURN = r"""
peers:
  description: Number of peers created, updated and deleted.
  returned: success
  type: dict
  sample: {created: 2, deleted: 0, updated: 0}
requests:
  description: Number of set requests sent, 0 without a change.
  returned: success
  type: int
  sample: 1
"""

from ..module_utils._engine.module_run import Module, combine, exit_with
from ..module_utils._interface.module_options import parse_module_peers
from ..module_utils._overlay.exclusive import run_exclusively
from ..module_utils._overlay.interfaces import converge_interface
from ..module_utils._wireguard.keys import decode_predicted_key, decode_public_key


def main() -> None:
    module = Module(
        argument_spec={
            "interface": {"type": "str", "required": True},
            "peers": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "public_key": {"type": "str", "required": True, "no_log": False},
                    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                    "name": {"type": "str"},
                    "preshared_key": {"type": "str", "no_log": True},
                    "endpoint": {"type": "str"},
                    "endpoint_family": {"type": "str", "choices": ["ipv4", "ipv6"]},
                    "persistent_keepalive": {"type": "int", "no_log": False},
                    "allowed_ips": {"type": "list", "elements": "str"},
                },
            },
            "purge": {"type": "bool", "default": False},
            "allow_mass_removal": {"type": "bool", "default": False},
            "allow_management_change": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    # In check mode wg_key returns a text in place of a public key that it would generate.
    decode = decode_predicted_key if module.check_mode else decode_public_key
    result = run_exclusively(
        module,
        lambda: converge_interface(
            parse_module_peers(
                params["interface"],
                params["peers"],
                params["purge"],
                decode,
                allow_mass_removal=params["allow_mass_removal"],
            ),
            check_mode=module.check_mode,
            allow_management_change=params["allow_management_change"],
        ),
    )
    named = combine({params["interface"]: result})
    exit_with(module, named, differs=result.changed, peers=result.counts["peers"], requests=result.requests)


if __name__ == "__main__":
    main()
