#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: overlay_probe
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Ask each peer of a WireGuard interface whether it really works
description:
  - Sends ICMP echo requests through the tunnel to all peers at once, and tells for each the age of the last handshake,
    the round-trip time, the largest packet that passes unfragmented, and in one word what is the matter.
  - The packets are bound to the interface, and WireGuard lets no other peer answer for an address.
  - Peers that answer are done in a second or two, a thousand of them in a few. Those that do not are waited for until
    the deadline, all at the same time.
  - A peer that answers no echo request also gets empty UDP datagrams to port 33434, as from traceroute. When it refuses
    these, its packets do come back, and only the echo is filtered.
  - No private or preshared key is returned.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.reads
options:
  interface:
    description:
      - The WireGuard interface whose peers are asked. Required, unless each of O(peers) has its own.
    type: str
  peers:
    description:
      - The peers to ask. Left out, all peers of the interface are asked.
      - One that the interface does not have is a finding, V(no_peer), and no error.
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
          - What to call the peer. By default the name that is remembered of it.
        type: str
      addresses:
        description:
          - The addresses to ask; each has to answer. A prefix length is ignored.
          - By default the addresses that are remembered of the peer and that its allowed IPs contain, else the first
            host route (/32 or /128) of each family among its allowed IPs.
          - An address behind the peer may be asked as well, such as that of another spoke behind a hub.
        type: list
        elements: str
      interface:
        description:
          - The WireGuard interface of this peer, in place of O(interface). Those of several interfaces are asked at the
            same time.
        type: str
      mtu:
        description:
          - The size that should pass to this peer, in place of O(mtu).
        type: int
  mtu:
    description:
      - Size in bytes of the IP packet that should pass unfragmented, from 576 on, and from 1280 on where addresses are
        those of IPv6. By default the MTU of the interface.
      - Where a packet of that size passes, no other is asked for.
    type: int
  path_mtu:
    description:
      - Whether to ask for sizes at all. With V(false), small packets alone decide.
    type: bool
    default: true
  handshake:
    description:
      - Whether a handshake of the last 180 seconds is enough. Then no answer is asked for, and peers need neither an
        address nor a route.
      - WireGuard shakes hands when there is something to send. So give such peers a persistent keepalive, or let the
        other side do so, and O(wait) for the handshake. After seven seconds without one this host begins it, by a packet
        that nobody answers to a peer with a host route among its allowed IPs.
    type: bool
    default: false
  deadline:
    description:
      - Seconds after which the probe ends, from 1 to 600. Below 7 not all reasons can be told apart, because WireGuard
        waits 5 seconds until it tries a handshake again.
    type: float
    default: 10
  wait:
    description:
      - Whether to go on until all peers are V(ok) or the deadline passes. The interface and the peers may come up
        meanwhile.
      - Without it, peers that cannot be asked, for want of an address or endpoint, are not waited for.
    type: bool
    default: false
  fail:
    description:
      - Whether to fail when a peer is not V(ok). The message names each of them with its reason and what to look at.
    type: bool
    default: false
  plan_from:
    description:
      - Name of the variable in which the result of M(wirewright.overlay.overlay_plan) was registered.
      - An action plugin then asks the peers that should answer this host after M(wirewright.overlay.overlay_apply).
        In a mesh these are all others, on spokes and hubs the hubs. Those that the play has not reached are left out,
        and pairs of which neither has an endpoint; with C(serial), also the hosts of later batches.
      - Only what does not work is returned in RV(peers), and it is a warning unless O(fail=true).
      - O(interface), O(peers), O(mtu) and O(handshake) are left out.
    type: str
attributes:
  check_mode:
    description: Can run in C(check_mode); it changes nothing anyway, and sends its requests all the same.
seealso:
  - module: wirewright.overlay.wg_info
"""

EXAMPLES = r"""
- name: Ask all peers of wg0
  wirewright.overlay.overlay_probe:
    interface: wg0
  register: probe

- name: Say how it stands
  ansible.builtin.debug:
    var: probe.summary

- name: Go on when every peer answers, or fail after a minute
  wirewright.overlay.overlay_probe:
    interface: wg0
    wait: true
    deadline: 60
    fail: true

- name: Say which peers of the plan do not answer within 20 seconds
  wirewright.overlay.overlay_probe:
    plan_from: mesh_plan
    wait: true
    deadline: 20

- name: Wait until there is a session with every peer, before any route leads to them
  wirewright.overlay.overlay_probe:
    interface: wg0
    handshake: true
    wait: true
    fail: true

- name: Ask another spoke through the hub, for packets of 1400 bytes
  wirewright.overlay.overlay_probe:
    interface: wg0
    mtu: 1400
    peers:
      - name: hub and spoke2
        public_key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=
        addresses: [10.42.0.1, 10.42.0.3]
"""

RETURN = r"""
peers:
  description: What was found of each peer, by name and public key.
  returned: success, and failure for O(fail)
  type: list
  elements: dict
  contains:
    name:
      description: Its name as given or remembered, or an empty text.
      type: str
      returned: success
      sample: beta
    public_key:
      description: Its public key in base64.
      type: str
      returned: success
      sample: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=
    endpoint:
      description: Where the peer was last heard of or is looked for, or an empty text.
      type: str
      returned: success
      sample: 192.0.2.2:51820
    handshake_age:
      description: Seconds since the last handshake, null where there was none.
      type: int
      returned: success
      sample: 17
    address:
      description: The address that decided the verdict, or an empty text.
      type: str
      returned: success
      sample: 10.42.0.2
    verdict:
      description:
        - V(ok) where every address answers, and packets of the wanted size pass.
        - V(mtu) where small packets pass, and those of the wanted size do not.
        - V(filtered) where there is a session and packets come back, but no echo.
        - V(one_way) where there is a session and no data comes back, or where the peer's handshakes come and none is
          completed.
        - V(stale) where the last handshake is older than 180 seconds and nothing comes.
        - V(no_handshake) where there never was one and nothing comes.
        - V(not_sent) where this host could not send, or WireGuard sent nothing.
        - V(no_endpoint) where the interface knows no endpoint of the peer, and V(unresolved) where that is so because
          the name of it did not resolve.
        - V(no_route) where the host's own packets for the address leave by another interface, or not at all.
        - V(no_allowed_ip) where the interface does not send packets for the address to this peer.
        - V(no_address) where no address of the peer is known.
        - V(no_peer) where the interface has no such peer.
      type: str
      returned: success
      sample: ok
    rtt_ms:
      description: Round-trip time of a small packet in milliseconds, null where none came back.
      type: float
      returned: success
      sample: 1.207
    mtu:
      description: The largest packet that passed unfragmented, of the sizes asked for, in bytes. Null where none did.
      type: int
      returned: success
      sample: 1420
    advice:
      description: What to look at, an empty text for V(ok).
      type: str
      returned: success
      sample: ''
    addresses:
      description: The same for each address that was to be asked.
      type: list
      elements: dict
      returned: success
      contains:
        address:
          description: The address.
          type: str
          returned: success
          sample: 10.42.0.2
        verdict:
          description: Its verdict, in the same words.
          type: str
          returned: success
          sample: ok
        rtt_ms:
          description: Its round-trip time.
          type: float
          returned: success
          sample: 1.207
        mtu:
          description: The largest packet that passed there.
          type: int
          returned: success
          sample: 1420
summary:
  description: How many peers have which verdict, and who does not work.
  returned: success, and failure for O(fail)
  type: str
  sample: '12 peers: 11 ok, 1 stale (beta)'
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wirewright.overlay.plugins.module_utils.probe.module_run import run


def main() -> None:
    run(
        AnsibleModule(
            argument_spec={
                "interface": {"type": "str"},
                "peers": {
                    "type": "list",
                    "elements": "dict",
                    "options": {
                        "public_key": {"type": "str", "required": True},
                        "name": {"type": "str"},
                        "addresses": {"type": "list", "elements": "str"},
                        "interface": {"type": "str"},
                        "mtu": {"type": "int"},
                    },
                },
                "mtu": {"type": "int"},
                "path_mtu": {"type": "bool", "default": True},
                "handshake": {"type": "bool", "default": False},
                "deadline": {"type": "float", "default": 10},
                "wait": {"type": "bool", "default": False},
                "fail": {"type": "bool", "default": False},
                "plan_from": {"type": "str"},
            },
            supports_check_mode=True,
        )
    )


if __name__ == "__main__":
    main()
