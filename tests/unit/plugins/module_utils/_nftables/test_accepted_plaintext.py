# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sources that a drop chain accepts, as the kernel evaluates its rules in their order."""

from __future__ import annotations

from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.accepted_plaintext import accepted_sources
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.table import Rule


def test_the_first_rule_decides() -> None:
    rules = [
        Rule(('iifname "kwg0"', "accept")),
        Rule(("ip saddr { 10.244.3.0/24, 10.0.0.3 }", "accept")),
        Rule(("ip saddr != 10.0.0.0/8", "counter", "drop")),
        Rule(("ip saddr 10.244.4.0/24", "tcp dport 22", "counter", "drop")),
        Rule(("ip daddr 10.0.0.9", "accept")),
        Rule(("ip saddr 10.244.0.0/16", "counter", "drop")),
        Rule(("ip6 saddr fd00:244::/32", "counter", "drop")),
        Rule(("ip saddr { 10.0.0.2/31 }", "counter", "drop")),
    ]
    dropped = ["10.244.2.0/24", "10.244.4.0/24", "10.0.0.2/32", "fd00:244:0:1::/64"]
    accepted = ["10.244.3.0/24", "10.244.3.7/32", "10.0.0.3/32", "10.0.0.4/32", "192.0.2.0/24", "fd00::2/128", "::/0"]
    found = accepted_sources(rules, map(parse_prefix, [*dropped, *accepted]))
    assert list(map(str, found)) == accepted
    assert accepted_sources([], [parse_prefix("10.0.0.2/32")]) == [parse_prefix("10.0.0.2/32")]
