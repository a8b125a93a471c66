#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: xfrm_policy
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Manage IPsec policies in the kernel
description:
  - Adds, changes and removes policies, one or any number of them, as C(ip xfrm policy) does, but over netlink.
  - A policy is what O(policies[].dir), its selector, O(policies[].mark) and O(policies[].if_id) say it is; the rest is
    compared with what the kernel holds. An option that is left out is set to its default. The kernel changes a policy in
    one step, so that no packet meets a gap.
  - A change that would cut the connection over which this host is managed, or put it into IPsec, is refused.
  - Packets that match a policy with required templates and find no state are dropped. So policies before states means
    that nothing leaves in clear, and states before policies that nothing is lost.
  - A selector that covers a whole IPv6 host also covers its neighbour discovery; let a policy with a lower priority
    number allow V(ipv6-icmp), types 133 to 137, then.
  - Nothing is written for the next boot.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.changes
options:
  policies:
    description:
      - The policies.
    type: list
    elements: dict
    default: []
    suboptions:
      state:
        description:
          - Whether the policy exists.
        type: str
        choices: [present, absent]
        default: present
      dir:
        description:
          - Whether it is for packets that come in for this host, go out of it, or are forwarded (C(dir)).
          - Forwarded packets are encrypted by an V(out) policy too. What comes out of a tunnel needs an V(in) policy, or a
            V(fwd) policy where it goes on to another host.
        type: str
        choices: [in, out, fwd]
        required: true
      src:
        description:
          - Source network of the packets. Left out it is any, of the family of O(policies[].dst).
        type: str
      dst:
        description:
          - Destination network of the packets. Left out it is any, of the family of O(policies[].src).
        type: str
      proto:
        description:
          - Upper protocol of the packets by name or number.
        type: str
      sport:
        description:
          - Source port.
        type: int
      dport:
        description:
          - Destination port.
        type: int
      type:
        description:
          - ICMP type.
        type: int
      code:
        description:
          - ICMP code.
        type: int
      dev:
        description:
          - Interface of the packets.
        type: str
      mark:
        description:
          - The mark that packets have, as C(VALUE) or C(VALUE/MASK), such as V(0x3e00/0xff00). A mask of 0 is no mark.
        type: str
      if_id:
        description:
          - The xfrm interface the policy belongs to; 0 for none.
        type: str
      priority:
        description:
          - The lowest number wins.
        type: int
        default: 0
      action:
        description:
          - Whether packets pass, by the templates if there are any, or are dropped.
        type: str
        choices: [allow, block]
        default: allow
      flags:
        description:
          - Flags of the policy (C(flag)).
        type: list
        elements: str
        choices: [localok, icmp]
        default: []
      limits:
        description:
          - When the policy expires (C(limit)). At a soft limit the kernel tells key daemons, at a hard one it deletes the
            policy.
        type: dict
        suboptions:
          byte_soft:
            description: Soft limit in bytes.
            type: int
          byte_hard:
            description: Hard limit in bytes.
            type: int
          packet_soft:
            description: Soft limit in packets.
            type: int
          packet_hard:
            description: Hard limit in packets.
            type: int
          time_soft:
            description: Soft limit in seconds since the policy was made.
            type: int
          time_hard:
            description: Hard limit in seconds since the policy was made.
            type: int
          time_use_soft:
            description: Soft limit in seconds since the first use.
            type: int
          time_use_hard:
            description: Hard limit in seconds since the first use.
            type: int
      reqid:
        description:
          - With O(policies[].state=absent), the reqid that the policy's templates must have. Left out, only a policy of
            ours, or one without templates, is removed.
        type: int
      templates:
        description:
          - How packets are transformed, in this order (C(tmpl)).
        type: list
        elements: dict
        default: []
        suboptions:
          src:
            description:
              - Source address of the state. Left out it is any.
            type: str
          dst:
            description:
              - Destination address of the state. Left out it is any.
            type: str
          proto:
            description:
              - The IPsec protocol.
            type: str
            choices: [esp, ah, comp]
            default: esp
          mode:
            description:
              - The mode. Mind that C(ip xfrm policy) takes C(transport) where none is given.
            type: str
            choices: [transport, tunnel, beet]
            default: tunnel
          reqid:
            description:
              - The reqid of the states that fit. The default is 7100, the first of ours.
            type: int
          spi:
            description:
              - The SPI of the state that fits, decimal or with C(0x) in hexadecimal. Left out, any.
            type: str
          level:
            description:
              - Whether packets must have been, or be, transformed so, or only are where there is a state.
            type: str
            choices: [required, use]
            default: required
  purge:
    description:
      - Whether to remove all other policies that have templates, all with reqids in O(owned_reqids).
      - A policy without templates, such as one that blocks, has nothing that says whose it is, and is never purged. One
        that blocks may carry a template for this purpose alone.
    type: bool
    default: false
  owned_reqids:
    description:
      - The reqids that are ours, as C(FIRST-LAST). A policy with another one is somebody else's. It is not removed or
        changed, unless its reqid is named or O(takeover) is set.
    type: str
    default: 7100-7199
  takeover:
    description:
      - Whether a policy that stands in the place of a wanted one may be changed or removed though its reqids are neither
        ours nor those that are named.
    type: bool
    default: false
  management_addresses:
    description:
      - Further addresses that manage this host. Where it is reached over SSH, that connection is known anyway, also
        under C(sudo).
    type: list
    elements: str
    default: []
  allow_management_change:
    description:
      - Whether the connection over which this host is managed may be cut, put into IPsec, or taken out of it.
    type: bool
    default: false
seealso:
  - module: wirewright.overlay.xfrm_state
  - module: wirewright.overlay.xfrm_info
"""

EXAMPLES = r"""
- name: Encrypt between two sites, and let nothing between them in that was not encrypted
  wirewright.overlay.xfrm_policy:
    policies:
      - dir: out
        src: 10.1.0.0/16
        dst: 10.2.0.0/16
        templates: [{src: 192.0.2.1, dst: 192.0.2.2}]
      - dir: in
        src: 10.2.0.0/16
        dst: 10.1.0.0/16
        templates: [{src: 192.0.2.2, dst: 192.0.2.1}]
      - dir: fwd
        src: 10.2.0.0/16
        dst: 10.1.0.0/16
        templates: [{src: 192.0.2.2, dst: 192.0.2.1}]
    purge: true

- name: Drop what has the mark and no better policy, as Cilium does
  wirewright.overlay.xfrm_policy:
    policies:
      - {dir: out, src: 0.0.0.0/0, dst: 0.0.0.0/0, mark: 0xe00/0xf00, action: block, priority: 100}

- name: Remove a policy of somebody else
  wirewright.overlay.xfrm_policy:
    policies:
      - {dir: fwd, src: 0.0.0.0/0, dst: 0.0.0.0/0, reqid: 1, state: absent}
"""

RETURN = r"""
policies:
  description: How many policies were created, updated and deleted.
  returned: success
  type: dict
  sample: {created: 3, deleted: 0, updated: 0}
requests:
  description: How many messages that took.
  returned: success
  type: int
  sample: 3
errors:
  description: What is wrong with the options, one text for each reason.
  returned: when something was refused before anything was changed
  type: list
  elements: str
  sample: ["policies[0].dst: neither src nor dst is given; write '0.0.0.0/0' or '::/0' for any"]
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wirewright.overlay.plugins.module_utils.module_run import run
from ansible_collections.wirewright.overlay.plugins.module_utils.ssh_connection import find
from ansible_collections.wirewright.overlay.plugins.module_utils.stage import Outcome
from ansible_collections.wirewright.overlay.plugins.module_utils.xfrm.arguments import POLICIES
from ansible_collections.wirewright.overlay.plugins.module_utils.xfrm.converge import converge_policies
from ansible_collections.wirewright.overlay.plugins.module_utils.xfrm.desired_policies import parse_policies
from ansible_collections.wirewright.overlay.plugins.module_utils.xfrm.management import flows


def main() -> None:
    module = AnsibleModule(argument_spec=POLICIES, supports_check_mode=True)

    def converge() -> Outcome:
        wanted = parse_policies(module.params)
        management = flows(find(os.environ), module.params["management_addresses"])
        return converge_policies(wanted, check_mode=module.check_mode, management=management)

    run(module, "policies", converge)


if __name__ == "__main__":
    main()
