# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From options to rules; refusals are tested with the module, on hosts."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import InvalidOptions
from ansible_collections.wirewright.overlay.plugins.module_utils._fib import rule_options
from ansible_collections.wirewright.overlay.plugins.module_utils._fib.describe_rule import describe
from hypothesis import given
from hypothesis import strategies as st


def rules(*entries: dict[str, Any], **options: Any) -> rule_options.WantedRules:
    return rule_options.parse(
        {"rules": [{"priority": 150, **entry} for entry in entries], "protocol": "kernel", **options}
    )


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"table": "71"}, ["ipv4 150: from all lookup 71 proto kernel"]),
        (
            {"table": "71", "family": "both", "fwmark": "0x200/0xf00", "invert": True},
            [f"{family} 150: not from all fwmark 0x200/0xf00 lookup 71 proto kernel" for family in ("ipv4", "ipv6")],
        ),
        ({"table": "0x200", "to": "fd01::/48"}, ["ipv6 150: from all to fd01::/48 lookup 512 proto kernel"]),
        (
            {"table": "main", "suppress_prefixlength": 0, "uidrange": "5"},
            ["ipv4 150: from all uidrange 5-5 lookup main suppress_prefixlength 0 proto kernel"],
        ),
        (
            {"action": "goto", "goto": 160, "ipproto": "sctp", "sport": "1-2", "dport": 3, "iif": "a", "oif": "b"},
            ["ipv4 150: from all iif a oif b ipproto sctp sport 1-2 dport 3 goto 160 proto kernel"],
        ),
        ({"action": "unreachable", "from": "10.0.0.0/8"}, ["ipv4 150: from 10.0.0.0/8 unreachable proto kernel"]),
    ],
)
def test_rules_are_described_as_ip_prints_them(entry: dict[str, Any], words: list[str]) -> None:
    assert [describe(rule) for rule in rules(entry).present] == words


def test_tables_of_a_call_are_ours_and_those_of_the_host_never() -> None:
    wanted = rules({"table": "71"}, {"table": "main", "fwmark": 1}, tables=["72"], priorities="100-199")
    assert wanted.own.tables == {71, 72}
    assert wanted.own.priorities == (100, 199)


def test_absent_rules_need_not_be_in_the_range() -> None:
    wanted = rules({"table": "71", "priority": 5, "state": "absent"}, priorities="100-199")
    assert [rule.priority for rule in wanted.absent] == [5] and not wanted.present


def test_rules_of_one_priority_differ_in_what_they_match() -> None:
    assert len(rules({"table": "71", "fwmark": 1}, {"table": "72", "fwmark": 2}).present) == 2
    with pytest.raises(InvalidOptions, match="two rules"):
        rules({"table": "71", "fwmark": 1}, {"table": "72", "fwmark": 1})
    with pytest.raises(InvalidOptions, match="both present and absent"):
        rules({"table": "71"}, {"table": "71", "state": "absent"})


@given(st.text(max_size=12))
def test_any_text_is_a_mark_or_a_mistake(text: str) -> None:
    try:
        (rule,) = rules({"table": "71", "fwmark": text}).present
    except InvalidOptions as refused:
        assert "fwma" in str(refused)
        return
    assert 0 <= rule.fwmark <= rule.fwmask <= 0xFFFFFFFF
