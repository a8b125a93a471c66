#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_plan
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Plan the overlay of a whole fleet, once
description:
  - Reads the variables and facts of every member, checks them against each other, and returns what each host needs,
    each host described once. M(wirewright.overlay.overlay_apply) expands a host's part where it is applied.
  - Runs on the controller; use it with C(run_once). It changes nothing.
  - The members are the same under C(--limit), with C(serial), and when hosts cannot be reached. A member that was not
    heard from keeps the key, the addresses and the endpoint that the inventory or its neighbours know.
  - Variables are those of the role, with exact precedence for each member; role defaults and role parameters count.
    See the roles C(wirewright.overlay.mesh) and C(wirewright.overlay.hub_spoke) for their meaning.
  - All problems of all hosts are reported in one message, and then nothing is planned.
  - The result holds no secret. Preshared keys are derived later, for one host at a time.
extends_documentation_fragment:
  - wirewright.overlay.attributes
attributes:
  action:
    description: The work is done on the controller.
    support: full
  check_mode:
    description: Can run in C(check_mode); it changes nothing anyway.
    support: full
  diff_mode:
    description: Returns no diff, because nothing changes.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
options:
  topology:
    description:
      - Who has a tunnel to whom. In a V(mesh) every member has one to every other. With V(hub_spoke) every spoke has one
        to every hub, and hubs have one to each other. With V(node_encryption) every Kubernetes node has one to every
        other, for the pods behind it.
    type: str
    choices: [mesh, hub_spoke, node_encryption]
    default: mesh
  group:
    description:
      - The inventory group whose hosts are the members of a mesh, or the nodes of a cluster.
      - By default all hosts that the play's C(hosts) name, without C(--limit).
    type: str
    default: ''
  hubs_group:
    description:
      - The inventory group of the hubs, if O(topology=hub_spoke).
    type: str
    default: hubs
  spokes_group:
    description:
      - The inventory group of the spokes, if O(topology=hub_spoke).
    type: str
    default: spokes
  prefix:
    description:
      - What the names of the variables begin with. By default the topology's name and an underscore.
    type: str
    default: ''
  stage:
    description:
      - How far the run is with direct tunnels between spokes, if O(topology=hub_spoke). V(plan) keeps those that work,
        V(try) adds those that may, without sending anything over them, and V(settle) keeps of these the ones where both
        ends have shaken hands.
    type: str
    choices: [plan, try, settle]
    default: plan
  heard_from:
    description:
      - The names of variables that have registered results of M(wirewright.overlay.overlay_probe) and
        M(wirewright.overlay.stun_info) since, on whatever host.
    type: list
    elements: str
    default: []
seealso:
  - module: wirewright.overlay.overlay_apply
  - module: wirewright.overlay.overlay_facts
"""

EXAMPLES = r"""
- name: Have a key, and tell the others
  wirewright.overlay.overlay_facts:
    interface: wg0

- name: Plan the mesh
  wirewright.overlay.overlay_plan:
  run_once: true
  register: mesh_plan

- name: Apply this host's part
  wirewright.overlay.overlay_apply:
    plan_from: mesh_plan

- name: Plan hubs and spokes
  wirewright.overlay.overlay_plan:
    topology: hub_spoke
    hubs_group: gateways
    spokes_group: branches
  run_once: true
  register: hub_spoke_plan
"""

RETURN = r"""
plan:
  description: The plan, in a form that may change with any version. It grows with the number of hosts, not its square.
  returned: success
  type: dict
  contains:
    version:
      description: Version of this form.
      returned: success
      type: int
      sample: 2
    topology:
      description: The topology.
      returned: success
      type: str
      sample: mesh
    interface:
      description: The interface that all members of a mesh have, or that leads to the preferred hub.
      returned: success
      type: str
      sample: wg0
    hosts:
      description:
        - By inventory name, what the others need to know of a host (C(public_key), C(addresses), C(networks),
          C(endpoints), C(families); C(hub) with the interface and priority of a hub; C(public_keys) and C(ports) of a
          spoke by interface) and what only it needs (C(device)).
      returned: success
      type: dict
    unknown:
      description: Members whose public key nobody knows. The others keep what they hold of them.
      returned: success
      type: list
      elements: str
      sample: []
    revoked:
      description: Revoked public keys, with the names they had.
      returned: success
      type: dict
      sample: {}
    excluded:
      description: Members that are revoked, and so are not planned.
      returned: success
      type: list
      elements: str
      sample: []
    networks:
      description: The networks of the overlay, if spokes send them to hubs.
      returned: success
      type: list
      elements: str
      sample: []
    isolate:
      description: Whether spokes are kept from each other.
      returned: success
      type: bool
      sample: false
    retired:
      description: The interfaces that led to hubs which are revoked.
      returned: success
      type: list
      elements: str
      sample: []
    direct:
      description: The direct tunnels between spokes, null without any.
      returned: success
      type: dict
    ipsec:
      description: What holds for all Kubernetes nodes and what each of them is, where they encrypt by IPsec, or null.
      returned: success
      type: dict
      sample: null
    encryption:
      description: What holds for all Kubernetes nodes, or null.
      returned: success
      type: dict
      sample: null
direct:
  description:
    - Direct tunnels between spokes; the C(interface), by spoke the peers that it C(tries), the peers that hubs have to
      hear for that (C(observe)), and what becomes of each pair, in lines (C(report)) and in short (C(summary)).
  returned: when a spoke wants direct tunnels
  type: dict
  sample:
    interface: wgdirect
    observe: []
    report: ['s1 and s2: direct', 's1 and s3: through the hub, because the key of s3 is not known']
    summary: 1 direct, 1 through the hub
    tries: {}
problems:
  description: All that is wrong, one line each.
  returned: failure
  type: list
  elements: str
  sample: ["host 'web3': mesh_addresses: 10.42.0.4 is also db1''s; give one of them another address"]
hubs:
  description: The hubs, the preferred one first, each with C(name), the device C(dev) that leads to it, and its C(address).
  returned: with O(topology) V(hub_spoke)
  type: list
  elements: dict
  sample:
    - {address: 10.43.0.1, dev: wg0, name: hub1}
nodes:
  description: The nodes that shall encrypt and that this run speaks to, each with C(name) and C(public_key).
  returned: with O(topology) V(node_encryption)
  type: list
  elements: dict
  sample:
    - {name: node1, public_key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=}
wire:
  description:
    - What the wire between the nodes should look like. C(nodes), C(wireguard_ports), C(exempt_ports) and C(peers) are
      options of M(wirewright.overlay.wire_census) and of its O(wirewright.overlay.wire_census#module:probe); C(marks) by
      node is its O(wirewright.overlay.wire_census#module:mark).
    - C(encrypting) are the nodes that should encrypt, C(keyless) those of them whose key nobody knows; C(host_encryption)
      and C(exempt_hosts) are the variables of these names.
    - Of nodes with IPsec, C(ipsec) is the option O(wirewright.overlay.wire_census#module:ipsec), and C(by_pair) whether each
      pair has states of its own.
  returned: with O(topology) V(node_encryption)
  type: dict
  sample:
    nodes: [{name: node1, addresses: [192.0.2.1], pod_networks: [10.244.1.0/24]}]
    peers: [{name: node1, public_key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=, addresses: [10.244.1.0]}]
    marks: {node1: 1048576}
    wireguard_ports: [51820]
    exempt_ports: [22]
    encrypting: [node1]
    keyless: []
    host_encryption: false
    exempt_hosts: []
summary:
  description: The plan in one line.
  returned: success
  type: str
  sample: "mesh wg0: 3 members"
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "topology": {"type": "str", "choices": ["mesh", "hub_spoke", "node_encryption"], "default": "mesh"},
            "group": {"type": "str", "default": ""},
            "hubs_group": {"type": "str", "default": "hubs"},
            "spokes_group": {"type": "str", "default": "spokes"},
            "prefix": {"type": "str", "default": ""},
            "stage": {"type": "str", "choices": ["plan", "try", "settle"], "default": "plan"},
            "heard_from": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="overlay_plan runs on the controller, as an action; it cannot run on a host")


if __name__ == "__main__":
    main()
