#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: stun_info
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Find out how a WireGuard port is seen from outside, and what kind of NAT is in between
description:
  - Asks STUN servers (RFC 8489) from which address and port packets of this host arrive there, and derives from the
    answers what kind of NAT they went through, as far as the servers allow (RFC 5780).
  - With O(interface), the questions leave from the very UDP port of a WireGuard interface, with its firewall mark, while
    the interface is up and goes on working. WireGuard gets the answers too, and drops them.
  - A server that does not answer is reported, and is no failure.
  - No server is asked but those in O(servers), and the second address that such a server says it has.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.reads
options:
  servers:
    description:
      - The servers to ask, as C(host), C(host:port), an IPv6 address or C([IPv6 address]:port), by default port 3478.
      - Two servers with different addresses are enough to tell whether hosts behind this NAT can be reached directly. One
        is enough if it has a second address and says so, as RFC 5780 describes.
      - Names are resolved on the managed host; the first address of each family is asked.
    type: list
    elements: str
    required: true
  interface:
    description:
      - The WireGuard interface whose port and firewall mark are used. It needs root.
    type: str
  port:
    description:
      - The UDP port to ask from, which must be free. Left out, and without O(interface), the system chooses one.
    type: int
  family:
    description:
      - Whether to ask over IPv4, IPv6, or both.
    type: str
    choices: [ipv4, ipv6, both]
    default: both
  timeout:
    description:
      - Seconds to wait for an answer, from 1 to 60. Questions are repeated after 0.5, 1.5, 3.5 and 7.5 seconds, and so on.
      - There are up to three rounds of questions. All questions of a round are under way at once.
    type: int
    default: 3
notes:
  - The second and third round are for a server with a second address alone. In the third one, silence is an answer, so
    that it often takes the whole O(timeout).
seealso:
  - module: wirewright.overlay.wg_info
  - module: wirewright.overlay.wg_peer
"""

EXAMPLES = r"""
- name: How is wg0 seen from outside?
  wirewright.overlay.stun_info:
    interface: wg0
    servers: [stun1.example.org, "stun2.example.org:3478"]
    family: ipv4
  register: stun

- name: Two hosts behind such NATs can reach each other directly
  ansible.builtin.debug:
    msg: "{{ stun.ipv4.mapped.address }}:{{ stun.ipv4.mapped.port }}"
  when: stun.ipv4.nat in ['none', 'endpoint_independent']

- name: All servers have answered
  ansible.builtin.assert:
    that: stun.servers | rejectattr('outcome', 'eq', 'answered') | length == 0
"""

RETURN = r"""
ipv4:
  description: What was found over IPv4.
  returned: when O(family) is V(ipv4) or V(both)
  type: dict
  contains: &family
    mapped:
      description:
        - Address and port from which packets of this host arrived at the first server that answered; null where none did.
        - Others can use it as an endpoint if RV(ipv4.nat) is V(none) or V(endpoint_independent); otherwise each of them
          would see another one.
      type: dict
      returned: success
      sample: {address: 203.0.113.2, port: 51820}
    local:
      description: Address and port from which they left this host; null where no server answered.
      type: dict
      returned: success
      sample: {address: 192.168.1.2, port: 51820}
    behind_nat:
      description: Whether the two differ; null where no server answered.
      type: bool
      returned: success
      sample: true
    nat:
      description:
        - V(none), packets arrive as they left; V(endpoint_independent), the port is mapped to the same address and port
          whoever is asked; V(address_dependent) and V(address_and_port_dependent), to another one for each address, or
          each address and port, that is asked, which is called symmetric NAT; V(dependent), one of these two, and
          the servers do not allow to say which; V(unknown), too few answers.
      type: str
      returned: success
      sample: endpoint_independent
    filtering:
      description:
        - What comes in to a port that has asked a server. V(endpoint_independent), packets from anywhere;
          V(address_dependent), from any port of the address that was asked; V(address_and_port_dependent), from the
          address and port that were asked; V(unknown), no server with a second address has answered.
        - Firewalls count, that of this host too. It is found with a port of its own, so that a forwarded port is not
          mistaken for how the NAT is.
      type: str
      returned: success
      sample: address_and_port_dependent
    port_open:
      description:
        - Whether an answer from a port of a server that was never asked came in to the port itself. Null where nobody can
          tell.
        - True with RV(ipv4.filtering) V(address_and_port_dependent) means that the port is forwarded, or open in the
          firewall.
      type: bool
      returned: success
      sample: false
ipv6:
  description: What was found over IPv6.
  returned: when O(family) is V(ipv6) or V(both)
  type: dict
  contains: *family
servers:
  description: What each address of a server answered, or why there is no answer, in the order of O(servers).
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
      description: The family of the address, null where the name has none.
      type: str
      returned: success
      sample: ipv4
    address:
      description: The address that was asked, null where the name has none.
      type: str
      returned: success
      sample: 198.51.100.1
    port:
      description: The port that was asked.
      type: int
      returned: success
      sample: 3478
    outcome:
      description:
        - V(answered); V(timeout), no answer; V(refused), there is no server (ICMP); V(unreachable), there is no way, or
          something on it refused (ICMP, or this host); V(error), the server answered with an error; V(bad_answer),
          something came, and was no valid answer; V(unresolved), the name has no address.
      type: str
      returned: success
      sample: answered
    detail:
      description: More of the reason where there is no answer, or an empty text.
      type: str
      returned: success
      sample: ""
    local:
      description: Address and port from which this host asked, null where it did not.
      type: dict
      returned: success
      sample: {address: 192.168.1.2, port: 51820}
    mapped:
      description: Address and port that the server saw, null where it did not answer.
      type: dict
      returned: success
      sample: {address: 203.0.113.2, port: 51820}
    other_address:
      description: The second address and port that the server says it has (OTHER-ADDRESS), null for none.
      type: dict
      returned: success
      sample: {address: 198.51.100.2, port: 3479}
    software:
      description: What the server says of itself, or an empty text.
      type: str
      returned: success
      sample: ""
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wirewright.overlay.plugins.module_utils.stun.module_run import run


def main() -> None:
    module = AnsibleModule(
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
    run(module)


if __name__ == "__main__":
    main()
