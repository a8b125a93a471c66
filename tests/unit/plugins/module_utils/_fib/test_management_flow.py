# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The management connection: the route of its packets by rules and tables."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import Refused
from ansible_collections.wirewright.overlay.plugins.module_utils._fib import management_flow as room
from ansible_collections.wirewright.overlay.plugins.module_utils._fib.management_flow import (
    describe_route,
    matches,
    refuse_change,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._host.ssh_connection import Flow
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import host_prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import route as codec
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.rule import Rule
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.table_route import (
    Hop,
    TableRoute,
    encode_table_route,
)

IPV4 = int(socket.AF_INET)
FLOW = Flow(parse_prefix("192.0.2.11"), parse_prefix("203.0.113.9"), 22, 50000)
MAIN = Rule(IPV4, 32766, table=254)


def route(destination: str, index: int = 2, **options: object) -> TableRoute:
    return TableRoute(parse_prefix(destination), 0, hops=(Hop(b"", index),), **options)  # type: ignore[arg-type]


TABLES = {
    254: [route("0.0.0.0/0"), route("192.0.2.0/24", 3)],
    71: [route("0.0.0.0/0", 7)],
    72: [TableRoute(parse_prefix("203.0.113.0/24"), 72, type=codec.RTN_THROW), route("0.0.0.0/0", 7)],
    73: [TableRoute(parse_prefix("203.0.113.0/24"), 73, type=codec.RTN_BLACKHOLE)],
    74: [route("203.0.113.0/24", 8, metric=9), route("203.0.113.0/24", 9, metric=3), route("203.0.0.0/16", 7)],
    75: [route("203.0.113.9/32", 7, dead=True), route("203.0.113.9/32", 7, tos=16), route("198.51.100.0/24", 7)],
}


def names(index: int) -> str:
    return f"if{index}"


@pytest.mark.parametrize(
    ("options", "hit"),
    [
        ({}, True),
        ({"source": parse_prefix("192.0.2.0/24")}, True),
        ({"source": parse_prefix("192.0.3.0/24")}, False),
        ({"destination": parse_prefix("203.0.113.9")}, True),
        ({"destination": parse_prefix("203.0.113.8")}, False),
        ({"input_interface": "lo"}, True),
        ({"input_interface": "eth0"}, False),
        ({"output_interface": "eth0"}, False),
        ({"fwmark": 1, "fwmask": 1}, False),
        ({"fwmark": 0, "fwmask": 0xF00}, True),
        ({"fwmark": 1, "fwmask": 1, "invert": True}, True),
        ({"uid_range": (0, 0)}, True),
        ({"uid_range": (1, 9)}, False),
        ({"ip_protocol": 6}, True),
        ({"ip_protocol": 17}, False),
        ({"source_ports": (1, 22)}, True),
        ({"source_ports": (23, 24)}, False),
        ({"destination_ports": (50000, 50000)}, True),
        ({"destination_ports": (22, 22)}, False),
        ({"rest": ((12, bytes(8)),)}, False),
        ({"rest": ((12, bytes(8)),), "invert": True}, True),
    ],
)
def test_rule_matches(options: dict[str, object], hit: bool) -> None:
    assert matches(Rule(IPV4, 9, table=71, **options), FLOW) == hit  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rules", "taken"),
    [
        ([], "dev if2"),
        ([Rule(IPV4, 9, table=71)], "dev if7"),
        ([Rule(int(socket.AF_INET6), 9, table=71)], "dev if2"),
        ([Rule(IPV4, 40000, table=71)], "dev if2"),
        ([Rule(IPV4, 9, table=71, suppress_prefixlength=0)], "dev if2"),
        ([Rule(IPV4, 9, table=74, suppress_prefixlength=23)], "dev if9"),
        ([Rule(IPV4, 9, table=74, suppress_prefixlength=24)], "dev if2"),
        ([Rule(IPV4, 9, table=72)], "dev if2"),
        ([Rule(IPV4, 9, table=73)], "blackhole"),
        ([Rule(IPV4, 9, table=73, suppress_prefixlength=24)], "blackhole"),
        ([Rule(IPV4, 9, table=75)], "dev if2"),
        ([Rule(IPV4, 9, table=99)], "dev if2"),
        ([Rule(IPV4, 9, action=6)], "blackhole"),
        ([Rule(IPV4, 9, action=7)], "unreachable"),
        ([Rule(IPV4, 9, action=8)], "prohibit"),
        ([Rule(IPV4, 9, action=3), Rule(IPV4, 10, table=71)], "dev if7"),
        ([Rule(IPV4, 9, action=2, goto=32766), Rule(IPV4, 10, table=71)], "dev if2"),
        ([Rule(IPV4, 9, action=2, goto=11), Rule(IPV4, 10, table=71)], "dev if7"),
        ([Rule(IPV4, 10, table=71), Rule(IPV4, 9, table=74)], "dev if9"),
    ],
)
def test_route_of_the_flow(rules: list[Rule], taken: str) -> None:
    assert describe_route(FLOW, [MAIN, *rules], lambda table: TABLES.get(table, []), names) == taken


@pytest.mark.parametrize(
    ("options", "hit"),
    [
        ({"fwmark": 0x100, "fwmask": 0xF00}, True),
        ({"fwmark": 0x100, "fwmask": 0xF00, "invert": True}, False),
        ({"fwmark": 0x200, "fwmask": 0xF00}, False),
        ({"ip_protocol": 17}, True),
        ({"ip_protocol": 6}, False),
        ({"source": parse_prefix("192.0.2.0/24")}, False),
    ],
)
def test_rule_matches_packets_of_a_tunnel(options: dict[str, object], hit: bool) -> None:
    outer = Flow(host_prefix(bytes(4)), FLOW.destination, 51820, 51820, None, socket.IPPROTO_UDP, 0x10100)
    assert matches(Rule(IPV4, 99, table=71, **options), outer) is hit  # type: ignore[arg-type]


def test_no_rule_is_no_route() -> None:
    assert describe_route(FLOW, [], lambda _table: []) == "no route"


def test_a_change_of_the_route_is_refused_with_the_remedy() -> None:
    def tables(table: int) -> list[TableRoute]:
        return TABLES.get(table, [])

    refuse_change(FLOW, ([MAIN], tables), ([MAIN, Rule(IPV4, 9, table=72)], tables), names)
    with pytest.raises(Refused, match=r"203\.0\.113\.9 go dev if2 now, and would go dev if7 then.*to: 203\.0\.113\.9"):
        refuse_change(FLOW, ([MAIN], tables), ([MAIN, Rule(IPV4, 9, table=71)], tables), names)


class _Connection:
    def __init__(self, kind: int) -> None:
        self.kind = kind

    def request(self, _kind: int, _payload: bytes) -> list[bytes]:
        return [encode_table_route(TableRoute(parse_prefix("192.0.2.11"), 255, type=self.kind))]


@pytest.mark.parametrize(("kind", "found"), [(codec.RTN_LOCAL, FLOW), (codec.RTN_UNICAST, None)])
def test_a_connection_of_another_namespace_is_none(kind: int, found: Flow | None) -> None:
    environment = {"SSH_CONNECTION": "203.0.113.9 50000 192.0.2.11 22"}
    assert room.find(_Connection(kind), environment) == found  # type: ignore[arg-type]
