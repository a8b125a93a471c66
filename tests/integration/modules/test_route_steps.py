# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ip_route in twelve steps, foreign routes, and refusals."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from managed_host import ManagedHost

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fib"))

from fib_host import PREPARE, TABLE, clear, ip, route_module, routes
from fib_steps import take_twelve_steps

SITE, SITE6 = "10.5.0.0/16", "fd05::/48"
VIA_A, VIA_C = {"via": "198.51.100.2", "dev": "va"}, {"via": "203.0.113.2", "dev": "vc"}
VIA_A6, VIA_C6 = {"via": "2001:db8:2::2", "dev": "va"}, {"via": "2001:db8:3::2", "dev": "vc"}
SSH = "192.0.2.99 50000 198.51.100.1 22"


@pytest.fixture
def router(host: ManagedHost) -> Iterator[ManagedHost]:
    clear(host)
    host.shell(PREPARE)
    yield host
    clear(host)


# The first and the second state of the route; IPv6 if the destination is.
BOTH: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "device": ({"dev": "va"}, {"dev": "vc"}),
    "mtu": ({"dev": "va"}, {"dev": "va", "mtu": 1400}),
    "mtu taken off": ({"dev": "va", "mtu": 1400}, {"dev": "va"}),
    "metric": ({"dev": "va"}, {"dev": "va", "metric": 5}),
    "from a route to throw": ({"dev": "va"}, {"type": "throw"}),
    "from throw to a route": ({"type": "throw"}, {"dev": "va"}),
    "from throw to blackhole": ({"type": "throw"}, {"type": "blackhole"}),
    "from blackhole to unreachable": ({"type": "blackhole"}, {"type": "unreachable"}),
    "from unreachable to prohibit": ({"type": "unreachable"}, {"type": "prohibit"}),
    "from local to a route": ({"type": "local", "dev": "lo"}, {"dev": "va"}),
}
IPV4 = {
    "gateway": (VIA_A, {**VIA_A, "via": "198.51.100.3"}),
    "gateway taken off": (VIA_A, {"dev": "va"}),
    "gateway's interface": ({"via": "198.51.100.2"}, {"via": "203.0.113.2"}),
    "gateway of the other family": (VIA_A, VIA_A6),
    "source": ({"dev": "va"}, {"dev": "va", "src": "203.0.113.1"}),
    "scope": ({"dev": "va"}, {"dev": "va", "scope": "global"}),
    "on-link": (VIA_A, {**VIA_A, "onlink": True}),
    "a next hop more": (VIA_A, {"nexthops": [VIA_A, VIA_C]}),
    "a next hop less": ({"nexthops": [VIA_A, VIA_C]}, {"nexthops": [VIA_C]}),
    "weight": ({"nexthops": [VIA_A, VIA_C]}, {"nexthops": [{**VIA_A, "weight": 4}, VIA_C]}),
    "from next hops to throw": ({"nexthops": [VIA_A, VIA_C]}, {"type": "throw"}),
}
IPV6 = {
    "gateway": (VIA_A6, {**VIA_A6, "via": "2001:db8:2::3"}),
    "gateway taken off": (VIA_A6, {"dev": "va"}),
    "gateway's interface": ({"via": "2001:db8:2::2"}, {"via": "2001:db8:3::2"}),
    "source": ({"dev": "va"}, {"dev": "va", "src": "2001:db8:3::1"}),
    "a next hop more": (VIA_A6, {"nexthops": [VIA_A6, VIA_C6]}),
    "a next hop more than none": ({"dev": "va"}, {"nexthops": [VIA_A6, VIA_C6]}),
    "a next hop less": ({"nexthops": [VIA_A6, VIA_C6]}, {"nexthops": [VIA_C6]}),
    "weight": ({"nexthops": [VIA_A6, VIA_C6]}, {"nexthops": [{**VIA_A6, "weight": 4}, VIA_C6]}),
    "from next hops to throw": ({"nexthops": [VIA_A6, VIA_C6]}, {"type": "throw"}),
    "from throw to next hops": ({"type": "throw"}, {"nexthops": [VIA_A6, VIA_C6]}),
}
CASES = [
    pytest.param(destination, first, then, id=f"{family}: {name}")
    for family, destination, table in (("ipv4", SITE, {**BOTH, **IPV4}), ("ipv6", SITE6, {**BOTH, **IPV6}))
    for name, (first, then) in table.items()
]


def call(*entries: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"table": str(TABLE), "routes": list(entries), **options}


@pytest.mark.sampled(6)
@pytest.mark.parametrize(("destination", "first", "then"), CASES)
def test_route_takes_twelve_steps(
    router: ManagedHost, destination: str, first: dict[str, Any], then: dict[str, Any]
) -> None:
    gone = {"destination": destination, "metric": then.get("metric", 0), "state": "absent"}
    take_twelve_steps(
        router,
        "ip_route",
        call({"destination": destination, **first}),
        call({"destination": destination, **then}, purge="metric" in then),
        call(gone),
    )


def test_routes_take_twelve_steps(router: ManagedHost) -> None:
    first = [{"destination": f"10.{number}.0.0/16", "dev": "va"} for number in range(20)]
    first += [{"destination": f"fd00:{number}::/32", "type": "throw"} for number in range(20)]
    then = [{**first[0], "mtu": 1300}, *first[5:], {"destination": "default", "dev": "vc"}]
    take_twelve_steps(router, "ip_route", call(*first), call(*then, purge=True), call(purge=True))
    assert routes(router) == []


def test_gateways_may_be_behind_routes_of_the_same_call(router: ManagedHost) -> None:
    entries = [
        {"destination": "default", "via": "100.64.0.1"},
        {"destination": "100.64.0.0/24", "dev": "va"},
        {"destination": "10.9.0.0/16", "via": "100.64.0.9", "metric": 3},
    ]
    take_twelve_steps(router, "ip_route", call(*entries), call(*entries[:2], purge=True), call(purge=True))


def test_one_changed_among_a_thousand_is_one_message(router: ManagedHost) -> None:
    entries = [{"destination": f"10.{at // 256}.{at % 256}.0/24", "dev": "va"} for at in range(1000)]
    assert route_module(router, *entries).data["requests"] == 1000
    assert not route_module(router, *entries).changed
    entries[500] = {**entries[500], "mtu": 1300}
    result, trace = router.traced_module("ip_route", "sendto,sendmsg", table=str(TABLE), routes=entries, purge=True)
    assert result.data["requests"] == 1 and result.data["routes"] == {"created": 0, "updated": 1, "deleted": 0}
    assert trace.count("RTM_NEWROUTE") == 1 and trace.count("RTM_DELROUTE") == 0
    assert len(routes(router)) == 1000


def test_a_thousand_routes_are_a_few_messages(router: ManagedHost) -> None:
    entries = [{"destination": f"10.{at // 256}.{at % 256}.0/24", "type": "throw"} for at in range(1000)]
    result, trace = router.traced_module("ip_route", "sendto,sendmsg", table=str(TABLE), routes=entries)
    assert result.changed
    assert len([line for line in trace.splitlines() if "RTM_NEWROUTE" in line]) == 5


@pytest.mark.parametrize(
    "foreign",
    [
        f"{SITE} dev va proto 99",
        f"{SITE} dev va",
        f"throw {SITE} proto kernel",
        f"{SITE} dev vc proto 88 metric 0",
        f"{SITE6} dev va proto 99",
        f"throw {SITE6} proto static metric 1024",
    ],
)
def test_conflict_with_another_route_is_refused_and_named(router: ManagedHost, foreign: str) -> None:
    ip(router, f"{'-6' if SITE6 in foreign else '-4'} route add {foreign} table {TABLE}")
    before = routes(router)
    wanted = {"destination": SITE6 if SITE6 in foreign else SITE, "dev": "va"}
    for check_mode in (True, False):
        refused = route_module(router, {"destination": "10.6.0.0/16", "dev": "va"}, wanted, check_mode=check_mode)
        assert "destination and metric exists" in refused.failure and wanted["destination"] in refused.failure
        assert routes(router) == before
    assert not route_module(router, {"destination": wanted["destination"], "state": "absent"}).changed
    assert not route_module(router, purge=True).changed
    assert routes(router) == before


def test_foreign_routes_are_kept(router: ManagedHost) -> None:
    for words in (f"{SITE} dev va metric 1 proto 99", f"{SITE} dev va metric 2 proto 88", "10.0.0.0/8 dev va"):
        ip(router, f"route add {words} table {TABLE}")
    ip(router, f"route add {SITE} dev va proto 87 table 7101")
    ip(router, f"-6 route add {SITE6} dev va metric 5 proto 99 table {TABLE}")
    before = routes(router)
    take_twelve_steps(
        router,
        "ip_route",
        call({"destination": SITE, "dev": "va"}, {"destination": SITE6, "dev": "va"}),
        call({"destination": SITE, "dev": "vc"}, purge=True),
        call(purge=True),
    )
    assert routes(router) == before
    assert len(routes(router, 7101)) == 1
    ip(router, "route flush table 7101")


def test_routes_of_another_protocol_are_identified_by_recorded_notes(router: ManagedHost) -> None:
    notes = "/var/lib/wirewright.overlay/fib/routes.json"
    ip(router, f"route add 10.7.0.0/16 dev va proto static table {TABLE}")
    ip(router, f"route add 10.8.0.0/16 dev va proto 87 table {TABLE}")
    before = routes(router)
    listed = [{"destination": SITE, "dev": "va"}, {"destination": SITE6, "type": "throw"}]
    take_twelve_steps(
        router,
        "ip_route",
        call(*listed, protocol="static"),
        call(
            {"destination": SITE, "dev": "vc"},
            {"destination": "10.8.0.0/16", "dev": "va"},
            protocol="static",
            purge=True,
        ),
        call(purge=True),
    )
    assert routes(router) == [one for one in before if one["dst"] == "10.7.0.0/16"], "a foreign route"
    assert router.shell(f"ls {notes} 2>/dev/null || :") == ""
    refused = route_module(router, {"destination": "10.7.0.0/16", "dev": "vc"}, protocol="static")
    assert "destination and metric exists (protocol 4)" in refused.failure
    assert not route_module(router, {"destination": "10.7.0.0/16", "dev": "va"}, protocol="static").changed
    assert not route_module(router, purge=True, protocol="static").changed
    assert "not a routing protocol" in route_module(router, protocol="nonsense").failure
    assert "leave it out in main" in route_module(router, table="main", protocol="static").failure


def test_appended_routes_are_deleted_too(router: ManagedHost) -> None:
    ip(router, f"route add {SITE} via 198.51.100.2 proto 87 table {TABLE}")
    ip(router, f"route append {SITE} via 198.51.100.3 proto 87 table {TABLE}")
    assert len(routes(router)) == 2
    assert route_module(router, purge=True).changed
    assert routes(router) == []


# Each with attributes that the module has no option for.
MORE = {
    "nexthop object": ("nexthop add id 5 via 198.51.100.2 dev va", f"{SITE} nhid 5"),
    "nexthop object of IPv6": ("nexthop add id 6 via 2001:db8:2::2 dev va", f"{SITE6} nhid 6"),
    "locked mtu": ("", f"{SITE} via 198.51.100.2 dev va mtu lock 1300 advmss 1200 window 9000"),
    "locked mtu of IPv6": ("", f"{SITE6} via 2001:db8:2::2 dev va mtu lock 1300 advmss 1200 pref high"),
    "encapsulation": ("", f"{SITE} encap ip id 7 dst 198.51.100.2 dev va"),
}


@pytest.mark.parametrize("kind", MORE)
def test_other_attributes_of_a_route_are_restored(router: ManagedHost, kind: str) -> None:
    nexthop, words = MORE[kind]
    if nexthop:
        ip(router, nexthop)
    ip(router, f"route add {words} table {TABLE} proto 87")
    before = routes(router)
    destination = words.split()[0]
    changed = {"destination": destination, "type": "throw", "metric": before[0].get("metric", 0)}
    refused = {"destination": "10.6.0.0/16", "via": "192.0.2.199", "dev": "va"}
    failure = route_module(router, changed, refused).failure
    assert "rolled back" in failure and "could not restore" not in failure
    assert routes(router) == before
    assert route_module(router, purge=True).changed
    assert routes(router) == []


def test_kernel_refusal_names_the_route(router: ManagedHost) -> None:
    message = route_module(router, {"destination": SITE, "via": "192.0.2.199", "dev": "va"}).failure
    assert SITE in message and "Nexthop has invalid gateway" in message
    message = route_module(router, {"destination": SITE, "dev": "va", "src": "192.0.2.199"}).failure
    assert SITE in message and "Invalid prefsrc address" in message


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"destination": "10.5.0.1/16"}, ("destination", "10.5.0.0/16")),
        ({"destination": "everywhere"}, ("destination", "not an IPv4")),
        ({}, ("type", "set dev or via")),
        ({"type": "local"}, ("type", "set dev or via")),
        ({"dev": "nothing0"}, ("dev", "not an interface")),
        ({"type": "throw", "dev": "va"}, ("dev", "throw route")),
        ({"type": "blackhole", "via": "198.51.100.2"}, ("via", "blackhole route")),
        ({"type": "prohibit", "mtu": 1400}, ("mtu", "prohibit route")),
        ({"type": "local", "dev": "va", "via": "198.51.100.2"}, ("via", "local route")),
        ({"via": "198.51.100.300"}, ("via", "not an IPv4 or IPv6 address")),
        ({"via": "198.51.100.2/24"}, ("via", "prefix length")),
        ({"via": "::"}, ("via", "unspecified")),
        ({"destination": SITE6, "via": "198.51.100.2"}, ("via", "IPv6 route")),
        ({"via": "fe80::1"}, ("via", "set dev too")),
        ({"dev": "va", "src": "2001:db8:2::1"}, ("src", "family")),
        ({"destination": SITE6, "dev": "va", "scope": "link"}, ("scope", "IPv4 routes")),
        ({"destination": SITE, "family": "ipv6", "dev": "va"}, ("family", "leave it out")),
        ({"dev": "va", "metric": -1}, ("metric", "4294967295")),
        ({"dev": "va", "mtu": 67}, ("mtu", "68 to 65520")),
        ({"dev": "va", "onlink": True}, ("onlink", "set via and dev")),
        ({"via": "198.51.100.2", "onlink": True}, ("onlink", "set via and dev")),
        ({"dev": "va", "nexthops": [VIA_A, VIA_C]}, ("dev", "beside nexthops")),
        ({"nexthops": [VIA_A, VIA_A]}, ("nexthops", "the same")),
        ({"nexthops": [{**VIA_A, "weight": 257}, VIA_C]}, ("nexthops[0].weight", "1 to 256")),
        ({"nexthops": [{"weight": 2}, VIA_C]}, ("nexthops[0]", "set dev or via")),
        ({"destination": SITE6, "nexthops": [{"dev": "va"}, VIA_C6]}, ("nexthops[0].dev", "set via too")),
        ({"destination": "10.6.0.0/16", "dev": "vc"}, ("destination", "twice")),
    ],
)
def test_bad_input_is_refused_before_anything_changes(
    router: ManagedHost, entry: dict[str, Any], words: tuple[str, ...]
) -> None:
    message = route_module(router, {"destination": "10.6.0.0/16", "dev": "va"}, {"destination": SITE, **entry}).failure
    assert all(word in message for word in ("routes[1]", *words)), message
    assert routes(router) == []


@pytest.mark.parametrize("table", ["0", "253", "254", "255", "local", "default", "4294967296", "-1", "nowhere"])
def test_tables_of_the_host_are_refused(router: ManagedHost, table: str) -> None:
    message = route_module(router, {"destination": SITE, "dev": "va"}, table=table).failure
    assert message.startswith("nothing was changed: table:") and table in message


def test_all_errors_are_reported_at_once(router: ManagedHost) -> None:
    message = route_module(router, {"destination": "x"}, {"destination": SITE, "dev": "no0"}, table="255").failure
    assert all(word in message for word in ("table", "routes[0].destination", "routes[1].dev"))


# The host's configuration, the route, and whether it would redirect packets to the controller.
MANAGEMENT = {
    "in a table that is asked": (f"ip rule add priority 100 lookup {TABLE}", {"dev": "vc"}, True),
    "in a table that is not asked": (":", {"dev": "vc"}, False),
    "to another network": (f"ip rule add priority 100 lookup {TABLE}", {"destination": SITE, "dev": "vc"}, False),
    "the same route": (f"ip rule add priority 100 lookup {TABLE}", {"dev": "eth0"}, False),
    "thrown back": (f"ip rule add priority 100 lookup {TABLE}", {"type": "throw"}, False),
    "behind main": (f"ip rule add priority 32800 lookup {TABLE}", {"dev": "vc"}, False),
    "for marked packets": (f"ip rule add priority 100 fwmark 1 lookup {TABLE}", {"dev": "vc"}, False),
    "refused": (f"ip rule add priority 100 lookup {TABLE}", {"type": "prohibit"}, True),
    "by another gateway": (f"ip rule add priority 100 lookup {TABLE}", {"via": "203.0.113.2"}, True),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("case", MANAGEMENT)
def test_route_never_cuts_the_management_connection(
    router: ManagedHost, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_CONNECTION", SSH)
    prepare, options, elsewhere = MANAGEMENT[case]
    router.shell(prepare)
    entry = {"destination": "192.0.2.0/24", **options}
    for check_mode in (True, False):
        result = route_module(router, entry, check_mode=check_mode)
        assert (result.rc != 0) == elsewhere, result.output
        if elsewhere:
            assert "allow_management_change" in result.failure and "192.0.2.99" in result.failure
            assert routes(router) == []
    assert route_module(router, entry, allow_management_change=True).changed == elsewhere
