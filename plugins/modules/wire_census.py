#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: wire_census
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Count what is encrypted between nodes, and what is not
description:
  - Listens to interfaces for a bounded time, and counts packets by kind and by pair of nodes, as they are on the wire.
    What is sent is counted as well as what is received, of IPv4 and IPv6, with VLAN tags or without.
  - Of a packet, addresses, protocol, ports and the type of WireGuard's message are looked at. Nothing of a packet is kept
    or returned.
  - Can ask peers of a WireGuard interface meanwhile, as M(wirewright.overlay.overlay_probe) does, or through IPsec, so
    that there is something to count.
  - Needs root. No private or preshared key is returned.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.reads
options:
  nodes:
    description:
      - The nodes, this one among them. No address or network may be that of two.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - What to call the node.
        type: str
        required: true
      addresses:
        description:
          - Its own addresses. A prefix length is ignored.
        type: list
        elements: str
        default: []
      pod_networks:
        description:
          - The networks of its pods. Where an address is in several, the longest counts.
        type: list
        elements: str
        default: []
  interfaces:
    description:
      - The interfaces to listen to. A packet counts on each of them that it passes.
      - By default those by which packets with O(mark) leave this host for the addresses of other nodes.
    type: list
    elements: str
  mark:
    description:
      - Mark of the tunnel's own packets, to find the interfaces by.
    type: int
    default: 0
  wireguard_ports:
    description:
      - UDP ports of WireGuard, on any node.
    type: list
    elements: int
    default: [51820]
  exempt_ports:
    description:
      - TCP ports of nodes that may be in plain text. They count as RV(kinds.other).
    type: list
    elements: int
    default: []
  seconds:
    description:
      - How long to listen, from 1 to 600.
    type: float
    default: 5
  packets:
    description:
      - How many packets to count at most, from 1 to 10000000. With the last of them the census ends.
    type: int
    default: 100000
  probe:
    description:
      - Whom to ask meanwhile. It has O(seconds) for that; below 7 not all reasons can be told apart.
    type: dict
    suboptions:
      interface:
        description:
          - The WireGuard interface whose peers are asked.
        type: str
        required: true
      peers:
        description:
          - The peers to ask. Left out, all peers of the interface are asked.
        type: list
        elements: dict
        suboptions:
          public_key:
            description:
              - Public key of the peer in base64.
            type: str
            required: true
          name:
            description:
              - What to call the peer.
            type: str
          addresses:
            description:
              - The addresses to ask; each has to answer. A prefix length is ignored.
            type: list
            elements: str
  ipsec:
    description:
      - Which states of IPsec between O(nodes) to tell of, and whom to ask through them meanwhile. It has O(seconds) for
        that.
    type: dict
    suboptions:
      reqids:
        description:
          - The reqids of the states, one or a range.
        type: str
        default: 7100-7199
      ask:
        description:
          - The addresses to ask. They are reached as this host's routes and policies have it.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description:
              - The node whose address it is.
            type: str
            required: true
          address:
            description:
              - The address. A prefix length is ignored.
            type: str
            required: true
          mtu:
            description:
              - Size of the packets that should pass, in bytes. Left out, small ones are asked with.
            type: int
attributes:
  check_mode:
    description: Can run in C(check_mode); it changes nothing anyway, and asks peers all the same.
notes:
  - Packets are counted as the host hands them to the interface, or gets them from it. What the card cuts in pieces or puts
    together counts once.
  - What a packet filter of this host drops on the way out does not count. What it drops on the way in does, since it was
    on the wire.
  - The kernel hands on what it takes out of ESP as if it came in once more. Such packets count as RV(kinds.decrypted), as
    many as there were of ESP from the same node. What a node leaks meanwhile, it counts itself as it sends it.
  - Tunnels other than WireGuard and ESP, such as VXLAN and IPIP, are not looked into. Between nodes they count as
    RV(kinds.plaintext_host).
  - Later fragments of a packet are of the kind of its first. Where that was not seen, they show their addresses alone.
seealso:
  - module: wirewright.overlay.overlay_probe
  - module: wirewright.overlay.wg_info
  - module: wirewright.overlay.xfrm_info
"""

EXAMPLES = r"""
- name: Look for ten seconds at what two nodes say to each other
  wirewright.overlay.wire_census:
    nodes:
      - {name: node1, addresses: [192.0.2.1], pod_networks: [10.244.1.0/24]}
      - {name: node2, addresses: [192.0.2.2], pod_networks: [10.244.2.0/24]}
    seconds: 10
  register: wire

- name: No pod may talk in plain text
  ansible.builtin.assert:
    that: wire.kinds.plaintext_pod == 0

- name: Listen to eth1, and ask all peers of kwg0 meanwhile
  wirewright.overlay.wire_census:
    nodes: "{{ nodes }}"
    interfaces: [eth1]
    probe:
      interface: kwg0
"""

RETURN = r"""
kinds:
  description: How many packets there were of each kind.
  returned: success
  type: dict
  contains:
    wireguard:
      description: UDP from or to a port of WireGuard, that begins as WireGuard's messages do.
      type: int
      returned: success
      sample: 24
    esp:
      description: Packets of IPsec's ESP.
      type: int
      returned: success
      sample: 0
    decrypted:
      description: Received in plain text, because the kernel had taken them out of ESP.
      type: int
      returned: success
      sample: 0
    plaintext_pod:
      description: Packets from or to the address of a pod that are none of these.
      type: int
      returned: success
      sample: 0
    plaintext_host:
      description: Packets between the addresses of two nodes that are none of these.
      type: int
      returned: success
      sample: 3
    other:
      description: All other packets of IP; between nodes also neighbour discovery, and TCP of O(exempt_ports).
      type: int
      returned: success
      sample: 7
pairs:
  description: The same by C(source) and C(destination), names of nodes. A name is empty where the address is no node's.
  returned: success
  type: list
  elements: dict
  sample:
    - {source: node1, destination: node2, wireguard: 12, esp: 0, decrypted: 0, plaintext_pod: 0, plaintext_host: 0, other: 0}
interfaces:
  description: The interfaces that were listened to.
  returned: success
  type: list
  elements: str
  sample: [eth0]
seconds:
  description: How long they were.
  returned: success
  type: float
  sample: 5.0
full:
  description: Whether the census ended because there were O(packets) of them.
  returned: success
  type: bool
  sample: false
lost:
  description: How many packets came too fast, and were not counted.
  returned: success
  type: int
  sample: 0
xfrm_stat:
  description: The counters of C(/proc/net/xfrm_stat) that grew meanwhile, and by how much. Each is a fault of IPsec.
  returned: success
  type: dict
  sample: {XfrmInNoStates: 2}
probe:
  description:
    - C(peers) and C(summary) as M(wirewright.overlay.overlay_probe) returns them, and C(refusal), why none could be asked.
  returned: with O(probe)
  type: dict
  sample: {peers: [], summary: 0 peers, refusal: ''}
ipsec:
  description:
    - With O(ipsec), its states and answers. No key is among them.
  returned: with O(ipsec)
  type: dict
  contains:
    states:
      description:
        - The states of each way between two nodes, by their names C(source) and C(destination), and addresses C(src) and
          C(dst); their C(spis), and of all of them the C(packets) and C(bytes) so far, the packets C(meanwhile), and how many
          of these C(failed) the checks of replay and integrity.
        - C(key_age_days) is the age of the oldest, and C(sequence_percent) how much of its sequence numbers the one that
          has sent most has used.
      type: list
      elements: dict
      returned: success
      sample:
        - {source: node1, destination: node2, src: 192.0.2.1, dst: 192.0.2.2, spis: ['0x4b001000'], packets: 24, bytes: 2016,
           meanwhile: 6, failed: 0, key_age_days: 3, sequence_percent: 0}
    answers:
      description:
        - By C(name) and C(address), whether it C(replied), after how many milliseconds (C(rtt_ms)), and C(mtu), the size of
          the largest packets that passed, of C(wanted_mtu).
      type: list
      elements: dict
      returned: success
      sample:
        - {name: node2, address: 10.244.2.1, replied: true, rtt_ms: 0.42, mtu: 1446, wanted_mtu: 1446}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wirewright.overlay.plugins.module_utils.census.module_run import run
from ansible_collections.wirewright.overlay.plugins.module_utils.xfrm.ownership import OURS


def main() -> None:
    addresses = {"type": "list", "elements": "str", "default": []}
    peer = {
        "public_key": {"type": "str", "required": True},
        "name": {"type": "str"},
        "addresses": {"type": "list", "elements": "str"},
    }
    probe = {
        "interface": {"type": "str", "required": True},
        "peers": {"type": "list", "elements": "dict", "options": peer},
    }
    asked = {
        "name": {"type": "str", "required": True},
        "address": {"type": "str", "required": True},
        "mtu": {"type": "int"},
    }
    ipsec = {
        "reqids": {"type": "str", "default": str(OURS)},
        "ask": {"type": "list", "elements": "dict", "default": [], "options": asked},
    }
    node = {"name": {"type": "str", "required": True}, "addresses": addresses, "pod_networks": addresses}
    run(
        AnsibleModule(
            argument_spec={
                "nodes": {"type": "list", "elements": "dict", "required": True, "options": node},
                "interfaces": {"type": "list", "elements": "str"},
                "mark": {"type": "int", "default": 0},
                "wireguard_ports": {"type": "list", "elements": "int", "default": [51820]},
                "exempt_ports": {"type": "list", "elements": "int", "default": []},
                "seconds": {"type": "float", "default": 5},
                "packets": {"type": "int", "default": 100000},
                "probe": {"type": "dict", "options": probe},
                "ipsec": {"type": "dict", "options": ipsec},
            },
            supports_check_mode=True,
        )
    )


if __name__ == "__main__":
    main()
