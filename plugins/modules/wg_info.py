#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: wg_info
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Read WireGuard interfaces, their peers, routes and rules
description:
  - Returns what C(wg show) says of one interface or of all, with the names that this collection remembers of peers,
    and the routes and rules that belong to the interface.
  - No private or preshared key is returned.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.reads
options:
  interface:
    description:
      - The interface to read. Left out, all WireGuard interfaces are read.
    type: str
seealso:
  - module: wirewright.overlay.wg_peer
  - module: wirewright.overlay.ip_route
  - module: wirewright.overlay.ip_rule_fwmark
"""

EXAMPLES = r"""
- name: Read wg0
  wirewright.overlay.wg_info:
    interface: wg0
  register: wg0

- name: Every peer has been heard of
  ansible.builtin.assert:
    that: wg0.interfaces[0].peers | map(attribute='latest_handshake') | min > 0
"""

RETURN = r"""
interfaces:
  description: The interfaces, sorted by name; an empty list where O(interface) does not exist.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the interface.
      type: str
      returned: success
      sample: wg0
    public_key:
      description: Its public key in base64, null where it has none.
      type: str
      returned: success
      sample: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=
    listen_port:
      description: Its UDP port.
      type: int
      returned: success
      sample: 51820
    fwmark:
      description: The mark of its packets, 0 for none.
      type: int
      returned: success
      sample: 0
    threaded_napi:
      description: >-
        Whether the kernel polls its packets in threads (threaded NAPI), null where the kernel does not say.
      type: bool
      returned: success
      sample: false
    routes:
      description:
        - The routes that lead through it, of all tables but C(local), each with the options of an entry of
          M(wirewright.overlay.ip_route), and with C(table) and C(protocol) as numbers. What is not set is left out.
      type: list
      elements: dict
      returned: success
      sample:
        - {destination: 10.77.0.0/16, dev: wg0, family: ipv4, metric: 0, protocol: 87, scope: link, table: 254,
           type: unicast}
    rules:
      description:
        - The rules that name it (C(iif), C(oif)), that look up a table of its own, which is one that has a route
          through it and is not C(main), or that match its C(fwmark). Each has the options of an entry of
          M(wirewright.overlay.ip_rule_fwmark), and C(table) and C(protocol) as numbers. What is not set is left out.
      type: list
      elements: dict
      returned: success
      sample:
        - {action: lookup, family: ipv4, fwmark: "0xca6c", invert: true, priority: 32765, protocol: 0, table: 51820}
    peers:
      description: Its peers, by name and public key.
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
          description: The name that is remembered of the peer, or an empty text.
          type: str
          returned: success
          sample: beta
        endpoint:
          description: Where the peer was last heard of or is looked for, or an empty text.
          type: str
          returned: success
          sample: 192.0.2.2:51820
        allowed_ips:
          description: The networks that are routed to the peer.
          type: list
          elements: str
          returned: success
          sample: [10.42.0.2/32]
        persistent_keepalive:
          description: Seconds between keepalive packets, 0 for none.
          type: int
          returned: success
          sample: 0
        preshared_key:
          description: Whether the peer has a preshared key.
          type: bool
          returned: success
          sample: false
        latest_handshake:
          description: Seconds since the epoch of the last handshake, 0 for never.
          type: int
          returned: success
          sample: 1790000000
        rx_bytes:
          description: Bytes received from the peer.
          type: int
          returned: success
          sample: 92
        tx_bytes:
          description: Bytes sent to the peer.
          type: int
          returned: success
          sample: 148
"""

import socket
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wirewright.overlay.plugins.module_utils.fib.of_interface import describe
from ansible_collections.wirewright.overlay.plugins.module_utils.fib.ways import open_connection
from ansible_collections.wirewright.overlay.plugins.module_utils.host import threaded_napi
from ansible_collections.wirewright.overlay.plugins.module_utils.netlink.generic import FamilyMissing
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.backend import backend_for
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.devices import (
    device_info,
    wireguard_interfaces,
)


def info_of(name: str) -> list[dict[str, Any]]:
    device = backend_for(name).read(name)
    if device is None:
        return []
    index = socket.if_nametoindex(name)
    with open_connection() as connection:
        around = describe(connection, name, index, device.settings.fwmark or 0)
    return [{**device_info(device), "threaded_napi": threaded_napi.read(name, index), **around}]


def main() -> None:
    module = AnsibleModule(argument_spec={"interface": {"type": "str"}}, supports_check_mode=True)
    name = module.params["interface"]
    try:
        names = wireguard_interfaces() if name is None else [name]
        interfaces = [found for each in names for found in info_of(each)]
    except FamilyMissing:
        interfaces = []
    except (OSError, ValueError) as exc:
        module.fail_json(msg=f"the interface could not be read: {exc}")
    module.exit_json(changed=False, interfaces=interfaces)


if __name__ == "__main__":
    main()
