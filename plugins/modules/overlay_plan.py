#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_plan
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Plan the overlay of a whole fleet
description:
  - Reads the variables and facts of every member, checks them against each other, and returns a plan that describes each
    host once. M(wirewright.overlay.overlay_apply) expands the plan for each host.
  - Runs on the controller. Use it with C(run_once).
  - The members are the same with C(--limit), with C(serial), and if hosts are unreachable. An unreachable member keeps
    the key, the addresses and the endpoint from the inventory or from the cached state of other members.
  - Gathers the facts of hosts of the play that are not in the current batch, once per host, with the task of
    M(wirewright.overlay.overlay_prepare) of the same role or play, which generates missing keys. If no host of the run has the
    key of a member, facts are also read from some hosts outside of the run, on which nothing is changed.
  - Variables are those of the role, with their exact precedence on each member, role defaults and role parameters
    included. See the roles C(wirewright.overlay.mesh) and C(wirewright.overlay.hub_spoke).
  - If there are problems, all of them are reported together, each once, and there is no plan.
  - The result holds no secret. Preshared keys are derived later, for one host at a time.
extends_documentation_fragment:
  - wirewright.overlay.attributes
attributes:
  action:
    description: Runs on the controller.
    support: full
  check_mode:
    description: No key is generated on hosts whose facts are gathered.
    support: full
  diff_mode:
    description: Returns no diff.
    support: none
  idempotent:
    description: A key is generated only on hosts that have none.
    support: full
options:
  topology:
    description:
      - The tunnels of the overlay. In a V(mesh) every member has a tunnel to every other. With V(hub_spoke) every spoke
        has a tunnel to every hub, and hubs have tunnels to each other. With V(node_encryption) every Kubernetes node has
        a tunnel to every other, for their pods.
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
      - Prefix of the variables. By default the name of the topology and an underscore.
    type: str
    default: ''
  stage:
    description:
      - The stage of direct tunnels between spokes, if O(topology=hub_spoke). V(plan) keeps tunnels that work. V(probe) adds
        possible ones as peers without routes. V(decide) keeps those where both ends have completed a handshake.
    type: str
    choices: [plan, probe, decide]
    default: plan
  probe_results:
    description:
      - Names of variables in which tasks of this run have registered results of M(wirewright.overlay.probe_info) and
        M(wirewright.overlay.stun_info), on any host.
    type: list
    elements: str
    default: []
seealso:
  - module: wirewright.overlay.overlay_apply
  - module: wirewright.overlay.overlay_prepare
"""

EXAMPLES = r"""
- name: Generate the key and gather overlay facts
  wirewright.overlay.overlay_prepare:
    interface: wg0

- name: Plan the mesh
  wirewright.overlay.overlay_plan:
  run_once: true
  register: mesh_plan

- name: Apply the overlay configuration
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
  description: The plan. Its format may change with any version. Its size is linear in the number of hosts.
  returned: success
  type: dict
  contains:
    version:
      description: Version of the format.
      returned: success
      type: int
      sample: 3
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
        - By inventory name, what other hosts need of a host (C(public_key), C(addresses), C(networks), C(endpoints),
          C(families); C(hub) with the interface and priority of a hub; C(public_keys) and C(ports) of a spoke by
          interface) and what only the host itself needs (C(device)).
      returned: success
      type: dict
    unknown:
      description: Members whose public key is unknown, or that are refused. Other hosts keep these peers as they are.
      returned: success
      type: list
      elements: str
      sample: []
    revoked:
      description: Public keys that the inventory revokes, with the names they had.
      returned: success
      type: dict
      sample: {}
    refused:
      description:
        - Members that are not planned, because what they report contradicts others or the inventory, with the reason. Tasks of
          M(wirewright.overlay.overlay_apply) on them fail, or are skipped on nodes of a cluster.
      returned: success
      type: dict
      sample: {}
    refusals:
      description: By host, public keys that it alone refuses, because it has stored them as revoked, with names.
      returned: success
      type: dict
      sample: {}
    excluded:
      description: Revoked members, which are not planned.
      returned: success
      type: list
      elements: str
      sample: []
    networks:
      description: Networks of the overlay, if spokes route them to hubs.
      returned: success
      type: list
      elements: str
      sample: []
    isolate:
      description: Whether spokes are isolated from each other.
      returned: success
      type: bool
      sample: false
    retired:
      description: Interfaces to revoked hubs.
      returned: success
      type: list
      elements: str
      sample: []
    direct:
      description: Direct tunnels between spokes, or null.
      returned: success
      type: dict
    ipsec:
      description: Settings and state of Kubernetes nodes that encrypt with IPsec, or null.
      returned: success
      type: dict
      sample: null
    encryption:
      description: Common settings of Kubernetes nodes that encrypt with WireGuard, or null.
      returned: success
      type: dict
      sample: null
direct:
  description:
    - Direct tunnels between spokes. C(interface) is their interface, C(probes) the peers that each spoke probes, by spoke,
      C(discover) the peers whose endpoints hubs discover for that, C(report) one line for each pair, and C(summary) the
      number of pairs by state.
  returned: when a spoke wants direct tunnels
  type: dict
  sample:
    interface: wgdirect
    discover: []
    probes: {}
    report: ['s1 and s2: direct', 's1 and s3: through the hub, because the public key of s3 is unknown']
    summary: 1 direct, 1 through the hub
generated_keys:
  description: The hosts of later batches that generated a key, because they had none.
  returned: if there are any
  type: list
  elements: str
  sample: [web3]
newcomers:
  description:
    - The new C(hosts) of this run that other members do not have as a peer yet. Those members get it with their C(next_run),
      or in a C(later_batch) of this run.
  returned: if there are any
  type: dict
  sample: {hosts: [web4], next_run: [web1, web2, web3], later_batch: []}
problems:
  description: All problems, one line each. They are not in C(msg), which would print them twice.
  returned: failure
  type: list
  elements: str
  sample: ["host 'web3': mesh_addresses: 10.42.0.4 is also db1''s; give one of them another address"]
hubs:
  description: The hubs, the preferred one first, each with its C(name), the interface C(dev) to it, and its C(address).
  returned: with O(topology) V(hub_spoke)
  type: list
  elements: dict
  sample:
    - {address: 10.43.0.1, dev: wg0, name: hub1}
nodes:
  description: The encrypting nodes that this run reaches, each with C(name) and C(public_key).
  returned: with O(topology) V(node_encryption)
  type: list
  elements: dict
  sample:
    - {name: node1, public_key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=}
wire:
  description:
    - The expected traffic between the nodes. C(nodes), C(wireguard_ports), C(exempt_ports) and C(peers) are
      options of M(wirewright.overlay.traffic_info) and of its O(wirewright.overlay.traffic_info#module:probe); C(marks) by
      node is its O(wirewright.overlay.traffic_info#module:mark).
    - C(encrypting) are the nodes that should encrypt, C(keyless) those of them with an unknown key; C(host_encryption)
      and C(exempt_hosts) are the variables of these names.
    - C(coverage) lists every host of the group and every other node of the cluster, with C(name), C(status)
      V(encrypted), V(exempt) or V(not covered), and the C(reason).
    - For nodes with IPsec, C(ipsec) is the option O(wirewright.overlay.traffic_info#module:ipsec), and C(by_pair) whether each
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
    coverage: [{name: node1, status: encrypted, reason: ''}]
earlier:
  description:
    - The plans of other overlays of this run that the variable of the role had before, with the same format as C(plan). The
      lookup C(wirewright.overlay.members) and the plans of later overlays read them.
  returned: when a role has planned several overlays in this run
  type: list
  elements: dict
planned:
  description:
    - When the plan was made, in seconds of the monotonic clock of the controller. M(wirewright.overlay.overlay_summary) tells
      by it the results of this plan from older ones.
  returned: success
  type: float
  sample: 8215.42
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
            "stage": {"type": "str", "choices": ["plan", "probe", "decide"], "default": "plan"},
            "probe_results": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="overlay_plan runs on the controller, as an action; it cannot run on a host")


if __name__ == "__main__":
    main()
