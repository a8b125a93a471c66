# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""stun_info through real NAT, compared with the requests recorded by the servers."""

from __future__ import annotations

from typing import Any

import pytest
from managed_host import ModuleResult
from nat import ENDPOINT_INDEPENDENT, PUBLIC, PUBLIC6, SYMMETRIC, Internet, Node
from stun_server import stun_server

FIRST, SECOND, THIRD = (f"{PUBLIC}.{number}" for number in (1, 11, 21))
PORT = 40000
# One port per address: the mapping depends on the address, not on the port.
BY_ADDRESS = f"""ip daddr {FIRST} udp sport {PORT} masquerade to :41001
oifname "wan" ip daddr {SECOND} udp sport {PORT} masquerade to :41002
oifname "wan" masquerade"""
STATEFUL_FIREWALL = """
table inet firewall {
    chain input {
        type filter hook input priority filter; policy drop;
        meta l4proto ipv6-icmp accept
        ct state established,related accept
    }
}
"""
# Passes packets from any port of an address that the port has sent to.
FIREWALL_BY_ADDRESS = """
table ip firewall {
    set asked { type ipv4_addr . inet_service; flags dynamic; timeout 5m; }
    chain output { type filter hook output priority filter; update @asked { ip daddr . udp sport }; }
    chain input { type filter hook input priority filter; policy drop; ip saddr . udp dport @asked accept; }
}
"""


def run_stun_info(host: Node, *servers: str, **options: Any) -> ModuleResult:
    """Run the module from one port, with enough time for a busy machine."""
    if "interface" not in options:
        options.setdefault("port", PORT)
    result = host.module("stun_info", servers=list(servers), **{"family": "ipv4", "timeout": 3, **options})
    assert result.rc == 0, result.output
    assert not result.changed
    return result


def found(result: ModuleResult, family: str = "ipv4") -> tuple[Any, ...]:
    """Return the results that a test of NAT behaviour compares."""
    return tuple(result.data[family][name] for name in ("nat", "filtering", "port_open"))


def outcomes(result: ModuleResult) -> list[str]:
    return [server["outcome"] for server in result.data["servers"]]


def endpoint(described: dict[str, Any]) -> tuple[str, int]:
    return described["address"], described["port"]


def test_host_without_nat(internet: Internet, servers: Node) -> None:
    host = internet.public("host", f"{PUBLIC}.2")
    with stun_server(servers, FIRST, SECOND, mode="discovery") as seen:
        result = run_stun_info(host, FIRST)
        again = run_stun_info(host, FIRST, check_mode=True)
    assert found(result) == ("none", "endpoint_independent", True)
    assert result.data["ipv4"]["behind_nat"] is False
    assert endpoint(result.data["ipv4"]["mapped"]) == endpoint(result.data["ipv4"]["local"]) == (f"{PUBLIC}.2", PORT)
    assert again.data == result.data
    assert seen[0].source == (f"{PUBLIC}.2", PORT)


def test_endpoint_independent_nat(internet: Internet, servers: Node) -> None:
    host = internet.behind(internet.gateway("gateway", 2, ENDPOINT_INDEPENDENT), "host", 1)
    with stun_server(servers, FIRST, SECOND, mode="discovery") as seen:
        result = run_stun_info(host, FIRST)
        again = run_stun_info(host, FIRST)  # entries of the first run are still in the gateway
    assert found(result) == found(again) == ("endpoint_independent", "address_and_port_dependent", False)
    assert result.data["ipv4"]["behind_nat"] is True
    assert endpoint(result.data["ipv4"]["local"]) == ("192.168.1.2", PORT)
    mapped = endpoint(result.data["ipv4"]["mapped"])
    # The fresh port sends to the first address and port only.
    assert {one.source for one in seen if one.destination[0] == SECOND} == {mapped}
    assert {one.destination for one in seen if one.source == mapped} == {(FIRST, 3478), (SECOND, 3478), (SECOND, 3479)}


def test_symmetric_nat(internet: Internet, servers: Node) -> None:
    host = internet.behind(internet.gateway("gateway", 2, SYMMETRIC), "host", 1)
    with stun_server(servers, FIRST, SECOND, mode="discovery") as seen:
        result = run_stun_info(host, FIRST)
    assert found(result) == ("address_and_port_dependent", "address_and_port_dependent", False)
    assert endpoint(result.data["ipv4"]["mapped"]) == seen[0].source
    assert len({one.source for one in seen}) >= 4  # three of the port, one of the fresh one


def test_nat_that_maps_by_address(internet: Internet, servers: Node) -> None:
    host = internet.behind(internet.gateway("gateway", 2, BY_ADDRESS), "host", 1)
    with stun_server(servers, FIRST, SECOND, mode="discovery") as seen:
        result = run_stun_info(host, FIRST)
    assert found(result)[0] == "address_dependent"
    assert {one.source[1] for one in seen if one.destination[0] == SECOND} == {41002}


def test_double_nat(internet: Internet, servers: Node) -> None:
    outer = internet.gateway("outer", 2)
    host = internet.behind(internet.gateway("inner", 7, outside=outer), "host", 1)
    with stun_server(servers, FIRST, SECOND, mode="discovery") as seen:
        result = run_stun_info(host, FIRST)
    assert found(result) == ("endpoint_independent", "address_and_port_dependent", False)
    assert endpoint(result.data["ipv4"]["mapped"]) == seen[0].source
    assert seen[0].source[0] == f"{PUBLIC}.2"


def test_double_nat_has_the_more_restrictive_mapping(internet: Internet, servers: Node) -> None:
    outer = internet.gateway("outer", 2, SYMMETRIC)
    host = internet.behind(internet.gateway("inner", 7, outside=outer), "host", 1)
    with stun_server(servers, FIRST, SECOND, mode="discovery"):
        result = run_stun_info(host, FIRST)
    assert found(result)[0] == "address_and_port_dependent"


def test_forwarded_port_is_open_behind_a_filtering_nat(internet: Internet, servers: Node) -> None:
    gateway = internet.gateway("gateway", 2)
    host = internet.behind(gateway, "host", 1)
    gateway.nft(f'add rule ip nat incoming iifname "wan" udp dport {PORT} dnat to 192.168.1.2')
    with stun_server(servers, FIRST, SECOND, mode="discovery"):
        result = run_stun_info(host, FIRST)
    assert found(result) == ("endpoint_independent", "address_and_port_dependent", True)


@pytest.mark.parametrize(
    ("rules", "filtering", "port_open"),
    [
        (STATEFUL_FIREWALL, "address_and_port_dependent", False),
        (FIREWALL_BY_ADDRESS, "address_dependent", True),
    ],
)
def test_firewall_of_the_host_without_nat(
    internet: Internet, servers: Node, rules: str, filtering: str, port_open: bool
) -> None:
    host = internet.public("host", f"{PUBLIC}.2")
    host.nft(rules)
    with stun_server(servers, FIRST, SECOND, mode="discovery"):
        assert found(run_stun_info(host, FIRST)) == ("none", filtering, port_open)


def test_ipv6_through_a_router_that_filters_and_ipv4_through_nat(internet: Internet, servers: Node) -> None:
    host = internet.behind(internet.gateway("gateway", 2), "host", 1)
    first, second = f"{PUBLIC6}::1", f"{PUBLIC6}::11"
    with (
        stun_server(servers, first, second, mode="discovery") as seen,
        stun_server(servers, FIRST, SECOND, mode="discovery"),
    ):
        result = run_stun_info(host, f"[{first}]:3478", FIRST, family="both")
    assert found(result, "ipv6") == ("none", "address_and_port_dependent", False)
    assert found(result, "ipv4") == ("endpoint_independent", "address_and_port_dependent", False)
    assert endpoint(result.data["ipv6"]["mapped"]) == seen[0].source == ("2001:db8:1::2", PORT)
    assert [server["family"] for server in result.data["servers"]] == ["ipv6", "ipv4"]


@pytest.mark.parametrize(("mapping", "nat"), [(ENDPOINT_INDEPENDENT, "endpoint_independent"), (SYMMETRIC, "dependent")])
def test_two_servers_without_a_second_address(internet: Internet, servers: Node, mapping: str, nat: str) -> None:
    host = internet.behind(internet.gateway("gateway", 2, mapping), "host", 1)
    with stun_server(servers, FIRST) as one, stun_server(servers, SECOND) as other:
        result = run_stun_info(host, FIRST, SECOND)
    assert found(result) == (nat, "unknown", None)
    answers = [endpoint(server["mapped"]) for server in result.data["servers"]]
    assert answers == [one[0].source, other[0].source]


def test_one_server_without_a_second_address(internet: Internet, servers: Node) -> None:
    host = internet.behind(internet.gateway("gateway", 2), "host", 1)
    with stun_server(servers, FIRST):
        result = run_stun_info(host, FIRST)
    assert found(result) == ("unknown", "unknown", None)
    assert result.data["ipv4"]["behind_nat"] is True


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("old", ("endpoint_independent", "address_and_port_dependent", False)),  # RFC 3489 has these tests too
        ("dead_other", ("unknown", "unknown", None)),  # a missing answer proves nothing here
        ("stubborn", ("endpoint_independent", "unknown", None)),  # an answer from the queried address proves nothing
    ],
)
def test_servers_of_other_kinds(internet: Internet, servers: Node, mode: str, expected: tuple[Any, ...]) -> None:
    host = internet.behind(internet.gateway("gateway", 2), "host", 1)
    with stun_server(servers, FIRST, SECOND, mode=mode):
        assert found(run_stun_info(host, FIRST)) == expected


def test_servers_that_do_not_answer_are_reported(internet: Internet, servers: Node) -> None:
    host = internet.public("host", f"{PUBLIC}.2")
    with stun_server(servers, FIRST, mode="silent") as silent, stun_server(servers, SECOND, mode="garbage"):
        result = run_stun_info(host, FIRST, SECOND, THIRD, "192.0.2.9", "nowhere.invalid")
    assert outcomes(result) == ["timeout", "bad_answer", "refused", "unreachable", "unresolved"]
    assert all(server["detail"] for server in result.data["servers"])
    assert found(result) == ("unknown", "unknown", None)
    assert result.data["ipv4"]["mapped"] is result.data["ipv4"]["behind_nat"] is None
    assert [one.destination for one in silent] == [(FIRST, 3478)] * 3  # at 0, 0.5 and 1.5 s of 3


def test_other_servers_replace_a_silent_one(internet: Internet, servers: Node) -> None:
    host = internet.behind(internet.gateway("gateway", 2), "host", 1)
    with stun_server(servers, FIRST, mode="silent"), stun_server(servers, SECOND), stun_server(servers, THIRD):
        result = run_stun_info(host, FIRST, SECOND, THIRD)
    assert outcomes(result) == ["timeout", "answered", "answered"]
    assert result.data["ipv4"]["nat"] == "endpoint_independent"


def test_port_in_use_is_refused_with_the_remedy(internet: Internet, servers: Node) -> None:
    with stun_server(servers, FIRST):
        result = servers.module("stun_info", servers=[SECOND], port=3478)
    assert "port: 3478 is in use" in result.failure
    assert "name that as interface" in result.failure
