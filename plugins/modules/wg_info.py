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
  - Returns the fields of C(wg show) for one interface or all, with the names of peers that this collection stores, and
    the routes and rules of the interface.
  - No private or preshared key is returned.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.reads
options:
  interface:
    description:
      - The interface to read. By default all WireGuard interfaces.
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

- name: Check that every peer completed a handshake
  ansible.builtin.assert:
    that: wg0.interfaces[0].peers | map(attribute='latest_handshake') | min > 0
"""

RETURN = r"""
interfaces:
  description: The interfaces, sorted by name; an empty list if O(interface) does not exist.
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
      description: Public key in base64, null without one.
      type: str
      returned: success
      sample: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=
    listen_port:
      description: UDP listen port.
      type: int
      returned: success
      sample: 51820
    fwmark:
      description: Firewall mark of its packets, 0 for none.
      type: int
      returned: success
      sample: 0
    threaded_napi:
      description: >-
        Whether the kernel delivers decrypted packets in threads (threaded NAPI), null if the kernel does not report it.
      type: bool
      returned: success
      sample: false
    routes:
      description:
        - Its routes in all tables except C(local), with the options of M(wirewright.overlay.ip_route), and C(table) and
          C(protocol) as numbers. Unset options are left out.
      type: list
      elements: dict
      returned: success
      sample:
        - {destination: 10.77.0.0/16, dev: wg0, family: ipv4, metric: 0, protocol: 87, scope: link, table: 254,
           type: unicast}
    rules:
      description:
        - The rules that name it (C(iif), C(oif)), that match its C(fwmark), or that look up a table, other than C(main),
          with a route through it. They have the options of M(wirewright.overlay.ip_rule_fwmark), and C(table) and
          C(protocol) as numbers. Unset options are left out.
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
          description: Stored name of the peer, or an empty string.
          type: str
          returned: success
          sample: beta
        endpoint:
          description: Current endpoint of the peer, or an empty string.
          type: str
          returned: success
          sample: 192.0.2.2:51820
        allowed_ips:
          description: Allowed IPs of the peer.
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
          description: Time of the last handshake in seconds since the epoch, 0 for none.
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

from ..module_utils._engine.module_run import Module, run
from ..module_utils._fib.interface_info import describe
from ..module_utils._host import threaded_napi
from ..module_utils._netlink.generic import FamilyMissing
from ..module_utils._netlink.route_lookup import open_connection
from ..module_utils._wireguard.backend import backend_for
from ..module_utils._wireguard.devices import device_info, wireguard_interfaces


def main() -> None:
    module = Module(argument_spec={"interface": {"type": "str"}}, supports_check_mode=True)
    interfaces = run(module, lambda: _read(module.params["interface"]), "nothing was read")
    if module.params["interface"] and not interfaces:
        module.warn(f"interface: this host has no WireGuard interface {module.params['interface']!r}")
    module.exit_json(changed=False, interfaces=interfaces)


def _read(name: str | None) -> list[dict[str, Any]]:
    try:
        names = wireguard_interfaces() if name is None else [name]
        return [found for each in names for found in _info_of(each)]
    except FamilyMissing:
        return []


def _info_of(name: str) -> list[dict[str, Any]]:
    device = backend_for(name).read(name)
    if device is None:
        return []
    index = socket.if_nametoindex(name)
    with open_connection() as connection:
        around = describe(connection, name, index, device.settings.fwmark or 0)
    return [{**device_info(device), "threaded_napi": threaded_napi.read(name, index), **around}]


if __name__ == "__main__":
    main()
