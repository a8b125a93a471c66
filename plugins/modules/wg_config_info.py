#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: wg_config_info
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Read WireGuard configurations of other programs as variables of a role
description:
  - Reads the files of C(wg-quick) in C(/etc/wireguard), the units of C(systemd-networkd), the profiles of C(NetworkManager),
    and the running interfaces, and returns each interface, also as variables of the role C(mesh) or C(hub_spoke).
  - Lists the parts of the files that this collection does not take over, for example C(PostUp) commands.
  - For an interface that exists, its current state takes precedence, and the files add the rest. Files that this collection
    wrote are not read.
  - No private or preshared key is returned, and no command of a file.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.reads
options:
  interface:
    description:
      - The interface to read. By default all WireGuard interfaces that exist or are in files.
    type: str
  role:
    description:
      - The role whose variables are returned.
    type: str
    choices: [mesh, hub_spoke]
    default: mesh
seealso:
  - module: wirewright.overlay.wg_info
  - module: wirewright.overlay.overlay_prepare
"""

EXAMPLES = r"""
- name: Read all WireGuard set-ups of a host
  wirewright.overlay.wg_config_info:
  register: found

- name: Show what cannot be taken over
  ansible.builtin.debug:
    msg: "{{ found.interfaces | map(attribute='unsupported') | flatten }}"

- name: Read wg0 as variables of the role hub_spoke
  wirewright.overlay.wg_config_info:
    interface: wg0
    role: hub_spoke
"""

RETURN = r"""
interfaces:
  description: The interfaces, sorted by name; an empty list if O(interface) neither exists nor is in a file.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the interface.
      type: str
      returned: success
      sample: wg0
    runs:
      description: Whether the interface exists now.
      type: bool
      returned: success
      sample: true
    managed:
      description: Whether this collection manages the interface.
      type: bool
      returned: success
      sample: false
    method:
      description: The program that reads the files; V(wg_quick), V(networkd), V(networkmanager), or null without files.
      type: str
      returned: success
      sample: wg_quick
    files:
      description: The files of other programs, including drop-ins.
      type: list
      elements: str
      returned: success
      sample: [/etc/wireguard/wg0.conf]
    public_key:
      description: Public key in base64, of the interface or of the private key in its files; null without one.
      type: str
      returned: success
      sample: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=
    listen_port:
      description: UDP listen port, 0 if the files set none and the interface does not exist.
      type: int
      returned: success
      sample: 51820
    fwmark:
      description: Firewall mark, 0 for none.
      type: int
      returned: success
      sample: 0
    mtu:
      description: MTU in the files, or of an interface without files if it is not the default; null otherwise.
      type: int
      returned: success
      sample: 1380
    addresses:
      description: Addresses with prefix length.
      type: list
      elements: str
      returned: success
      sample: [10.8.0.1/24]
    routes:
      description: Whether its program adds routes for allowed IPs; null if unknown.
      type: bool
      returned: success
      sample: true
    peers:
      description: The peers.
      type: list
      elements: dict
      returned: success
      contains:
        public_key:
          description: Public key of the peer in base64.
          type: str
          returned: success
          sample: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=
        name:
          description: Name in a comment of the peer, or an empty string.
          type: str
          returned: success
          sample: beta
        endpoint:
          description: Endpoint in the files, else the current one, or an empty string.
          type: str
          returned: success
          sample: vpn.example.org:51820
        allowed_ips:
          description: Allowed IPs.
          type: list
          elements: str
          returned: success
          sample: [10.8.0.2/32]
        persistent_keepalive:
          description: Seconds between keepalive packets, 0 for none.
          type: int
          returned: success
          sample: 25
        preshared_key:
          description: Whether the peer has a preshared key.
          type: bool
          returned: success
          sample: false
        runs:
          description: Whether the existing interface has the peer.
          type: bool
          returned: success
          sample: true
    unsupported:
      description: The parts of the files that are not taken over, with file, line and remedy.
      type: list
      elements: str
      returned: success
      sample:
        - >-
          /etc/wireguard/wg0.conf, line 5: PostUp runs iptables, which no file of this collection does: move it to a systemd
          unit of your own, and delete the line
    variables:
      description:
        - Variables of O(role) for this host. All peers are static peers. The playbook C(wirewright.overlay.import) finds out
          which of them are hosts of the inventory.
      type: dict
      returned: success
      sample:
        mesh_interface: wg0
        mesh_port: 51820
        mesh_addresses: [10.8.0.1/24]
        mesh_static_peers:
          - name: beta
            public_key: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=
            endpoint: vpn.example.org:51820
            allowed_ips: [10.8.0.2/32]
"""

from ..module_utils._engine.module_run import Module, run
from ..module_utils._interface.config_info import ROLES, read
from ..module_utils._netlink.route_lookup import open_connection


def main() -> None:
    module = Module(
        argument_spec={
            "interface": {"type": "str"},
            "role": {"type": "str", "choices": list(ROLES), "default": ROLES[0]},
        },
        supports_check_mode=True,
    )
    with open_connection() as fib:
        interfaces = run(
            module, lambda: read(fib, module.params["interface"], module.params["role"]), "nothing was read"
        )
    module.exit_json(changed=False, interfaces=interfaces)


if __name__ == "__main__":
    main()
