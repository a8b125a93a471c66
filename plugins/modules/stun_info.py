#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: stun_info
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Discover the public endpoint of a WireGuard port and the type of its NAT
description:
  - Queries STUN servers (RFC 8489) for the address and port that packets of this host have on arrival, and derives the
    type of NAT from the answers, as far as the servers support it (RFC 5780).
  - With O(interface), requests leave from the UDP port of a WireGuard interface, with its firewall mark, while the
    interface stays in use. WireGuard receives the answers too, and drops them.
  - A server that does not answer is reported and is not a failure.
  - Only O(servers) and the second address that such a server announces are queried.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.reads
options:
  servers:
    description:
      - The servers, as C(host), C(host:port), an IPv6 address or C([IPv6 address]:port). The default port is 3478.
      - Two servers with different addresses show whether hosts behind this NAT can be reached directly. One is enough if
        it announces a second address (RFC 5780).
      - Names are resolved on the managed host. The first usable address of each family is queried.
    type: list
    elements: str
    required: true
  interface:
    description:
      - The WireGuard interface whose port and firewall mark are used. Requires root.
    type: str
  port:
    description:
      - The UDP source port, which must be free. By default the system chooses one. Ports below 1024 require root.
    type: int
  family:
    description:
      - Query servers over IPv4, IPv6, or both.
    type: str
    choices: [ipv4, ipv6, both]
    default: both
  timeout:
    description:
      - Seconds to wait for an answer, from 1 to 60. Requests are repeated after 0.5, 1.5, 3.5 and 7.5 seconds, and so on.
      - There are up to three rounds. All requests of a round are sent at once.
    type: int
    default: 3
notes:
  - The second and third round need a server with a second address. The third one often takes the whole O(timeout),
    because a missing answer is a result.
seealso:
  - module: wirewright.overlay.wg_info
  - module: wirewright.overlay.wg_peer
"""

EXAMPLES = r"""
- name: Discover the public endpoint of wg0
  wirewright.overlay.stun_info:
    interface: wg0
    servers: [stun1.example.org, "stun2.example.org:3478"]
    family: ipv4
  register: stun

- name: Show the endpoint if other hosts can use it
  ansible.builtin.debug:
    msg: "{{ stun.ipv4.mapped.address }}:{{ stun.ipv4.mapped.port }}"
  when: stun.ipv4.nat in ['none', 'endpoint_independent']

- name: Require an answer from every server
  ansible.builtin.assert:
    that: stun.servers | rejectattr('outcome', 'eq', 'answered') | length == 0
"""

RETURN = r"""
ipv4:
  description: Result over IPv4.
  returned: when O(family) is V(ipv4) or V(both)
  type: dict
  contains: &family
    mapped:
      description:
        - Source address and port of this host's packets as the first server that answered received them; null without an
          answer.
        - Peers can use it as an endpoint if RV(ipv4.nat) is V(none) or V(endpoint_independent). Otherwise the NAT
          maps the port differently for each of them.
      type: dict
      returned: success
      sample: {address: 203.0.113.2, port: 51820}
    local:
      description: Source address and port of the same packets on this host; null without an answer.
      type: dict
      returned: success
      sample: {address: 192.168.1.2, port: 51820}
    behind_nat:
      description: Whether the two differ; null without an answer.
      type: bool
      returned: success
      sample: true
    nat:
      description:
        - V(none), no translation; V(endpoint_independent), the port is mapped to the same address and port for every
          destination; V(address_dependent) and V(address_and_port_dependent), to another one for each destination
          address, or each destination address and port (symmetric NAT); V(dependent), one of these two, the servers
          cannot show which; V(unknown), too few answers.
      type: str
      returned: success
      sample: endpoint_independent
    filtering:
      description:
        - The packets accepted by a port that has sent a request. V(endpoint_independent), packets from anywhere;
          V(address_dependent), from any port of the queried address; V(address_and_port_dependent), from the queried
          address and port only; V(unknown), no server with a second address has answered.
        - Firewalls are included, that of this host too. A fresh port is tested, so that a forwarded port does not
          distort the result.
      type: str
      returned: success
      sample: address_and_port_dependent
    port_open:
      description:
        - Whether the port itself received an answer from a port of the server that it had not sent to. Null if unknown.
        - True together with RV(ipv4.filtering) V(address_and_port_dependent) means that the port is forwarded, or open
          in the firewall.
      type: bool
      returned: success
      sample: false
ipv6:
  description: Result over IPv6.
  returned: when O(family) is V(ipv6) or V(both)
  type: dict
  contains: *family
servers:
  description: The answer of each address of a server, or why there is none, in the order of O(servers).
  returned: success
  type: list
  elements: dict
  contains:
    server:
      description: The server with its port.
      type: str
      returned: success
      sample: stun1.example.org:3478
    family:
      description: The family of the address, null if the name did not resolve.
      type: str
      returned: success
      sample: ipv4
    address:
      description: The queried address, null if the name did not resolve.
      type: str
      returned: success
      sample: 198.51.100.1
    port:
      description: The queried port.
      type: int
      returned: success
      sample: 3478
    outcome:
      description:
        - V(answered); V(timeout), no answer; V(refused), no server listens there (ICMP); V(unreachable), no route, or
          rejected on the path (ICMP) or by this host; V(error), the server answered with an error; V(bad_answer), the
          answer is not valid; V(unresolved), the name has no address.
      type: str
      returned: success
      sample: answered
    detail:
      description: Details if there is no answer, else an empty string.
      type: str
      returned: success
      sample: ""
    local:
      description: Source address and port of the request on this host, null if none was sent.
      type: dict
      returned: success
      sample: {address: 192.168.1.2, port: 51820}
    mapped:
      description: Source address and port of the request as the server received it, null without an answer.
      type: dict
      returned: success
      sample: {address: 203.0.113.2, port: 51820}
    other_address:
      description: The second address and port that the server announces (OTHER-ADDRESS), null for none.
      type: dict
      returned: success
      sample: {address: 198.51.100.2, port: 3479}
    software:
      description: The server's SOFTWARE attribute, or an empty string.
      type: str
      returned: success
      sample: ""
"""

from ..module_utils._engine.module_run import Module, run
from ..module_utils._stun.options import parse
from ..module_utils._stun.run import query_servers


def main() -> None:
    module = Module(
        argument_spec={
            "servers": {"type": "list", "elements": "str", "required": True},
            "interface": {"type": "str"},
            "port": {"type": "int"},
            "family": {"type": "str", "choices": ["ipv4", "ipv6", "both"], "default": "both"},
            "timeout": {"type": "int", "default": 3},
        },
        mutually_exclusive=[("interface", "port")],
        supports_check_mode=True,
    )
    result = run(module, lambda: query_servers(parse(module.params)), "nothing was sent")
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
