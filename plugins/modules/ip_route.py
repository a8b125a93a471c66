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
  - Adds, changes and removes routes of one routing table, as C(ip route) does, thousands of them in one call.
  - Only what differs is sent, two hundred requests to a message, and a route that changes is replaced in one step.
  - Routes carry protocol 87, and only such routes are changed and removed. Where a route of another protocol has the
    same destination and metric, the module refuses, also when that route equals the wanted one in all else.
  - With another O(protocol), the routes that the module makes are noted on the host, in
    C(/var/lib/wirewright.overlay/fib/routes.json), and those are changed and removed as well.
  - A destination, table and metric make one route, as they do for the kernel.
  - Nothing is written for the next boot.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.changes
options:
  table:
    description:
      - The table, by number or by its name in rt_tables of the managed host.
      - V(main) has to be written as a name. C(0), C(253) and C(255) are refused.
    type: str
    required: true
  protocol:
    description:
      - The routing protocol that routes carry, by number or by its name in rt_protos of the managed host. It is for
        tables of your own.
      - A route that carries it and was not made here stays. Where it has the place of a wanted one, and differs, the
        module refuses.
    type: str
    default: "87"
  routes:
    description:
      - The routes. What is left out of a route is off, or what C(ip route) makes of it.
    type: list
    elements: dict
    required: true
    suboptions:
      destination:
        description:
          - The network that the route leads to, or V(default).
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
          - The family of the destination V(default). By default that of the gateway or source, and V(ipv4) without them.
        type: str
        choices: [ipv4, ipv6]
      type:
        description:
          - V(unicast) leads through an interface; V(local) ends at this host; V(blackhole) drops silently;
            V(unreachable) answers that the host is unreachable; V(prohibit) answers that it is forbidden; V(throw) ends
            the search in this table, and the rules behind it are asked.
        type: str
        choices: [unicast, local, blackhole, unreachable, prohibit, throw]
        default: unicast
      via:
        description:
          - The address of the gateway. An IPv4 route may have an IPv6 gateway, C(via inet6) in C(ip route).
        type: str
      dev:
        description:
          - The interface. With a gateway it may be left out, and the kernel takes the one that leads to the gateway.
        type: str
      src:
        description:
          - The source address to prefer for packets that the host sends along this route; it is one of the host's.
        type: str
      scope:
        description:
          - The scope of the destination, of IPv4 routes alone.
          - By default V(link) for a unicast route without a gateway, V(host) for a local one, and V(global) for others.
        type: str
        choices: [global, site, link, host]
      metric:
        description:
          - The preference of the route; the lowest is taken. The kernel makes V(1024) of V(0) in an IPv6 route.
        type: int
        default: 0
      mtu:
        description:
          - The MTU along the route.
        type: int
      onlink:
        description:
          - Whether to take the gateway for directly attached to the interface, even if no prefix of it says so.
        type: bool
        default: false
      nexthops:
        description:
          - Several next hops, between which flows are spread, in place of O(routes[].via) and O(routes[].dev).
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
              - Whether to take the gateway for directly attached to the interface.
            type: bool
            default: false
  purge:
    description:
      - Whether to remove all other routes of the table that carry protocol 87 or are noted, of both families. Not for
        V(main), where those of M(wirewright.overlay.overlay_apply) are too.
    type: bool
    default: false
  allow_management_change:
    description:
      - Whether routes may change the way of the host's answers to the SSH connection by which the module runs.
      - That way is found by asking the rules and searching the tables as the kernel does, before and after the change,
        for packets of root without a firewall mark and without a type of service.
    type: bool
    default: false
seealso:
  - module: wirewright.overlay.ip_rule_fwmark
  - module: wirewright.overlay.overlay_apply
"""

EXAMPLES = r"""
- name: A default route through the tunnel, in a table of its own
  wirewright.overlay.ip_route:
    table: 51820
    routes:
      - {destination: default, family: ipv4, dev: wg0}
      - {destination: default, family: ipv6, dev: wg0}

- name: Networks of nodes that encrypt through the tunnel, all else as before, and nothing more in this table
  wirewright.overlay.ip_route:
    table: 7100
    purge: true
    routes:
      - {destination: 10.244.1.0/24, dev: wg0, mtu: 1420, src: 10.244.0.1}
      - {destination: 10.244.2.0/24, type: throw}
      - {destination: 10.244.0.0/16, type: prohibit}

- name: Two gateways, one of them twice as good, and a route that goes
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
  description: How many routes were created, updated and deleted.
  returned: success
  type: dict
  sample: {created: 2, deleted: 0, updated: 0}
requests:
  description: How many requests that took; none where nothing changed.
  returned: success
  type: int
  sample: 2
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wirewright.overlay.plugins.module_utils.fib.arguments import ROUTES
from ansible_collections.wirewright.overlay.plugins.module_utils.fib.converge import converge_routes
from ansible_collections.wirewright.overlay.plugins.module_utils.fib.route_options import parse
from ansible_collections.wirewright.overlay.plugins.module_utils.module_run import run


def main() -> None:
    module = AnsibleModule(argument_spec=ROUTES, supports_check_mode=True)
    allowed = module.params["allow_management_change"]
    run(
        module,
        "routes",
        lambda: converge_routes(parse(module.params), check_mode=module.check_mode, allow_management_change=allowed),
    )


if __name__ == "__main__":
    main()
