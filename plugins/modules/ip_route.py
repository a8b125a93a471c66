#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: ip_route
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Manage the routes of a table
description:
  - Adds, changes and removes routes of one routing table, as C(ip route) does, also thousands in one call.
  - Only differences are sent, up to two hundred requests in a message. A changed route is replaced atomically.
  - Routes have protocol 87, and only such routes are changed and removed. Where a route of another protocol has the
    same destination and metric, the module refuses, even if it equals the desired one in all else.
  - With another O(protocol), the module records its routes on the host, in
    C(/var/lib/wirewright.overlay/fib/routes.json), and changes and removes these as well.
  - Destination, table and metric identify a route, as in the kernel.
  - Does not persist across reboots. M(wirewright.overlay.overlay_apply) writes boot files.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.changes
options:
  table:
    description:
      - The table, by number or by its name in rt_tables of the managed host.
      - Write V(main) as a name. C(0), C(253) and C(255) are refused.
    type: str
    required: true
  protocol:
    description:
      - The routing protocol of the routes, by number or by its name in rt_protos of the managed host. Only for tables of
        your own.
      - Other routes of this protocol stay. Where one has the destination and metric of a desired route and differs, the
        module refuses.
    type: str
    default: "87"
  routes:
    description:
      - The routes. Options that are left out are off, or have the default of C(ip route).
    type: list
    elements: dict
    required: true
    suboptions:
      destination:
        description:
          - The destination network, or V(default).
        type: str
        required: true
      state:
        description:
          - Whether the route exists. To remove one, its destination and metric are enough.
        type: str
        choices: [present, absent]
        default: present
      family:
        description:
          - The family of the destination V(default). By default that of the gateway or source, or V(ipv4) without them.
        type: str
        choices: [ipv4, ipv6]
      type:
        description:
          - V(unicast) forwards through an interface; V(local) delivers to this host; V(blackhole) drops silently;
            V(unreachable) and V(prohibit) drop with an ICMP error; V(throw) ends the search in this table, and the
            kernel continues with the next rule.
        type: str
        choices: [unicast, local, blackhole, unreachable, prohibit, throw]
        default: unicast
      via:
        description:
          - The address of the gateway. An IPv4 route may have an IPv6 gateway, C(via inet6) in C(ip route).
        type: str
      dev:
        description:
          - The interface. With a gateway it may be left out; the kernel then uses the interface of the route to the gateway.
        type: str
      src:
        description:
          - The preferred source address of packets that the host sends over this route, an address of the host.
        type: str
      scope:
        description:
          - The scope of the destination, for IPv4 routes only.
          - By default V(link) for a unicast route without a gateway, V(host) for a local one, and V(global) for others.
        type: str
        choices: [global, site, link, host]
      metric:
        description:
          - The metric; the kernel prefers the lowest. For IPv6 routes it turns V(0) into V(1024).
        type: int
        default: 0
      mtu:
        description:
          - The MTU of the route.
        type: int
      onlink:
        description:
          - Whether the gateway counts as directly attached to the interface, even if no prefix of the interface contains it.
        type: bool
        default: false
      nexthops:
        description:
          - Several next hops that share the flows, instead of O(routes[].via) and O(routes[].dev).
        type: list
        elements: dict
        suboptions:
          via:
            description:
              - The address of the gateway. Next hops of an IPv6 route need one.
            type: str
          dev:
            description:
              - The interface.
            type: str
          weight:
            description:
              - The share of flows, relative to the other next hops, from 1 to 256.
            type: int
            default: 1
          onlink:
            description:
              - Whether the gateway counts as directly attached to the interface.
            type: bool
            default: false
  purge:
    description:
      - Whether to remove all other routes of the table that have protocol 87 or are recorded, of both families. Not for
        V(main), which also has the routes of M(wirewright.overlay.overlay_apply).
    type: bool
    default: false
  allow_management_change:
    description:
      - Whether routes may reroute the management connection, the SSH connection that the module runs over. Without it
        such a change is refused.
      - Its route is computed from rules and tables as in the kernel, before and after the change, for packets of root
        without a firewall mark and without a type of service.
    type: bool
    default: false
seealso:
  - module: wirewright.overlay.ip_rule_fwmark
  - module: wirewright.overlay.overlay_apply
"""

EXAMPLES = r"""
- name: Add a default route through the tunnel in a separate table
  wirewright.overlay.ip_route:
    table: 51820
    routes:
      - {destination: default, family: ipv4, dev: wg0}
      - {destination: default, family: ipv6, dev: wg0}

- name: Route the pod networks of encrypted nodes through the tunnel, and purge other routes of the table
  wirewright.overlay.ip_route:
    table: 7100
    purge: true
    routes:
      - {destination: 10.244.1.0/24, dev: wg0, mtu: 1420, src: 10.244.0.1}
      - {destination: 10.244.2.0/24, type: throw}
      - {destination: 10.244.0.0/16, type: prohibit}

- name: Share flows between two gateways, and remove a route
  wirewright.overlay.ip_route:
    table: 300
    routes:
      - destination: 10.50.0.0/16
        nexthops:
          - {via: 192.0.2.1, dev: eth0, weight: 2}
          - {via: 198.51.100.1, dev: eth1}
      - {destination: 10.60.0.0/16, metric: 5, state: absent}
"""

RETURN = r"""
routes:
  description: Number of routes that were created, updated and deleted.
  returned: success
  type: dict
  sample: {created: 2, deleted: 0, updated: 0}
requests:
  description: Number of netlink requests; 0 without changes.
  returned: success
  type: int
  sample: 2
"""

import socket

from ..module_utils._engine.module_run import Module, exit_with
from ..module_utils._engine.result import StageResult
from ..module_utils._fib.argument_spec import ROUTES
from ..module_utils._fib.route_options import parse
from ..module_utils._fib.route_table import name_of
from ..module_utils._fib.stages import converge
from ..module_utils._host.missing_interfaces import MissingInterfaces
from ..module_utils._overlay.exclusive import run_exclusively
from ..module_utils._overlay.management import management_flows


def main() -> None:
    module = Module(argument_spec=ROUTES, supports_check_mode=True)
    allowed = module.params["allow_management_change"]
    missing = MissingInterfaces()  # those that an earlier task in check mode has only predicted
    index_of = missing.index_of if module.check_mode else socket.if_nametoindex

    def interface_name(index: int) -> str:
        return missing.name_of(index) or name_of(index)

    def work() -> StageResult:
        wanted = parse(module.params, index_of)
        return converge(
            wanted,
            check_mode=module.check_mode,
            allow_management_change=allowed,
            names=interface_name,
            management=management_flows,
        )

    result = run_exclusively(module, work)
    for warning in missing.warnings():
        module.warn(warning)
    exit_with(
        module, result, f"routes of table {module.params['table']}", routes=result.counts, requests=result.requests
    )


if __name__ == "__main__":
    main()
