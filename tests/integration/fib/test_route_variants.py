# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of route, created by the module and by `ip route`: listed alike, and recognised by the module."""

from __future__ import annotations

from typing import Any

import pytest
from fib_host import TABLE, ip, route_module, routes
from managed_host import ManagedHost

# On the kernel tier's older kernel too.
ON_BOTH_KERNELS = ("next hops of both families",)

GATEWAY4, FAR4, GATEWAY6, FAR6 = "198.51.100.2", "203.0.113.2", "2001:db8:2::2", "2001:db8:3::2"
HOPS4 = [{"via": GATEWAY4, "dev": "va"}, {"via": FAR4, "dev": "vc"}]
HOPS6 = [{"via": GATEWAY6, "dev": "va"}, {"via": FAR6, "dev": "vc"}]


def both(words4: str) -> str:
    """Return the arguments for IPv6 from those for IPv4."""
    for four, six in ((GATEWAY4, GATEWAY6), (FAR4, FAR6), ("198.51.100.1", "2001:db8:2::1")):
        words4 = words4.replace(four, six)
    return words4


# For 10.5.0.0/16 and fd05::/48: the module's options, and the arguments of `ip route add DESTINATION table T proto 87 ...`.
EACH: dict[str, tuple[dict[str, Any], str]] = {
    "device": ({"dev": "va"}, "dev va"),
    "gateway": ({"via": GATEWAY4}, f"via {GATEWAY4}"),
    "gateway and device": ({"via": GATEWAY4, "dev": "va"}, f"via {GATEWAY4} dev va"),
    "metric": ({"dev": "va", "metric": 50}, "dev va metric 50"),
    "greatest metric": ({"dev": "va", "metric": 4294967295}, "dev va metric 4294967295"),
    "mtu": ({"dev": "va", "mtu": 1420}, "dev va mtu 1420"),
    "greatest mtu": ({"dev": "va", "mtu": 65520}, "dev va mtu 65520"),
    "source": ({"dev": "va", "src": "198.51.100.1"}, "dev va src 198.51.100.1"),
    "source of another interface": (
        {"via": FAR4, "dev": "vc", "src": "198.51.100.1"},
        f"via {FAR4} dev vc src 198.51.100.1",
    ),
    "gateway, metric, mtu, source": (
        {"via": GATEWAY4, "dev": "va", "metric": 7, "mtu": 1380, "src": "198.51.100.1"},
        f"via {GATEWAY4} dev va metric 7 mtu 1380 src 198.51.100.1",
    ),
    "throw": ({"type": "throw"}, "throw"),
    "throw with a metric": ({"type": "throw", "metric": 9}, "throw metric 9"),
    "blackhole": ({"type": "blackhole"}, "blackhole"),
    "blackhole with a metric": ({"type": "blackhole", "metric": 9}, "blackhole metric 9"),
    "unreachable": ({"type": "unreachable"}, "unreachable"),
    "unreachable with a metric": ({"type": "unreachable", "metric": 4278198272}, "unreachable metric 4278198272"),
    "prohibit": ({"type": "prohibit"}, "prohibit"),
    "local": ({"type": "local", "dev": "lo"}, "local dev lo"),
    "local of another interface": ({"type": "local", "dev": "va"}, "local dev va"),
    "two next hops": ({"nexthops": HOPS4}, f"nexthop via {GATEWAY4} dev va nexthop via {FAR4} dev vc"),
    "next hops without devices": (
        {"nexthops": [{"via": GATEWAY4}, {"via": FAR4}]},
        f"nexthop via {GATEWAY4} nexthop via {FAR4}",
    ),
    "next hops in another order": (
        {"nexthops": list(reversed(HOPS4))},
        f"nexthop via {FAR4} dev vc nexthop via {GATEWAY4} dev va",
    ),
    "weights": (
        {"nexthops": [{**HOPS4[0], "weight": 2}, {**HOPS4[1], "weight": 256}]},
        f"nexthop via {GATEWAY4} dev va weight 2 nexthop via {FAR4} dev vc weight 256",
    ),
    "two gateways on one link": (
        {"nexthops": [HOPS4[0], {"via": GATEWAY4 + "2", "dev": "va", "weight": 3}]},
        f"nexthop via {GATEWAY4} dev va nexthop via {GATEWAY4}2 dev va weight 3",
    ),
    "next hops with metric and mtu": (
        {"nexthops": HOPS4, "metric": 3, "mtu": 1400},
        f"metric 3 mtu 1400 nexthop via {GATEWAY4} dev va nexthop via {FAR4} dev vc",
    ),
    "one next hop": ({"nexthops": HOPS4[:1]}, f"via {GATEWAY4} dev va"),
}
IPV4: dict[str, tuple[dict[str, Any], str]] = {
    "on-link gateway": ({"via": "192.0.2.99", "dev": "va", "onlink": True}, "via 192.0.2.99 dev va onlink"),
    "on-link next hops": (
        {"nexthops": [{"via": "192.0.2.98", "dev": "va", "onlink": True}, {**HOPS4[1], "weight": 5}]},
        f"nexthop via 192.0.2.98 dev va onlink nexthop via {FAR4} dev vc weight 5",
    ),
    "gateway of IPv6": ({"via": GATEWAY6, "dev": "va"}, f"via inet6 {GATEWAY6} dev va"),
    "gateway of IPv6, spelt as ip does": ({"via": f"inet6 {GATEWAY6}", "dev": "va"}, f"via inet6 {GATEWAY6} dev va"),
    "link-local gateway of IPv6": ({"via": "fe80::9", "dev": "vc"}, "via inet6 fe80::9 dev vc"),
    "next hops of both families": (
        {"nexthops": [HOPS4[0], {"via": FAR6, "dev": "vc"}]},
        f"nexthop via {GATEWAY4} dev va nexthop via inet6 {FAR6} dev vc",
    ),
    "next hops without gateways": (
        {"nexthops": [{"dev": "va"}, {"dev": "vc", "weight": 2}]},
        "nexthop dev va nexthop dev vc weight 2",
    ),
    "scope global": ({"dev": "va", "scope": "global"}, "dev va scope global"),
    "scope link": ({"dev": "va", "scope": "link"}, "dev va scope link"),
    "scope host": ({"dev": "va", "scope": "host"}, "dev va scope host"),
    "scope site": ({"dev": "va", "scope": "site"}, "dev va scope 200"),
    "least mtu": ({"dev": "va", "mtu": 68}, "dev va mtu 68"),
    "host route": ({"destination": "10.5.6.7", "dev": "va"}, "10.5.6.7 dev va"),
    "default": ({"destination": "default", "dev": "va"}, "default dev va"),
    "default in numbers": ({"destination": "0.0.0.0/0", "via": GATEWAY4}, f"default via {GATEWAY4}"),
    "throw for everything": ({"destination": "default", "type": "throw"}, "throw default"),
    "metric 0": ({"dev": "va", "metric": 0}, "dev va"),
}
IPV6: dict[str, tuple[dict[str, Any], str]] = {
    "on-link gateway": ({"via": "2001:db8:99::1", "dev": "va", "onlink": True}, "via 2001:db8:99::1 dev va onlink"),
    "link-local gateway": ({"via": "fe80::9", "dev": "vc"}, "via fe80::9 dev vc"),
    "link-local next hops": (
        {"nexthops": [{"via": "fe80::9", "dev": "va"}, {"via": "fe80::9", "dev": "vc", "weight": 2}]},
        "nexthop via fe80::9 dev va nexthop via fe80::9 dev vc weight 2",
    ),
    "scope global": ({"dev": "va", "scope": "global"}, "dev va"),
    "host route": ({"destination": "fd05::7", "dev": "va"}, "fd05::7 dev va"),
    "default": ({"destination": "default", "family": "ipv6", "dev": "va"}, "default dev va"),
    "default with a gateway": ({"destination": "default", "via": GATEWAY6}, f"default via {GATEWAY6}"),
    "default in numbers": ({"destination": "::/0", "dev": "vc"}, "default dev vc"),
    "throw for everything": ({"destination": "default", "family": "ipv6", "type": "throw"}, "throw default"),
    "metric 0 is 1024": ({"dev": "va", "metric": 0}, "dev va metric 1024"),
    "metric 1024 is that of none": ({"dev": "va", "metric": 1024}, "dev va"),
    "least metric": ({"dev": "va", "metric": 1}, "dev va metric 1"),
    "mtu of IPv6": ({"dev": "va", "mtu": 1280}, "dev va mtu 1280"),
    "weights of three": (
        {"nexthops": [{**HOPS6[0], "weight": 9}, {**HOPS6[1], "weight": 1}, {"via": "2001:db8:3::9", "dev": "vc"}]},
        f"nexthop via {GATEWAY6} dev va weight 9 nexthop via {FAR6} dev vc nexthop via 2001:db8:3::9 dev vc",
    ),
}


def in_ipv6(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options for IPv6 from those for IPv4."""
    made = {name: both(value) if isinstance(value, str) else value for name, value in options.items()}
    if "nexthops" in options:
        made["nexthops"] = [in_ipv6(hop) for hop in options["nexthops"]]
    return made


EACH6 = {name: (in_ipv6(options), both(words)) for name, (options, words) in EACH.items()}
CASES = [
    pytest.param(
        family,
        {"destination": destination, **options},
        words,
        id=f"ipv{family[1]}: {name}",
        marks=(pytest.mark.both, pytest.mark.long) if name in ON_BOTH_KERNELS else (),
    )
    for family, destination, table in (
        ("-4", "10.5.0.0/16", {**EACH, **IPV4}),
        ("-6", "fd05::/48", {**EACH6, **IPV6}),
    )
    for name, (options, words) in table.items()
]
TYPES = ("local", "throw", "blackhole", "unreachable", "prohibit")


@pytest.mark.sampled(6)
@pytest.mark.parametrize(("family", "options", "words"), CASES)
def test_route_equals_that_of_iproute2(router: ManagedHost, family: str, options: dict[str, Any], words: str) -> None:
    absent = {name: options[name] for name in ("destination", "metric", "family", "via") if name in options}
    absent["state"] = "absent"
    assert route_module(router, options).changed
    made = routes(router)
    assert len(made) == 1
    assert not route_module(router, options).changed
    assert route_module(router, absent).changed
    assert routes(router) == []

    first, _space, others = words.partition(" ")
    kind, rest = (first, others) if first in TYPES else ("", words)
    named = rest.startswith(("default", "10.", "fd05::7"))
    destination = "" if named else {"-4": "10.5.0.0/16", "-6": "fd05::/48"}[family]
    destination, rest = ([*rest.split(" ", 1), ""])[:2] if named else (destination, rest)
    ip(router, f"{family} route add {kind} {destination} table {TABLE} proto 87 {rest}")
    assert routes(router) == made
    assert not route_module(router, options).changed
    assert route_module(router, absent).changed
    assert routes(router) == []


@pytest.mark.parametrize("destination, hops", [("10.5.0.0/16", HOPS4), ("fd05::/48", HOPS6)])
def test_order_of_next_hops_is_ignored(router: ManagedHost, destination: str, hops: list[dict[str, str]]) -> None:
    assert route_module(router, {"destination": destination, "nexthops": hops}).changed
    assert not route_module(router, {"destination": destination, "nexthops": hops[::-1]}).changed


@pytest.mark.parametrize("table", ["1", "252", "256", "4294967294"])
def test_routes_in_every_managed_table(router: ManagedHost, table: str) -> None:
    entries = [{"destination": "10.5.0.0/16", "dev": "va"}, {"destination": "fd05::/48", "type": "throw"}]
    assert route_module(router, *entries, table=table).changed
    assert [route["dst"] for route in routes(router, int(table))] == ["10.5.0.0/16", "fd05::/48"]
    assert not route_module(router, *entries, table=table).changed
    assert route_module(router, table=table, purge=True).changed
    assert routes(router, int(table)) == []


def test_routes_of_main_are_changed_only_if_it_is_named(router: ManagedHost) -> None:
    entry = {"destination": "10.5.0.0/16", "dev": "va"}
    assert "write main" in route_module(router, entry, table=254).failure
    assert route_module(router, entry, table="main").changed
    assert "10.5.0.0/16" in ip(router, "route show proto 87")
    assert "tables of your own" in route_module(router, entry, table="main", purge=True).failure
    assert route_module(router, {"destination": "10.5.0.0/16", "state": "absent"}, table="main").changed
