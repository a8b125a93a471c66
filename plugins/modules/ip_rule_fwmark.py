#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: ip_rule_fwmark
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Manage policy routing rules, with firewall marks or without
description:
  - Adds and removes any number of policy routing rules, as C(ip rule) does.
  - A rule with exactly the desired options is not changed, managed or not. A rule with the same priority and selector
    but another action is replaced if it is yours, and refused otherwise. Rules of other programs with the same priority and
    another selector are a warning.
  - A rule is yours when it carries O(protocol), its priority is in O(priorities), and it looks up a table that O(tables)
    or a rule of this call names. In a range that O(priorities) declares, rules that look up the main table, and those
    that look up none, are yours too; with O(exceptions), only those. Rules that look up another table never are.
  - Rules are deleted by their full selector, never by priority alone. Where the kernel would delete another rule, the
    module refuses.
  - Does not persist across reboots. M(wirewright.overlay.overlay_apply) writes boot files.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.changes
options:
  rules:
    description:
      - The rules. A rule matches any value of options that are left out.
    type: list
    elements: dict
    required: true
    suboptions:
      priority:
        description:
          - Priority of the rule; the kernel evaluates rules in ascending order. V(0), V(32766) and V(32767) belong to the
            kernel's own rules. It is required, because without one the kernel would add another rule with every run.
        type: int
        required: true
      state:
        description:
          - Whether the rule exists.
        type: str
        choices: [present, absent]
        default: present
      family:
        description:
          - The protocol family, with V(both) for a rule in each.
          - By default that of O(rules[].from) or O(rules[].to), or V(ipv4) without them.
        type: str
        choices: [ipv4, ipv6, both]
      fwmark:
        description:
          - The firewall mark that packets carry, as V(512), V(0x200), or V(0x200/0xf00) with the mask of the bits to
            compare. Without a mask all bits are compared.
          - V(0) needs a mask, which selects the bits that have to be 0. Without one it would match every packet.
        type: str
      fwmask:
        description:
          - The mask of the bits of O(rules[].fwmark) to compare, unless it is written after a slash.
        type: str
      invert:
        description:
          - Whether the rule applies to packets that the selector does not match, C(not) in C(ip rule).
        type: bool
        default: false
      from:
        description:
          - The source network to match. C(all) matches any.
        type: str
      to:
        description:
          - The destination network to match. C(all) matches any.
        type: str
      iif:
        description:
          - The incoming interface to match; V(lo) stands for packets of the host itself. It need not exist yet.
        type: str
      oif:
        description:
          - The outgoing interface to match, which only packets of sockets bound to an interface have.
        type: str
      ipproto:
        description:
          - The IP protocol to match, by name or number.
        type: str
      sport:
        description:
          - The source port to match, or a range of ports such as V(1024-65534). The kernel accepts 1 to 65534.
        type: str
      dport:
        description:
          - The destination port to match, or a range of ports.
        type: str
      uidrange:
        description:
          - The numeric user ID of the sending socket, or a range such as V(1000-1999).
        type: str
      action:
        description:
          - The action for packets that match.
          - V(lookup) searches O(rules[].table) for a route; V(goto) continues with the rule at O(rules[].goto);
            V(blackhole) drops silently; V(unreachable) and V(prohibit) drop with an ICMP error.
        type: str
        choices: [lookup, goto, blackhole, unreachable, prohibit]
        default: lookup
      table:
        description:
          - The table to look up, by number or by its name in rt_tables of the managed host.
          - Write V(main) as a name. C(0), C(253) and C(255) are refused.
        type: str
      goto:
        description:
          - The priority to jump to with O(rules[].action=goto); it is greater than O(rules[].priority).
        type: int
      suppress_prefixlength:
        description:
          - Reject routes with a prefix length of this or less; V(0) rejects default routes only.
        type: int
  protocol:
    description:
      - The routing protocol that marks the rules, a number or a name of rt_protos.
      - systemd-networkd removes rules of others with any protocol but V(kernel) when it starts, unless
        C(ManageForeignRoutingPolicyRules=no) is set.
    type: str
    default: kernel
  priorities:
    description:
      - The range of your priorities, such as V(100-199). All present O(rules) have to be in it.
    type: str
  tables:
    description:
      - Your tables besides those that O(rules) look up, by number or name. The tables of the host, C(0), C(253),
        C(254) and C(255), are refused.
    type: list
    elements: str
  exceptions:
    description:
      - The rules without a table of yours that are yours, with the options of O(rules) but C(state). Ports and single
        source addresses are not compared, so C(sport), C(dport), and C(from) with one address stand for any.
      - By default all rules in O(priorities) that look up the main table or none are yours.
      - Set it, to an empty list for example, where others may have rules in O(priorities).
    type: list
    elements: dict
  purge:
    description:
      - Whether to remove all other rules that are yours. It needs O(priorities).
    type: bool
    default: false
  allow_management_change:
    description:
      - Whether rules may reroute the management connection, the SSH connection that the module runs over. Without it
        such a change is refused.
      - Its route is computed from rules and tables as in the kernel, before and after the change, for packets of root
        without a firewall mark and without a type of service. Unmanaged rules with unknown attributes count as not matching.
    type: bool
    default: false
seealso:
  - module: wirewright.overlay.ip_route
  - module: wirewright.overlay.wg_interface
"""

EXAMPLES = r"""
- name: Route everything but the tunnel's own packets through the tunnel, as wg-quick does
  wirewright.overlay.ip_rule_fwmark:
    rules:
      - {priority: 32764, family: both, table: main, suppress_prefixlength: 0}
      - {priority: 32765, family: both, fwmark: 51820, invert: true, table: 51820}

- name: Manage exactly these rules in a range of priorities
  wirewright.overlay.ip_rule_fwmark:
    priorities: 100-199
    tables: [200, 201]
    purge: true
    rules:
      - {priority: 100, fwmark: 0xd00/0xf00, table: 200}
      - {priority: 101, fwmark: 0xe00/0xf00, table: 201}
      - {priority: 110, to: 10.0.0.0/8, ipproto: tcp, dport: 1-1023, uidrange: 1000-1999, action: prohibit}

- name: Remove a rule
  wirewright.overlay.ip_rule_fwmark:
    rules:
      - {priority: 100, fwmark: 0xd00/0xf00, table: 200, state: absent}
"""

RETURN = r"""
rules:
  description: Number of rules that were created and deleted. A replaced rule counts as both.
  returned: success
  type: dict
  sample: {created: 2, deleted: 0, updated: 0}
requests:
  description: Number of netlink requests; 0 without changes.
  returned: success
  type: int
  sample: 2
"""

from ..module_utils._engine.module_run import Module, exit_with
from ..module_utils._fib.argument_spec import RULES
from ..module_utils._fib.rule_options import parse
from ..module_utils._fib.stages import converge
from ..module_utils._overlay.exclusive import run_exclusively
from ..module_utils._overlay.management import management_flows


def main() -> None:
    module = Module(argument_spec=RULES, supports_check_mode=True)
    allowed = module.params["allow_management_change"]
    result = run_exclusively(
        module,
        lambda: converge(
            parse(module.params),
            check_mode=module.check_mode,
            allow_management_change=allowed,
            management=management_flows,
        ),
    )
    exit_with(module, result, "rules", rules=result.counts, requests=result.requests)


if __name__ == "__main__":
    main()
