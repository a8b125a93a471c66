#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: probe_info
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Probe the peers of a WireGuard interface
description:
  - Sends ICMP echo requests through the tunnel to all peers at once, and returns for each the age of the last handshake,
    the round-trip time, the largest packet that passes unfragmented, and a verdict.
  - The packets are bound to the interface, and WireGuard accepts the replies for an address from its peer only.
  - Peers that answer take a second or two, a thousand of them a few seconds. All others share one wait until the
    deadline.
  - A peer that answers no echo request also gets empty UDP datagrams to port 33434, as traceroute sends. If it refuses
    them, packets return and only the echo is filtered.
  - No private or preshared key is returned.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.reads
options:
  interface:
    description:
      - The WireGuard interface whose peers are probed. Required unless each entry of O(peers) has its own.
    type: str
  peers:
    description:
      - The peers to probe, by default all peers of the interface.
      - A peer that the interface lacks has the verdict V(no_peer) and is not an error.
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
          - Display name of the peer. By default the name in the interface's state file.
        type: str
      addresses:
        description:
          - The addresses to probe; each has to answer. A prefix length is ignored.
          - By default the addresses of the peer in the state file that its allowed IPs contain, else the lowest /32 and
            /128 of its allowed IPs.
          - May be an address behind the peer, such as that of another spoke behind a hub.
        type: list
        elements: str
      interface:
        description:
          - The WireGuard interface of this peer, instead of O(interface). Several interfaces are probed at the same time.
        type: str
      mtu:
        description:
          - The size that should pass to this peer, instead of O(mtu).
        type: int
  mtu:
    description:
      - Size in bytes of the IP packet that should pass unfragmented, at least 576, or 1280 for IPv6 addresses. By default
        the MTU of the interface.
      - If a packet of that size passes, no other size is tried.
    type: int
  path_mtu:
    description:
      - Whether to test packet sizes. With V(false), only small packets are sent.
    type: bool
    default: true
  handshake:
    description:
      - Whether a handshake of the last 180 seconds is enough. No echo request is sent, and peers need neither an address
        nor a route.
      - WireGuard starts a handshake when it has a packet to send. Set a persistent keepalive on either side, and O(wait).
        After seven seconds without a handshake this host initiates one, with a packet that needs no answer, if the peer has
        a /32 or /128 among its allowed IPs.
    type: bool
    default: false
  deadline:
    description:
      - Seconds after which the probe ends, from 1 to 600. Below 7 some verdicts cannot be distinguished, because
        WireGuard retries a handshake after 5 seconds.
    type: float
    default: 10
  wait:
    description:
      - Whether to continue until all peers are V(ok) or the deadline passes. The interface and the peers may come up
        meanwhile.
      - With V(false), peers without address or endpoint are not waited for.
    type: bool
    default: false
  fail:
    description:
      - Whether to fail if a peer is not V(ok). The message names each such peer with its verdict and an advice.
    type: bool
    default: false
  plan_from:
    description:
      - Name of the variable with the registered result of M(wirewright.overlay.overlay_plan).
      - An action plugin then selects the peers that should answer this host after M(wirewright.overlay.overlay_apply).
        In a mesh these are all other hosts, on spokes and hubs the hubs. Hosts that the play has not reached are left
        out, and pairs without any endpoint. With C(serial), hosts of later batches are left out too.
      - RV(peers) has only the peers that are not V(ok). They are a warning, unless O(fail=true).
      - Excludes O(interface), O(peers), O(mtu) and O(handshake).
    type: str
attributes:
  check_mode:
    description: Changes nothing. Sends its requests in C(check_mode) too.
seealso:
  - module: wirewright.overlay.wg_info
"""

EXAMPLES = r"""
- name: Probe all peers of wg0
  wirewright.overlay.probe_info:
    interface: wg0
  register: probe

- name: Show the summary
  ansible.builtin.debug:
    var: probe.summary

- name: Wait up to a minute until every peer answers
  wirewright.overlay.probe_info:
    interface: wg0
    wait: true
    deadline: 60
    fail: true

- name: Warn about peers of the plan that do not answer within 20 seconds
  wirewright.overlay.probe_info:
    plan_from: mesh_plan
    wait: true
    deadline: 20

- name: Wait for a handshake with every peer before adding routes to them
  wirewright.overlay.probe_info:
    interface: wg0
    handshake: true
    wait: true
    fail: true

- name: Probe another spoke through the hub with packets of 1400 bytes
  wirewright.overlay.probe_info:
    interface: wg0
    mtu: 1400
    peers:
      - name: hub and spoke2
        public_key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=
        addresses: [10.42.0.1, 10.42.0.3]
"""

RETURN = r"""
peers:
  description: The peers, sorted by name and public key.
  returned: success, and failure for O(fail)
  type: list
  elements: dict
  contains:
    name:
      description: Its name as given or from the state file, or an empty string.
      type: str
      returned: success
      sample: beta
    public_key:
      description: Its public key in base64.
      type: str
      returned: success
      sample: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=
    endpoint:
      description: Its current endpoint, or an empty string.
      type: str
      returned: success
      sample: 192.0.2.2:51820
    handshake_age:
      description: Seconds since the last handshake, null without one.
      type: int
      returned: success
      sample: 17
    address:
      description: The address that decided the verdict, or an empty string.
      type: str
      returned: success
      sample: 10.42.0.2
    verdict:
      description:
        - V(ok), every address answers, and packets of the wanted size pass.
        - V(mtu), small packets pass, packets of the wanted size do not.
        - V(filtered), a session exists and packets return, but no echo reply.
        - V(one_way), a session exists and no data returns, or the peer's handshakes arrive and none is completed.
        - V(stale), the last handshake is older than 180 seconds and nothing arrives.
        - V(no_handshake), there has never been a handshake and nothing arrives.
        - V(not_sent), this host could not send, or WireGuard sent nothing.
        - V(no_endpoint), the peer has no endpoint; V(unresolved), it has none because its name did not resolve.
        - V(no_route), the host's own packets to the address leave by another interface, or have no route.
        - V(no_allowed_ip), the allowed IPs do not lead the address to this peer.
        - V(no_address), no address of the peer is known.
        - V(no_peer), the interface has no such peer.
      type: str
      returned: success
      sample: ok
    rtt_ms:
      description: Round-trip time of a small packet in milliseconds, null without a reply.
      type: float
      returned: success
      sample: 1.207
    mtu:
      description: The largest packet that passed unfragmented, of the sizes tried, in bytes. Null if none did.
      type: int
      returned: success
      sample: 1420
    advice:
      description: What to check, an empty string for V(ok).
      type: str
      returned: success
      sample: ''
    addresses:
      description: The same for each probed address.
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
          description: Its verdict, with the same values.
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
  description: The number of peers per verdict, with the names of those that are not V(ok).
  returned: success, and failure for O(fail)
  type: str
  sample: '12 peers: 11 ok, 1 stale (beta)'
"""

from ..module_utils._engine.module_run import Module, run
from ..module_utils._probe.options import parse
from ..module_utils._probe.report import failure, result
from ..module_utils._probe.run import probe_all


def main() -> None:
    peer = {
        "public_key": {"type": "str", "required": True},
        "name": {"type": "str"},
        "addresses": {"type": "list", "elements": "str"},
        "interface": {"type": "str"},
        "mtu": {"type": "int"},
    }
    module = Module(
        argument_spec={
            "interface": {"type": "str"},
            "peers": {"type": "list", "elements": "dict", "options": peer},
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
    findings = run(module, lambda: probe_all(parse(module.params).by_interface()), "nothing was sent")
    message = failure(findings) if module.params["fail"] else None
    if message is not None:
        module.fail_json(msg=message, changed=False, **result(findings))
    module.exit_json(changed=False, **result(findings))


if __name__ == "__main__":
    main()
