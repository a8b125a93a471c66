#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_prepare
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Generate the keys of a host and gather its overlay facts
description:
  - Returns as facts all data of one host that the plan of an overlay needs, in one call; public keys, underlay addresses,
    persistence method, missing packages, and the stored state of its interfaces and peers.
  - Generates a private key for each interface that has none, except for an existing interface that this collection does
    not manage. Private keys stay on the host.
  - If the key file of an interface of this collection is missing while it runs, its key is written to the file, with a warning.
  - Runs as an action plugin, which refuses invalid names of interfaces and files before a key is generated.
  - Requires only Python on the host.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.changes
  - wirewright.overlay.controller_time
options:
  interface:
    description:
      - The interface whose key is generated and whose public key is returned.
      - One of O(interface) and O(interfaces) is required.
    type: str
  interfaces:
    description:
      - Several interfaces, in place of O(interface).
    type: list
    elements: str
  private_key_file:
    description:
      - Private key file of all interfaces. By default C(/etc/wireguard/NAME.key) for each interface.
    type: path
  create_key:
    description: Whether to generate a missing key.
    type: bool
    default: true
  one_key:
    description:
      - Whether one key is enough for several interfaces. A key is then generated for the first one, and only if none has
        a key.
    type: bool
    default: false
  adopt:
    description:
      - Whether to adopt interfaces that other programs created. The key of such an interface is then used and not
        generated; M(wirewright.overlay.overlay_apply) writes it to O(private_key_file) when it adopts the interface.
      - The facts then include the state of the interface, and its files of C(wg-quick) and C(systemd-networkd).
    type: bool
    default: false
  userspace:
    description:
      - Whether C(wireguard-go) is required if the kernel does not support WireGuard.
    type: bool
    default: false
  nftables:
    description: Whether C(nft) is required.
    type: bool
    default: false
  ipsec:
    description:
      - Whether to return the facts of a node with IPsec.
    type: bool
    default: false
  groups:
    description:
      - Inventory groups of the members. A host in none of them is refused, before it gets a key. By default all hosts are
        members, and so they are if no group exists.
    type: list
    elements: str
    default: []
  find_keys:
    description:
      - Private key files, or directories with files named C(*.key). The fact C(private_key_files) lists those that hold a key.
    type: list
    elements: path
    default: []
  programs:
    description:
      - Optional programs whose files a role installs or removes after this call. A link, a pipe, a directory, a file of others,
        or one that others can change in place of one of them is refused by name, before anything is made.
    type: list
    elements: str
    choices: [direct, endpoint_refresh, failover, ipsec]
    default: []
  return_facts:
    description:
      - Whether to return the facts. Without them only the keys are made, and O(programs) checked.
    type: bool
    default: true
  variables:
    description:
      - By option, the variable that sets it. Messages name it in place of the option.
    type: dict
    default: {}
  sessions:
    description: Interfaces whose handshakes are returned.
    type: list
    elements: str
    default: []
  node:
    description:
      - Whether to return the facts of a Kubernetes node. An empty dictionary is enough.
    type: dict
    suboptions:
      can_reach:
        description:
          - Addresses or names for which the host's source address is looked up. No packet is sent to them; names are
            resolved on the host.
        type: list
        elements: str
        default: []
      tables:
        description:
          - Numbers of routing tables whose routes are returned, with destination, interface or type, and gateway.
        type: list
        elements: int
        default: []
      cni_directories:
        description:
          - Directories with the configuration of network plugins. The first directory that has one is used.
          - The default is those of the kubelet, K3s and MicroK8s.
        type: list
        elements: path
        default: []
seealso:
  - module: wirewright.overlay.overlay_plan
  - module: wirewright.overlay.wg_key
"""

EXAMPLES = r"""
- name: Generate a key for wg0 and gather facts
  wirewright.overlay.overlay_prepare:
    interface: wg0

- name: Generate keys for the interfaces to two hubs
  wirewright.overlay.overlay_prepare:
    interfaces: [wg0, wg1]

- name: Gather the facts of an interface of wg-quick before it is adopted
  wirewright.overlay.overlay_prepare:
    interface: wg0
    adopt: true

- name: Gather the facts of a Kubernetes node
  wirewright.overlay.overlay_prepare:
    interface: kwg0
    node:
      can_reach: [192.0.2.1]

- name: Check that nothing else is in place of the files of a program
  wirewright.overlay.overlay_prepare:
    interfaces: []
    programs: [endpoint_refresh]
    return_facts: false

- name: Show the public key
  ansible.builtin.debug:
    var: ansible_facts.wirewright_overlay.interfaces.wg0.public_key
"""

RETURN = r"""
key_files:
  description: The private key files that the call has written; in check mode, those that it would write.
  returned: if there are any, also with a failure
  type: list
  elements: str
  sample: [/etc/wireguard/wg0.key]
ansible_facts:
  description: The facts.
  returned: if O(return_facts) is true
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
        run:
          description: Identifier of the run of Ansible that gathered the facts, to tell them from older ones of a fact cache.
          type: str
          returned: success
          sample: 5f0c2a9be17d4c63
        kernel_wireguard:
          description: Whether the kernel has WireGuard.
          type: bool
          returned: success
          sample: true
        missing:
          description: Missing packages, of C(wireguard-tools), C(pyroute2), C(wireguard-go) and C(nftables).
          type: list
          elements: str
          returned: success
          sample: []
        persistence:
          description: Persistence method of the host; C(networkd), C(wg_quick) or C(none).
          type: str
          returned: success
          sample: wg_quick
        underlay:
          description: Interface, address and MTU towards the controller by family (C(ipv4), C(ipv6)), or null.
          type: dict
          returned: success
          sample: {ipv4: {address: 192.0.2.11, interface: eth0, mtu: 1500}, ipv6: null}
        private_key_files:
          description: The files of O(find_keys) that hold a private key, and copies of files that an adoption has replaced.
          type: list
          returned: with O(find_keys)
          sample: [/etc/wireguard/wg0.key]
        programs:
          description: >-
            Optional programs that roles have installed, C(failover) and C(direct), with the interfaces that each works on.
          type: dict
          returned: if there are any
          sample: {failover: [wg0, wg1]}
        routes:
          description:
            - Routes of the main table to networks, without those of routing daemons, and without managed ones through the
              requested interfaces. At most 512; networks that the host is connected to come first.
            - One string. Each line has four fields, separated by tabs; destination, interface, metric, and C(connected)
              or C(routed).
          type: str
          returned: success
          sample: "192.0.2.0/24\teth0\t100\tconnected"
        addresses:
          description: By interface, its overlay addresses without prefix lengths. M(wirewright.overlay.overlay_apply) updates it.
          type: dict
          returned: success
          sample: {wg0: [10.42.0.1]}
        interfaces:
          description:
            - By interface, its C(public_key) (null without a key), and its stored state; its C(addresses), its C(peers),
              and C(revoked) keys with names.
            - Peers are one string, because their number is quadratic in the fleet. Each line has four fields, separated by
              tabs; public key, name, comma-separated addresses, and endpoint. M(wirewright.overlay.wg_info) returns data.
            - With O(sessions), C(sessions) has a line for each peer that has completed a handshake, with public key,
              current endpoint, and seconds since the last handshake.
            - C(new_key) is true in check mode if the key would be generated.
            - C(replaced_key) is the public key that the interface has, if the key file has another one.
            - Only for requested interfaces, C(key_age_days), the age of the private key file, null without one;
              C(without_ipv6), true if IPv6 is disabled; C(other_kind), the kind of an interface that is not WireGuard.
            - C(notes) are the stored notes of the plan, if any.
            - C(existing), only for an interface that another program created, has C(runs), whether it exists. With
              O(adopt) it also has C(method), C(public_key), C(listen_port), C(port_is_configured), C(fwmark), C(mtu),
              C(addresses), C(routes), C(peers) as lines of public key, name, endpoint, allowed IPs, keepalive and
              marks, and C(findings), the parts of its files that are not taken over.
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
            - The C(boot_id); the C(record) with the host's epoch, index, and the boot of this epoch, or null;
              C(epochs_left), the number of further boots it has keys for; the C(nodes) with index, epoch
              and C(phase) (1 accepts, 2 sends encrypted, 3 accepts nothing else), and the C(slots) of its states, as applied
              last; C(lost), the number of missing states for sending.
            - C(hosts) are the nodes with host encryption to this one, and C(ports) the TCP ports exempt from it, as applied last.
            - C(key_age_days) is the age of the oldest state for sending, and C(sequence_percent) the highest share of
              sequence numbers that such a state has used.
          type: dict
          returned: if O(ipsec) is true
          sample:
            boot_id: 3f7ad1c0-1a0b-4c62-8d36-4a0f2d7e7a11
            record: {epoch: 1763762400, index: 1, boot_id: 3f7ad1c0-1a0b-4c62-8d36-4a0f2d7e7a11}
            epochs_left: 4
            nodes:
              node1: {epoch: 1763762400, index: 1, phase: 3}
              node2: {epoch: 1763762403, index: 2, phase: 3}
            slots: {receive: [0], send: [0]}
            lost: 0
            hosts: [node2]
            ports: [22]
            key_age_days: 12
            sequence_percent: 0
        udp_ports:
          description: The UDP ports that are in use.
          type: list
          elements: int
          returned: success
          sample: [53, 51820]
        node:
          description:
            - Raw facts of a Kubernetes node.
            - C(nodename); the C(interfaces) with addresses, each with index, kind, MTU, whether it is up and whether it is
              managed by this collection, and those of its addresses that are C(leased), with a lifetime; C(rp_filter) of each
              and of V(all), as it is between runs; C(loosened), the interfaces that an interrupted run left with a loose one.
            - C(gateway_interfaces), the unmanaged interfaces by which routes of the main table lead through other hosts.
            - The C(routes) of the main table without a gateway, and those without an interface.
            - C(cni), the file, name and plugins of the configuration in use, each plugin with type, bridge, IPAM type and
              subnets; C(flannel), its networks and subnets. Null if there is none.
            - C(can_reach), the source address by target and family, or null; C(notes) on sources that could not be read.
          type: dict
          returned: if O(node) is given
          sample:
            nodename: node1
            interfaces:
              - {name: eth0, index: 2, kind: '', managed: false, up: true, mtu: 1500, addresses: [192.0.2.11/24], leased: []}
              - {name: cni0, index: 4, kind: bridge, managed: false, up: true, mtu: 1450, addresses: [10.244.1.1/24], leased: []}
            rp_filter: {all: '0', eth0: '1', cni0: '1'}
            gateway_interfaces: [eth0]
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

from ..module_utils._engine.headers import with_headers
from ..module_utils._engine.module_run import Module, run
from ..module_utils._overlay.prepare_host import prepare_host
from ..module_utils._wireguard.key_change import KeyChange


def main() -> None:
    module = Module(
        argument_spec={
            "interface": {"type": "str"},
            "interfaces": {"type": "list", "elements": "str"},
            "private_key_file": {"type": "path"},
            "create_key": {"type": "bool", "default": True, "no_log": False},
            "adopt": {"type": "bool", "default": False},
            "one_key": {"type": "bool", "default": False, "no_log": False},
            "userspace": {"type": "bool", "default": False},
            "nftables": {"type": "bool", "default": False},
            "ipsec": {"type": "bool", "default": False},
            "groups": {"type": "list", "elements": "str", "default": []},
            "find_keys": {"type": "list", "elements": "path", "default": [], "no_log": False},
            "programs": {
                "type": "list",
                "elements": "str",
                "choices": ["direct", "endpoint_refresh", "failover", "ipsec"],
                "default": [],
            },
            "return_facts": {"type": "bool", "default": True},
            "controller_time": {"type": "float", "default": 0},
            "variables": {"type": "dict", "default": {}},
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
    keys: dict[str, KeyChange] = {}

    def written() -> dict[str, list[str]]:
        files = [path for path, key in keys.items() if key.is_made]
        return {"key_files": files} if files else {}

    facts = run(
        module, lambda: prepare_host(params, paths, keys, check_mode=module.check_mode), ", ".join(names), written
    )
    for path, key in keys.items():
        for warning in key.warnings(path):
            module.warn(warning)
    if any(key.is_made for key in keys.values()):
        from ..module_utils._overlay.new_host import warnings

        wanted = {"userspace": params["userspace"], "controller_time": params["controller_time"]}
        for warning in run(module, lambda: warnings(names[0], **wanted), "the host was not checked", written):
            module.warn(warning)
    changed = [key for key in keys.values() if key.changed]
    diff = with_headers([found for path, key in keys.items() for found in key.diff(path)])
    returned = {"ansible_facts": {"wirewright_overlay": facts}} if params["return_facts"] else {}
    module.exit_json(changed=bool(changed), diff=diff, **returned, **written())


if __name__ == "__main__":
    main()
