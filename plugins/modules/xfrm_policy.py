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
  - Adds, changes and removes policies, one or many, as C(ip xfrm policy) does, over netlink.
  - O(policies[].dir), the selector, O(policies[].mark) and O(policies[].if_id) identify a policy; the other options are
    compared with the kernel. An option that is left out is set to its default. The kernel replaces a policy atomically.
  - A change that would cut the management connection, or put it into IPsec, is refused.
  - Packets that match a policy with required templates and no state are dropped. Apply policies before states to send
    nothing in plaintext, or states before policies to lose no packet.
  - A selector that covers a whole IPv6 host also covers its neighbour discovery. Then add a policy with a lower priority
    number that allows V(ipv6-icmp), types 133 to 137.
  - Policies live in the kernel only and do not persist across reboots.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.changes
options:
  policies:
    description: The policies.
    type: list
    elements: dict
    default: []
    suboptions:
      state:
        description: Whether the policy exists.
        type: str
        choices: [present, absent]
        default: present
      dir:
        description:
          - Direction (C(dir)); V(in) for packets to this host, V(out) for packets that leave it, V(fwd) for forwarded ones.
          - An V(out) policy also encrypts forwarded packets. Packets from a tunnel need an V(in) policy, or a V(fwd) policy
            if they are forwarded to another host.
        type: str
        choices: [in, out, fwd]
        required: true
      src:
        description: Source network of the packets. Any by default, of the family of O(policies[].dst).
        type: str
      dst:
        description: Destination network of the packets. Any by default, of the family of O(policies[].src).
        type: str
      proto:
        description: Upper protocol of the packets by name or number.
        type: str
      sport:
        description: Source port.
        type: int
      dport:
        description: Destination port.
        type: int
      type:
        description: ICMP type.
        type: int
      code:
        description: ICMP code.
        type: int
      dev:
        description: Interface of the packets.
        type: str
      mark:
        description: Mark of the packets, as C(VALUE) or C(VALUE/MASK), such as V(0x3e00/0xff00). A mask of 0 is no mark.
        type: str
      if_id:
        description: The xfrm interface the policy belongs to; 0 for none.
        type: str
      priority:
        description: The lowest number wins.
        type: int
        default: 0
      action:
        description: Whether packets pass, transformed by the templates if there are any, or are dropped.
        type: str
        choices: [allow, block]
        default: allow
      flags:
        description: Flags of the policy (C(flag)).
        type: list
        elements: str
        choices: [localok, icmp]
        default: []
      limits:
        description:
          - When the policy expires (C(limit)). At a soft limit the kernel notifies key daemons, at a hard one it deletes the
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
            description: Soft limit in seconds since the policy was created.
            type: int
          time_hard:
            description: Hard limit in seconds since the policy was created.
            type: int
          time_use_soft:
            description: Soft limit in seconds since the first use.
            type: int
          time_use_hard:
            description: Hard limit in seconds since the first use.
            type: int
      reqid:
        description:
          - With O(policies[].state=absent), the reqid that the policy's templates must have. By default only a managed
            policy, or one without templates, is removed.
        type: int
      templates:
        description: Transformations of the packets, in this order (C(tmpl)).
        type: list
        elements: dict
        default: []
        suboptions:
          src:
            description: Source address of the state. Any by default.
            type: str
          dst:
            description: Destination address of the state. Any by default.
            type: str
          proto:
            description: The IPsec protocol.
            type: str
            choices: [esp, ah, comp]
            default: esp
          mode:
            description: The mode. The default of C(ip xfrm policy) is C(transport) instead.
            type: str
            choices: [transport, tunnel, beet]
            default: tunnel
          reqid:
            description: The reqid of matching states. The default is 7100, the first of the managed range.
            type: int
          spi:
            description: The SPI of the matching state, decimal or with C(0x) in hexadecimal. Any by default.
            type: str
          level:
            description: Whether the transformation is required, or used only if there is a state.
            type: str
            choices: [required, use]
            default: required
  purge:
    description:
      - Whether to remove all other policies whose templates all have reqids in O(owned_reqids).
      - A policy without templates has no reqid and is never purged. A policy that blocks may have a template for this
        purpose alone.
    type: bool
    default: false
  owned_reqids:
    description:
      - The managed reqids, as C(FIRST-LAST). A policy with another reqid is unmanaged. It is not removed or changed,
        unless its reqid is named or O(takeover) is set.
    type: str
    default: 7100-7199
  takeover:
    description:
      - Whether a policy in the place of a desired one may be changed or removed although its reqids are neither managed
        nor named.
    type: bool
    default: false
  management_addresses:
    description:
      - Further addresses that manage this host. The SSH connection of the run is always protected, also under C(sudo).
    type: list
    elements: str
    default: []
  allow_management_change:
    description: Whether a change may cut the management connection, put it into IPsec, or take it out of IPsec.
    type: bool
    default: false
seealso:
  - module: wirewright.overlay.xfrm_state
  - module: wirewright.overlay.xfrm_info
"""

EXAMPLES = r"""
- name: Encrypt between two sites, and drop plaintext between them
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

- name: Drop packets with the mark and no better policy, as Cilium does
  wirewright.overlay.xfrm_policy:
    policies:
      - {dir: out, src: 0.0.0.0/0, dst: 0.0.0.0/0, mark: 0xe00/0xf00, action: block, priority: 100}

- name: Remove an unmanaged policy
  wirewright.overlay.xfrm_policy:
    policies:
      - {dir: fwd, src: 0.0.0.0/0, dst: 0.0.0.0/0, reqid: 1, state: absent}
"""

RETURN = r"""
policies:
  description: Number of policies created, updated and deleted.
  returned: success
  type: dict
  sample: {created: 3, deleted: 0, updated: 0}
requests:
  description: Number of netlink messages sent.
  returned: success
  type: int
  sample: 3
errors:
  description: All errors in the options.
  returned: when the options were refused, before any change
  type: list
  elements: str
  sample: ["policies[0].dst: neither src nor dst is given; write '0.0.0.0/0' or '::/0' for any"]
"""

import os

from ..module_utils._engine.module_run import Module, exit_with
from ..module_utils._engine.result import StageResult
from ..module_utils._host.ssh_connection import find
from ..module_utils._overlay.exclusive import run_exclusively
from ..module_utils._overlay.management import tunnel_flows
from ..module_utils._xfrm.argument_spec import POLICIES
from ..module_utils._xfrm.lockout import flows
from ..module_utils._xfrm.missing_devices import predicted_params
from ..module_utils._xfrm.policy_options import parse_policies
from ..module_utils._xfrm.stages import converge_policies


def main() -> None:
    module = Module(argument_spec=POLICIES, supports_check_mode=True)
    params = predicted_params(module, "policies")

    def converge() -> StageResult:
        wanted = parse_policies(params)
        management = flows(find(os.environ), module.params["management_addresses"], tunnel_flows())
        return converge_policies(wanted, check_mode=module.check_mode, management=management)

    result = run_exclusively(module, converge)
    exit_with(module, result, "IPsec policies", policies=result.counts, requests=result.requests)


if __name__ == "__main__":
    main()
