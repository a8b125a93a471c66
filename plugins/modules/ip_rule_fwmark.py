#!/usr/bin/python
# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

DOCUMENTATION = r"""
module: ip_rule_fwmark
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Manage policy routing rules, those with firewall marks above all
description:
  - Adds and removes policy routing rules, as C(ip rule) does, any number of them in one call.
  - The options of a rule say all of it. A rule that exists with exactly these is right, whoever made it; one with the
    same priority and selector that leads elsewhere is replaced where it is known to be yours, and refused otherwise.
  - A rule is yours when it carries O(protocol), its priority is in O(priorities), and it looks up a table that O(tables)
    or a rule of this call names. In a range that O(priorities) declares, rules that look up the main table, and those
    that look up none, are yours too. Rules that look up another table never are.
  - Rules are deleted by all they say, never by priority alone. Where the kernel would take another rule for the one
    that has to go, the module refuses.
  - Nothing is written for the next boot.
extends_documentation_fragment:
  - wirewright.overlay.attributes
  - wirewright.overlay.attributes.changes
options:
  rules:
    description:
      - The rules. What is left out of a rule is not looked at by it.
    type: list
    elements: dict
    required: true
    suboptions:
      priority:
        description:
          - Priority of the rule; rules are asked in ascending order. Without one, the kernel would add another rule
            with every run, so it is required. V(0), V(32766) and V(32767) are those of the kernel's own rules.
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
          - By default that of O(rules[].from) or O(rules[].to), and V(ipv4) without them.
        type: str
        choices: [ipv4, ipv6, both]
      fwmark:
        description:
          - The firewall mark that packets carry, as V(512), V(0x200), or V(0x200/0xf00) with the mask of the bits to
            compare. Without a mask all bits are compared.
          - V(0) matches every packet unless a mask says which bits have to be 0, and is refused without one.
        type: str
      fwmask:
        description:
          - The mask of the bits of O(rules[].fwmark) to compare, where it is not written behind a slash.
        type: str
      invert:
        description:
          - Whether the rule is for packets that the whole selector does not match, C(not) in C(ip rule).
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
          - The source port to match, or a range of them such as V(1024-65534), which is as far as the kernel goes.
        type: str
      dport:
        description:
          - The destination port to match, or a range of them.
        type: str
      uidrange:
        description:
          - The user, or range of users such as V(1000-1999), by number, whose sockets send the packets.
        type: str
      action:
        description:
          - What becomes of packets that match.
          - V(lookup) searches O(rules[].table) for a route; V(goto) goes on with the rules from O(rules[].goto) on;
            V(blackhole) drops silently, V(unreachable) answers that there is no route, V(prohibit) that it is
            forbidden.
        type: str
        choices: [lookup, goto, blackhole, unreachable, prohibit]
        default: lookup
      table:
        description:
          - The table to look up, by number or by its name in rt_tables of the managed host.
          - V(main) has to be written as a name. C(0), C(253) and C(255) are refused.
        type: str
      goto:
        description:
          - The priority to jump to with O(rules[].action=goto); it lies behind O(rules[].priority).
        type: int
      suppress_prefixlength:
        description:
          - Reject routing decisions that have a prefix length of this or less; V(0) rejects default routes alone.
        type: int
  protocol:
    description:
      - The routing protocol that rules carry and are recognised by, a number or a name of rt_protos.
      - V(kernel) keeps systemd-networkd from removing the rules, which it does with those of all others when it starts,
        unless C(ManageForeignRoutingPolicyRules=no) is set.
    type: str
    default: kernel
  priorities:
    description:
      - The range of priorities that is yours alone, such as V(100-199). All of O(rules) that are present lie in it.
    type: str
  tables:
    description:
      - Tables of yours beside those that O(rules) look up, by number or name. The tables of the host, C(0), C(253),
        C(254) and C(255), are refused.
    type: list
    elements: str
  purge:
    description:
      - Whether to remove all other rules that are yours. It needs O(priorities).
    type: bool
    default: false
  allow_management_change:
    description:
      - Whether rules may change the way of the host's answers to the SSH connection by which the module runs.
      - That way is found by asking the rules and searching the tables as the kernel does, before and after the change,
        for packets of root without a firewall mark and without a type of service. A rule of somebody else that looks at
        more than this module knows is taken for one that does not match.
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

- name: Have these rules in my range and no other
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
  description: How many rules were created and deleted. A rule that leads elsewhere now counts as both.
  returned: success
  type: dict
  sample: {created: 2, deleted: 0, updated: 0}
requests:
  description: How many requests that took; none where nothing changed.
  returned: success
  type: int
  sample: 2
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wirewright.overlay.plugins.module_utils.fib.arguments import RULES
from ansible_collections.wirewright.overlay.plugins.module_utils.fib.converge import converge_rules
from ansible_collections.wirewright.overlay.plugins.module_utils.fib.rule_options import parse
from ansible_collections.wirewright.overlay.plugins.module_utils.module_run import run


def main() -> None:
    module = AnsibleModule(argument_spec=RULES, supports_check_mode=True)
    allowed = module.params["allow_management_change"]
    run(
        module,
        "rules",
        lambda: converge_rules(parse(module.params), check_mode=module.check_mode, allow_management_change=allowed),
    )


if __name__ == "__main__":
    main()
