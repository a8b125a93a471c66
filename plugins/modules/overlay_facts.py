#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_facts
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Make a host's key and gather what the others need to know of it
description:
  - Returns, as facts, everything that the plan of an overlay needs of one host, in one call; its public keys, where its
    underlay is, how it boots networks, what is not installed yet, and what it remembers of its peers.
  - Makes the private key of each interface where there is none. The keys stay on the host.
  - Needs nothing on the host but Python.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.changes
options:
  interface:
    description:
      - The interface whose key is made and whose public key is returned.
      - One of O(interface) and O(interfaces) is required.
    type: str
  interfaces:
    description:
      - The same for several interfaces.
    type: list
    elements: str
  private_key_file:
    description:
      - Its private key file, or that of all interfaces. By default C(/etc/wireguard/NAME.key) for each.
    type: path
  create_key:
    description:
      - Whether to make the key where there is none.
    type: bool
    default: true
  one_key:
    description:
      - Whether a key for one of several interfaces is enough. Then one is made, for the first, only where none has any.
    type: bool
    default: false
  userspace:
    description:
      - Whether C(wireguard-go) is wanted where the kernel has no WireGuard.
    type: bool
    default: false
  nftables:
    description:
      - Whether C(nft) is wanted, as hubs do.
    type: bool
    default: false
  ipsec:
    description:
      - Gather what is planned from where the host is a node with IPsec, too.
    type: bool
    default: false
  sessions:
    description:
      - Interfaces whose handshakes are returned as well. One that is not there has none.
    type: list
    elements: str
    default: []
  node:
    description:
      - Gather what tells where a Kubernetes node and its pods are, too. An empty dictionary does.
    type: dict
    suboptions:
      can_reach:
        description:
          - Addresses or names towards which the host's source address is looked up. Nothing is sent to them; the host's
            name service is asked about names.
        type: list
        elements: str
        default: []
      tables:
        description:
          - Numbers of routing tables whose routes are told, with destination, interface or type, and gateway.
        type: list
        elements: int
        default: []
      cni_directories:
        description:
          - Where the network plugins' configuration is. The first directory that has one counts.
          - By default those of the kubelet, of K3s and of MicroK8s.
        type: list
        elements: path
        default: []
seealso:
  - module: wirewright.overlay.overlay_plan
  - module: wirewright.overlay.wg_key
"""

EXAMPLES = r"""
- name: Have a key for wg0, and facts
  wirewright.overlay.overlay_facts:
    interface: wg0

- name: Have keys for the devices to two hubs, in one call
  wirewright.overlay.overlay_facts:
    interfaces: [wg0, wg1]

- name: Gather what tells a Kubernetes node's addresses and pod networks, too
  wirewright.overlay.overlay_facts:
    interface: kwg0
    node:
      can_reach: [192.0.2.1]

- name: Show the public key
  ansible.builtin.debug:
    var: ansible_facts.wirewright_overlay.interfaces.wg0.public_key
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  returned: success
  type: dict
  contains:
    wirewright_overlay:
      description: All facts of this collection.
      returned: success
      type: dict
      contains:
        boot_id:
          description: Identifier of the host's current boot.
          type: str
          returned: success
          sample: 3f7ad1c0-1a0b-4c62-8d36-4a0f2d7e7a11
        kernel_wireguard:
          description: Whether the kernel has WireGuard.
          type: bool
          returned: success
          sample: true
        missing:
          description: What has to be installed, of C(wireguard-tools), C(pyroute2), C(wireguard-go) and C(nftables).
          type: list
          elements: str
          returned: success
          sample: []
        persistence:
          description: How the host boots networks; C(networkd), C(wg_quick) or C(none).
          type: str
          returned: success
          sample: wg_quick
        underlay:
          description: By family (C(ipv4), C(ipv6)) the interface, address and MTU towards the controller, or null.
          type: dict
          returned: success
          sample: {ipv4: {address: 192.0.2.11, interface: eth0, mtu: 1500}, ipv6: null}
        interfaces:
          description:
            - By interface its C(public_key) (null for none), and what is remembered of it; its C(addresses), its
              C(peers), and C(revoked) keys with names.
            - Peers are one text, because a fleet remembers the square of its size. Each line has four fields, parted by
              tabs; public key, name, addresses parted by commas, and endpoint. M(wirewright.overlay.wg_info) returns data.
            - With O(sessions), C(sessions) in the same form has the peers that have shaken hands, with public key, current
              endpoint, and the age of the last handshake in seconds.
            - C(key_age_days) of an interface that was asked for is the age of its private key file, null without one.
            - C(notes), where there are any, are what the plan wanted to be told again.
          type: dict
          returned: success
          sample:
            wg0:
              addresses: [10.42.0.1/24]
              peers: "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=\tbeta\t10.42.0.2\t192.0.2.2:51820"
              public_key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=
              revoked: {}
        ipsec:
          description:
            - The C(boot_id); of the host's C(record) its epoch, index, and the boot that the epoch belongs to, or null;
              C(epochs_left), for how many more boots it has keys; the C(roster) of all nodes with index, epoch
              and C(phase) (1 takes, 2 sends encrypted, 3 takes nothing else), and the C(slots) of its states, as they were
              applied last; and how many states that it sent by are C(lost).
            - Of the states that it sends by, C(key_age_days) is the age of the oldest, and C(sequence_percent) how much of
              its sequence numbers the one that has sent most has used.
          type: dict
          returned: where O(ipsec) was given
          sample:
            boot_id: 3f7ad1c0-1a0b-4c62-8d36-4a0f2d7e7a11
            record: {epoch: 1763762400, index: 1, boot_id: 3f7ad1c0-1a0b-4c62-8d36-4a0f2d7e7a11}
            epochs_left: 4
            roster:
              node1: {epoch: 1763762400, index: 1, phase: 3}
              node2: {epoch: 1763762403, index: 2, phase: 3}
            slots: {receive: [0], send: [0]}
            lost: 0
            key_age_days: 12
            sequence_percent: 0
        node:
          description:
            - What tells of a Kubernetes node. Raw; the plan chooses.
            - Its C(nodename); the C(interfaces) that have addresses, with index, kind, MTU, whether they are up and
              whether they are of this collection; C(rp_filter) of all and of each of them, as it is between runs.
            - The C(routes) of the main table that lead out of an interface without another node's help, or nowhere.
            - Of C(cni) the file, name and plugins of the configuration in use, of each plugin its type, bridge, IPAM
              type and subnets, and nothing else; of C(flannel) networks and subnets. Null where there is none.
            - By C(can_reach) and family the source address, or null; and C(notes) on what could not be read.
          type: dict
          returned: where O(node) was given
          sample:
            nodename: node1
            interfaces:
              - {name: eth0, index: 2, kind: '', ours: false, up: true, mtu: 1500, addresses: [192.0.2.11/24]}
              - {name: cni0, index: 4, kind: bridge, ours: false, up: true, mtu: 1450, addresses: [10.244.1.1/24]}
            rp_filter: {all: '0', eth0: '1', cni0: '1'}
            routes:
              - {destination: 192.0.2.0/24, type: unicast, interface: eth0, protocol: 2}
              - {destination: 10.244.1.0/24, type: unicast, interface: cni0, protocol: 2}
            cni:
              file: /etc/cni/net.d/10-flannel.conflist
              name: cbr0
              plugins: [{type: flannel, bridge: '', ipam: '', subnets: []}]
            flannel: {networks: [10.244.0.0/16], subnets: [10.244.1.1/24]}
            can_reach: {192.0.2.1: {ipv4: 192.0.2.11}}
            notes: []
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.host_facts import gather
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.facts import key_age_days
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.key_change import KeyChange, converge_key


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "interface": {"type": "str"},
            "interfaces": {"type": "list", "elements": "str"},
            "private_key_file": {"type": "path"},
            "create_key": {"type": "bool", "default": True, "no_log": False},
            "one_key": {"type": "bool", "default": False, "no_log": False},
            "userspace": {"type": "bool", "default": False},
            "nftables": {"type": "bool", "default": False},
            "ipsec": {"type": "bool", "default": False},
            "sessions": {"type": "list", "elements": "str", "default": []},
            "node": {
                "type": "dict",
                "options": {
                    "can_reach": {"type": "list", "elements": "str", "default": []},
                    "tables": {"type": "list", "elements": "int", "default": []},
                    "cni_directories": {"type": "list", "elements": "path", "default": []},
                },
            },
        },
        required_one_of=[("interface", "interfaces")],
        mutually_exclusive=[("interface", "interfaces")],
        supports_check_mode=True,
    )
    params = module.params
    names = [params["interface"]] if params["interface"] else params["interfaces"]
    paths = {name: params["private_key_file"] or f"/etc/wireguard/{name}.key" for name in names}
    try:
        made = _to_make(module, list(dict.fromkeys(paths.values())))
        keys = {path: _converge(module, path, path in made) for path in dict.fromkeys(paths.values())}
        own = {name: keys[path].public_key for name, path in paths.items()}
        wanted = {option: params[option] for option in ("userspace", "nftables", "ipsec", "sessions", "node")}
        facts = gather(own, dict(os.environ), **wanted)
        for name, path in paths.items():
            facts["interfaces"][name]["key_age_days"] = key_age_days(path, time.time())
    except (OSError, ValueError) as exc:
        module.fail_json(msg=f"{', '.join(names)}: {exc}")
    for path, key in keys.items():
        if key.was_exposed:
            module.warn(f"{path} could be read by others than its owner: make a new key if any of them is not trusted")
    changed = [key for key in keys.values() if key.before != key.after]
    diffs = [key.diff() for key in changed or keys.values()]
    diff = diffs[0] if len(diffs) == 1 else diffs
    module.exit_json(changed=bool(changed), ansible_facts={"wirewright_overlay": facts}, diff=diff)


def _to_make(module: AnsibleModule, paths: list[str]) -> list[str]:
    """Return the key files that shall be there, of those that were asked for."""
    there = [path for path in paths if os.path.exists(path)]
    if not module.params["create_key"]:
        return there
    return there or paths[:1] if module.params["one_key"] else paths


def _converge(module: AnsibleModule, path: str, make: bool) -> KeyChange:
    return converge_key(path, present=make, regenerate=False, check_mode=module.check_mode)


if __name__ == "__main__":
    main()
