# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From options to rules and routes; refusals are tested with the modules, on hosts."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.fib import names, route_options, rule_options
from ansible_collections.wirewright.overlay.plugins.module_utils.fib.rule_text import describe
from ansible_collections.wirewright.overlay.plugins.module_utils.netlink import route as codec
from ansible_collections.wirewright.overlay.plugins.module_utils.netlink.table_route import Hop, TableRoute
from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils.refusal import InvalidOptions
from hypothesis import given
from hypothesis import strategies as st

INTERFACES = {"eth0": 2, "wg0": 7}


def rules(*entries: dict[str, Any], **options: Any) -> rule_options.WantedRules:
    return rule_options.parse(
        {"rules": [{"priority": 150, **entry} for entry in entries], "protocol": "kernel", **options}
    )


def one_route(**entry: Any) -> TableRoute:
    options = {"table": "71", "routes": [{"destination": "10.5.0.0/16", **entry}]}
    (route,) = route_options.parse(options, INTERFACES.__getitem__).present
    return route


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
def test_rules_are_told_in_the_words_of_ip(entry: dict[str, Any], words: list[str]) -> None:
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


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"dev": "wg0"}, {"scope": 253, "hops": (Hop(b"", 7),)}),
        ({"type": "throw"}, {"type": codec.RTN_THROW}),
        ({"type": "local", "dev": "wg0"}, {"type": codec.RTN_LOCAL, "scope": 254, "hops": (Hop(b"", 7),)}),
        ({"via": "192.0.2.1"}, {"hops": (Hop(bytes((192, 0, 2, 1))),)}),
        ({"nexthops": [{"dev": "wg0", "weight": 3}]}, {"hops": (Hop(b"", 7),)}),
    ],
)
def test_routes_get_what_ip_gives_them(entry: dict[str, Any], expected: dict[str, Any]) -> None:
    assert one_route(**entry) == TableRoute(parse_prefix("10.5.0.0/16"), 71, protocol=87, **expected)


@pytest.mark.parametrize(
    ("entry", "family", "metric"),
    [
        ({"dev": "wg0"}, socket.AF_INET, 0),
        ({"dev": "wg0", "family": "ipv6"}, socket.AF_INET6, 1024),
        ({"via": "fd00::1"}, socket.AF_INET6, 1024),
        ({"dev": "wg0", "src": "fd00::1", "metric": 5}, socket.AF_INET6, 5),
        ({"nexthops": [{"via": "fd00::1"}, {"via": "fd00::2"}]}, socket.AF_INET6, 1024),
        ({"via": "fd00::1", "dev": "wg0", "family": "ipv4"}, socket.AF_INET, 0),
    ],
)
def test_family_of_the_default_route(entry: dict[str, Any], family: int, metric: int) -> None:
    route = one_route(destination="default", **entry)
    assert (route.destination.family, route.destination.length, route.metric) == (family, 0, metric)


def test_families_to_read_are_those_named_and_both_to_purge() -> None:
    options = {"table": "71", "routes": [{"destination": "fd05::/48", "type": "throw"}]}
    assert route_options.parse(options).families == (socket.AF_INET6,)
    assert len(route_options.parse({**options, "purge": True}).families) == 2


def test_names_of_tables_come_from_all_places_and_the_last_wins(tmp_path: Path) -> None:
    shipped, etc = tmp_path / "share", tmp_path / "etc"
    for directory in (shipped, etc):
        (directory / "rt_tables.d").mkdir(parents=True)
    (shipped / "rt_tables").write_text("255\tlocal\n# 9 hidden\n70 old\n71 kept # why\n")
    (etc / "rt_tables.d/site.conf").write_text("0x47 site\n72 old\nnonsense\n999 main\n")
    (etc / "rt_tables.d/site.txt").write_text("1 unread\n")
    found = names.tables((str(shipped), str(etc), str(tmp_path / "none")))
    assert found == {"local": 255, "old": 72, "kept": 71, "site": 71, "main": 254, "default": 253}


@pytest.mark.parametrize(("text", "number"), [("7", 7), ("0x1F", 31), ("007", 7), (" 7 ", 7), ("main", 254)])
def test_numbers(text: str, number: int) -> None:
    assert names.number(text, names.TABLES) == number


@pytest.mark.parametrize("text", ["", "-1", "+1", "1_0", "0x", "0x-1", "1.5", "\u0661", "f", "0b1"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError):
        names.number(text)
