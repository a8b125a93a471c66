#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: traffic_info
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Count encrypted and plaintext packets between nodes
description:
  - Captures on interfaces for a bounded time, and counts packets by kind and by pair of nodes, as they are on the wire.
    Sent and received packets of IPv4 and IPv6 are counted, with or without VLAN tags.
  - Only addresses, protocol, ports and the WireGuard message type of a packet are evaluated. No packet data is kept or
    returned.
  - Can probe peers of a WireGuard interface meanwhile, as M(wirewright.overlay.probe_info) does, or nodes through IPsec,
    to generate traffic.
  - Requires root. No private or preshared key is returned.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.reads
options:
  nodes:
    description:
      - The nodes, including this one. Two nodes must not share an address or network.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - Name of the node.
        type: str
        required: true
      addresses:
        description:
          - Own addresses of the node. A prefix length is ignored.
        type: list
        elements: str
        default: []
      pod_networks:
        description:
          - Pod networks of the node. The longest prefix wins.
        type: list
        elements: str
        default: []
  interfaces:
    description:
      - The interfaces to capture on. A packet counts once on each of them.
      - By default the interfaces of the routes to other nodes, for packets with O(mark).
    type: list
    elements: str
  mark:
    description:
      - Firewall mark of the tunnel's outer packets, for the default of O(interfaces).
    type: int
    default: 0
  wireguard_ports:
    description:
      - UDP ports of WireGuard on any node.
    type: list
    elements: int
    default: [51820]
  exempt_ports:
    description:
      - TCP ports of nodes that are exempt from encryption. Their packets count as RV(kinds.other).
    type: list
    elements: int
    default: []
  seconds:
    description:
      - Length of the capture, from 1 to 600.
    type: float
    default: 5
  packets:
    description:
      - Maximum number of packets, from 1 to 10000000. The capture ends when it is reached.
    type: int
    default: 100000
  probe:
    description:
      - The peers to probe meanwhile. The deadline is O(seconds); below 7 some verdicts cannot be distinguished.
    type: dict
    suboptions:
      interface:
        description:
          - The WireGuard interface whose peers are probed.
        type: str
        required: true
      peers:
        description:
          - The peers to probe, by default all peers of the interface.
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
              - Display name of the peer.
            type: str
          addresses:
            description:
              - The addresses to probe; each has to answer. A prefix length is ignored.
            type: list
            elements: str
  ipsec:
    description:
      - The IPsec states between O(nodes) to report, and the addresses to probe through them meanwhile, for O(seconds).
    type: dict
    suboptions:
      reqids:
        description:
          - The reqids of the states, a number or a range.
        type: str
        default: 7100-7199
      targets:
        description:
          - The addresses to probe. This host's routes and policies apply.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description:
              - The node with this address.
            type: str
            required: true
          address:
            description:
              - The address. A prefix length is ignored.
            type: str
            required: true
          mtu:
            description:
              - Size of the packets that should pass, in bytes. By default only small packets are sent.
            type: int
attributes:
  check_mode:
    description: Changes nothing. Probes peers in C(check_mode) too.
notes:
  - Packets are counted between the host and the network card. A packet that the card splits (segmentation offload) or
    merges (receive offload) counts once.
  - Outgoing packets dropped by this host's packet filter do not count. Dropped incoming packets do, because they were on
    the wire.
  - The kernel passes decrypted ESP payload to packet sockets a second time. Such packets count as RV(kinds.decrypted), up
    to the number of ESP packets of the same node. Plaintext that this hides is counted on the sending node.
  - Tunnels other than WireGuard and ESP, such as VXLAN and IPIP, are not decoded. Between nodes they count as
    RV(kinds.plaintext_host).
  - Later fragments have the kind of the first fragment. If that was not captured, only their addresses count.
seealso:
  - module: wirewright.overlay.probe_info
  - module: wirewright.overlay.wg_info
  - module: wirewright.overlay.xfrm_info
"""

EXAMPLES = r"""
- name: Capture the traffic of two nodes for ten seconds
  wirewright.overlay.traffic_info:
    nodes:
      - {name: node1, addresses: [192.0.2.1], pod_networks: [10.244.1.0/24]}
      - {name: node2, addresses: [192.0.2.2], pod_networks: [10.244.2.0/24]}
    seconds: 10
  register: traffic

- name: Require that no pod traffic is plaintext
  ansible.builtin.assert:
    that: traffic.kinds.plaintext_pod == 0

- name: Capture on eth1 and probe all peers of kwg0 meanwhile
  wirewright.overlay.traffic_info:
    nodes: "{{ nodes }}"
    interfaces: [eth1]
    probe:
      interface: kwg0
"""

RETURN = r"""
kinds:
  description: Number of packets of each kind.
  returned: success
  type: dict
  contains:
    wireguard:
      description: WireGuard messages, recognised by UDP port and message type.
      type: int
      returned: success
      sample: 24
    esp:
      description: ESP packets of IPsec.
      type: int
      returned: success
      sample: 0
    decrypted:
      description: Decrypted payload of received ESP packets.
      type: int
      returned: success
      sample: 0
    plaintext_pod:
      description: All other packets from or to the address of a pod.
      type: int
      returned: success
      sample: 0
    plaintext_host:
      description: All other packets between the addresses of two nodes.
      type: int
      returned: success
      sample: 3
    other:
      description: All other IP packets; between nodes also neighbour discovery, and TCP of O(exempt_ports).
      type: int
      returned: success
      sample: 7
pairs:
  description: The same by C(source) and C(destination), the names of nodes. The name is empty for an address of no node.
  returned: success
  type: list
  elements: dict
  sample:
    - {source: node1, destination: node2, wireguard: 12, esp: 0, decrypted: 0, plaintext_pod: 0, plaintext_host: 0, other: 0}
interfaces:
  description: The interfaces of the capture.
  returned: success
  type: list
  elements: str
  sample: [eth0]
seconds:
  description: The length of the capture.
  returned: success
  type: float
  sample: 5.0
full:
  description: Whether the capture ended because it reached O(packets).
  returned: success
  type: bool
  sample: false
lost:
  description: Number of packets dropped because they arrived too fast.
  returned: success
  type: int
  sample: 0
xfrm_stat:
  description: Growth of the counters of C(/proc/net/xfrm_stat) during the capture. Each counts IPsec errors.
  returned: success
  type: dict
  sample: {XfrmInNoStates: 2}
probe:
  description:
    - C(peers) and C(summary) as returned by M(wirewright.overlay.probe_info), and C(refusal), why the probe was refused.
  returned: with O(probe)
  type: dict
  sample: {peers: [], summary: 0 peers, refusal: ''}
ipsec:
  description:
    - States and replies of O(ipsec), without keys.
  returned: with O(ipsec)
  type: dict
  contains:
    states:
      description:
        - One entry per direction between two nodes, with their names C(source) and C(destination), and addresses C(src)
          and C(dst); the C(spis) of its states, the sums of their C(packets) and C(bytes), the packets C(meanwhile), and
          the number that C(failed) the replay or integrity check.
        - C(key_age_days) is the age of the oldest state, C(sequence_percent) the used share of sequence numbers of the
          state that has sent most.
      type: list
      elements: dict
      returned: success
      sample:
        - {source: node1, destination: node2, src: 192.0.2.1, dst: 192.0.2.2, spis: ['0x4b001000'], packets: 24, bytes: 2016,
           meanwhile: 6, failed: 0, key_age_days: 3, sequence_percent: 0}
    answers:
      description:
        - By C(name) and C(address), whether it C(replied), the round-trip time C(rtt_ms) in milliseconds, and C(mtu), the
          largest packet that passed, up to C(wanted_mtu).
      type: list
      elements: dict
      returned: success
      sample:
        - {name: node2, address: 10.244.2.1, replied: true, rtt_ms: 0.42, mtu: 1446, wanted_mtu: 1446}
"""

from ..module_utils._engine.module_run import Module, run
from ..module_utils._traffic.options import parse
from ..module_utils._traffic.run import count_traffic, result
from ..module_utils._xfrm.ownership import OURS


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
    target = {
        "name": {"type": "str", "required": True},
        "address": {"type": "str", "required": True},
        "mtu": {"type": "int"},
    }
    ipsec = {
        "reqids": {"type": "str", "default": str(OURS)},
        "targets": {"type": "list", "elements": "dict", "default": [], "options": target},
    }
    node = {"name": {"type": "str", "required": True}, "addresses": addresses, "pod_networks": addresses}
    module = Module(
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
    counted = run(module, lambda: count_traffic(parse(module.params)), "nothing was captured")
    if counted.refusal:
        module.warn(f"probe: no peer was probed: {counted.refusal}")
    module.exit_json(changed=False, **result(counted))


if __name__ == "__main__":
    main()
