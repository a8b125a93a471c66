# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""overlay_apply with rules, routes and policies beside interfaces: twelve steps, the order, and refusals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from host_state import observe
from managed_host import ManagedHost, key
from twelve_steps import Case, take_twelve_steps

CLEAN = """
for family in -4 -6; do
    for priority in 8880 8881; do while ip $family rule del priority $priority 2>/dev/null; do :; done; done
    for table in 8888 8889; do ip $family route flush table $table 2>/dev/null || :; done
done
ip xfrm policy flush
nft flush ruleset
"""
KEYS = (("wg_key", {"path": "/etc/wireguard/wg0.key"}),)
EVERYTHING = {"public_key": key("a"), "endpoint": "192.0.2.50:51820", "allowed_ips": ["0.0.0.0/0", "::/0"]}
WG0: dict[str, Any] = {
    "name": "wg0",
    "userspace": True,
    "fwmark": "0x8888",
    "addresses": ["10.42.0.1/24", "fd42::1/64"],
    "routes": False,
    "peers": [EVERYTHING],
}
DEFAULTS = [{"destination": "default", "dev": "wg0"}, {"destination": "default", "family": "ipv6", "dev": "wg0"}]
THROWN = {"destination": "10.9.0.0/16", "type": "throw"}
OURS = {"priorities": "8880-8889", "tables": ["8888", "8889"], "purge": True}
INTO_TABLE = {"priority": 8881, "fwmark": "0x100/0x100", "table": "8888", "family": "both"}
PAST_DEFAULT = {"priority": 8880, "table": "main", "suppress_prefixlength": 0}
BLOCKED = {"dir": "out", "dst": "10.66.0.0/16", "action": "block", "priority": 9}
TUNNEL = {
    "dir": "out",
    "src": "10.1.0.0/16",
    "dst": "10.2.0.0/16",
    "templates": [{"src": "192.0.2.1", "dst": "192.0.2.2"}],
}


def tables(*routes: dict[str, Any], number: str = "8888") -> list[dict[str, Any]]:
    return [{"table": number, "purge": True, "routes": list(routes)}]


def rules(*listed: dict[str, Any]) -> dict[str, Any]:
    return {**OURS, "rules": list(listed)}


HUB = {"forward": [{"iif": "wg0", "oif": "wg0"}], "masquerade": [{"source": "10.42.0.0/24"}], "clamp_mss": True}
FULL: dict[str, Any] = {
    "interfaces": [WG0],
    "nftables": {"wg0": HUB},
    "ip_routes": tables(*DEFAULTS, THROWN),
    "ip_rules": rules(INTO_TABLE, PAST_DEFAULT),
    "xfrm_policies": {"purge": True, "policies": [TUNNEL]},
}
GONE: dict[str, Any] = {
    "interfaces": [{"name": "wg0", "state": "absent"}],
    "ip_routes": tables(),
    "ip_rules": rules(),
    "xfrm_policies": {"purge": True, "policies": []},
}

# The first and the second wanted state.
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a route": (FULL, {**FULL, "ip_routes": tables(*DEFAULTS)}),
    "another table": (
        FULL,
        {
            **FULL,
            "ip_routes": [*tables(), *tables(*DEFAULTS, number="8889")],
            "ip_rules": rules({**INTO_TABLE, "table": "8889"}),
        },
    ),
    "a rule": (FULL, {**FULL, "ip_rules": rules(INTO_TABLE)}),
    "a policy": (FULL, {**FULL, "xfrm_policies": {"purge": True, "policies": [{**TUNNEL, "priority": 5}]}}),
    "what is forwarded": (FULL, {**FULL, "nftables": {"wg0": {"isolate": True, "clamp_mss": True}}}),
    "packet filter, with files for the next boot": (
        {"interfaces": [{**WG0, "persistence": "wg_quick"}]},
        {"interfaces": [{**WG0, "persistence": "wg_quick"}], "nftables": {"wg0": HUB}},
    ),
    "boot method, which the packet filter follows": (
        {"interfaces": [{**WG0, "persistence": "wg_quick"}], "nftables": {"wg0": HUB}},
        {"interfaces": [WG0], "nftables": {"wg0": HUB}},
    ),
    "tables and rules, with files for the next boot": (
        {**FULL, "interfaces": [{**WG0, "persistence": "wg_quick"}], "ip_routes": tables(THROWN)},
        {**FULL, "interfaces": [{**WG0, "persistence": "networkd"}], "ip_rules": rules(PAST_DEFAULT)},
    ),
    "an interface alone": (FULL, {**FULL, "interfaces": [{**WG0, "mtu": 1300}]}),
    "from one of each to none but the interface": (FULL, {**GONE, "interfaces": [WG0], "nftables": {"wg0": {}}}),
    "everything beside the interface": (
        {"interfaces": [WG0]},
        {**FULL, "xfrm_policies": {"policies": [TUNNEL]}},
    ),
}


@pytest.fixture(autouse=True)
def clean(host: ManagedHost) -> Iterator[None]:
    host.shell(CLEAN)
    yield
    host.shell(CLEAN)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("change", CHANGES)
def test_host_takes_twelve_steps(host: ManagedHost, change: str) -> None:
    first, then = CHANGES[change]
    take_twelve_steps(host, Case("overlay_apply", first, then, GONE, given=KEYS))
    assert host.link() is None
    assert host.shell("ip rule | grep -c . ; ip xfrm policy; ip -4 route show table 8888 2>&1 || :").split()[0] == "3"


def test_results_count_by_kind_and_table(host: ManagedHost) -> None:
    host.make_key()
    done = host.module("overlay_apply", **FULL).data
    assert done["ip_routes"] == {"8888": {"created": 3, "updated": 0, "deleted": 0, "requests": 3}}
    assert done["ip_rules"] == {"created": 3, "updated": 0, "deleted": 0, "requests": 3}
    assert done["xfrm_policies"] == {"created": 1, "updated": 0, "deleted": 0, "requests": 1}
    assert done["nftables"] == {"created": 3, "updated": 0, "deleted": 0, "requests": 1}
    changed = {found["after_header"] for found in done["diff"] if found["after"]}
    sections = {"wg0", "nftables", "ip routes of table 8888", "ip rules", "xfrm policies"}
    assert {name for name in changed if not name.startswith("/")} == sections


@pytest.mark.slow
def test_tables_are_created_before_rules_and_deleted_after_them(host: ManagedHost) -> None:
    """A rule must never point at a table without routes: its packets would leave unencrypted."""
    host.make_key()
    assert host.module("overlay_apply", interfaces=[WG0]).changed  # not traced: it leaves a daemon
    for arguments, order in ((FULL, ["route", "rule", "policy"]), (GONE, ["policy", "rule", "route"])):
        result, trace = host.traced_module("overlay_apply", "sendto,sendmsg", **arguments)
        assert result.changed
        sent = re.findall(r"nlmsg_type=(RTM_(?:NEW|DEL)(?:ROUTE|RULE)|XFRM_MSG_(?:NEW|DEL)POLICY)", trace)
        kinds = list(dict.fromkeys(re.sub(r".*(ROUTE|RULE|POLICY)", r"\1", kind).lower() for kind in sent))
        assert kinds == order, sent


@pytest.mark.slow
def test_the_packet_filter_is_in_place_as_long_as_the_interface(host: ManagedHost) -> None:
    """Isolation is applied before the interface has an address, and removed after the interface."""
    host.make_key()
    bare = {"name": "wg0", "userspace": True}
    assert host.module("overlay_apply", interfaces=[bare]).changed
    isolated = {"interfaces": [{**bare, "addresses": ["10.42.0.1/24"]}], "nftables": {"wg0": {"isolate": True}}}
    gone = {"interfaces": [{"name": "wg0", "state": "absent"}]}
    # strace does not decode messages on a socket whose creation it has not traced.
    words = {"RTM_NEWADDR": "address", "0x14": "address", "RTM_DELLINK": "link", "0x11": "link", 'nft", "-f"': "filter"}
    for arguments, order in ((isolated, ["filter", "address"]), (gone, ["link", "filter"])):
        _result, trace = host.traced_module("overlay_apply", "execve,sendto,sendmsg", **arguments)
        seen = re.findall(r'nft", "-f"|(?<=nlmsg_type=)(?:RTM_NEWADDR|0x14|RTM_DELLINK|0x11)\b', trace)
        assert list(dict.fromkeys(words[word] for word in seen)) == order


def test_all_errors_of_all_kinds_are_reported_at_once_without_a_change(host: ManagedHost) -> None:
    host.make_key()
    before = observe(host)
    wrong: dict[str, Any] = {
        "interfaces": [{**WG0, "listen_port": 70000}],
        "ip_routes": [
            {"table": "8888", "routes": [{"destination": "10.0.0.5/8", "dev": "wg0"}]},
            {"table": "8888", "routes": [{"destination": "10.0.0.0/8", "dev": "nowhere"}]},
            {"table": "8889", "color": "red"},
        ],
        "ip_rules": rules({"priority": 0, "table": "8888"}),
        "nftables": {"wg0": {"isolate": "perhaps"}},
        "xfrm_states": {"states": [{"dst": "192.0.2.2", "spi": 7, "aead": {"algorithm": "gcm(aes)", "key_name": "x"}}]},
        "xfrm_policies": {"policies": [{"dir": "sideways"}]},
    }
    errors = host.module("overlay_apply", **wrong).data["errors"]
    for start in (
        "interfaces[0] (wg0).listen_port: 70000",
        "ip_routes[0].routes[0].destination",
        "ip_routes[1].routes[0].dev: 'nowhere'",
        "ip_routes[2]: unsupported: color",
        "ip_rules.rules[0].priority: 0",
        "nftables.wg0.isolate: 'perhaps'",
        "xfrm_states.states[0].aead.key_name: 'x' is not in xfrm_keys",
        "xfrm_policies: value of dir must be one of",
    ):
        assert any(error.startswith(start) for error in errors), (start, errors)
    assert observe(host) == before


def test_a_refused_policy_prevents_all_changes(host: ManagedHost) -> None:
    host.make_key()
    host.shell(
        "ip xfrm policy add dir out src 0.0.0.0/0 dst 10.66.0.0/16 tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 5 mode tunnel"
    )
    before = observe(host)
    failed = host.module("overlay_apply", **{**FULL, "xfrm_policies": {"policies": [BLOCKED]}})
    assert failed.failure.startswith("nothing was changed: ") and "reqid 5" in failed.failure
    assert observe(host) == before


def test_a_table_that_is_listed_twice_is_refused(host: ManagedHost) -> None:
    twice = host.module("overlay_apply", ip_routes=[*tables(), *tables(THROWN)])
    assert "ip_routes[1].table: 8888 is listed twice" in twice.failure


CONTROLLER = "203.0.113.9"
SSH = f"{CONTROLLER} 50000 192.0.2.11 22"


@pytest.fixture
def reached(host: ManagedHost, monkeypatch: pytest.MonkeyPatch) -> ManagedHost:
    """The host, as if the controller connected through its default route."""
    host.make_key()
    address = re.search(r"inet ([\d.]+)/", host.shell("ip -4 addr show dev eth0 scope global"))
    assert address
    host.shell(f"ip route add default via {address[1].rpartition('.')[0]}.250 dev eth0 proto 99")
    monkeypatch.setenv("SSH_CONNECTION", f"{CONTROLLER} 50000 {address[1]} 22")
    return host


CUTS: dict[str, dict[str, Any]] = {
    "an overlay network": {"interfaces": [{**WG0, "addresses": ["203.0.113.1/24"]}]},
    "a network behind a peer": {
        "interfaces": [{**WG0, "routes": True, "peers": [{**EVERYTHING, "allowed_ips": ["203.0.113.0/25"]}]}]
    },
    "a rule and the table it leads to": {**FULL, "ip_rules": rules({**INTO_TABLE, "fwmark": "0/0x1"})},
    "a network that is closed to plain text": {
        "interfaces": [WG0],
        "nftables": {"wg0": {"drop_plaintext": {"directions": ["in"], "networks": ["203.0.113.0/24"]}}},
    },
    "a policy": {"xfrm_policies": {"policies": [{**BLOCKED, "dst": f"{CONTROLLER}/32"}]}},
}


@pytest.mark.parametrize("cut", CUTS)
def test_an_overlay_over_the_management_connection_is_refused(reached: ManagedHost, cut: str) -> None:
    before = observe(reached)
    failure = reached.module("overlay_apply", **CUTS[cut]).failure
    assert CONTROLLER in failure and "allow_management_change" in failure
    assert observe(reached) == before
    assert reached.module("overlay_apply", **CUTS[cut], allow_management_change=True).changed
    assert reached.module("overlay_apply", **GONE, allow_management_change=True).rc == 0


def test_interface_of_the_management_connection_is_not_removed(reached: ManagedHost) -> None:
    through = {"interfaces": [{**WG0, "addresses": ["203.0.113.1/24"]}]}
    assert reached.module("overlay_apply", **through, allow_management_change=True).changed
    assert "would go via" in reached.module("overlay_apply", **GONE).failure
    assert reached.link() is not None
    assert reached.module("overlay_apply", **GONE, allow_management_change=True).changed


def test_a_full_tunnel_that_exempts_the_management_connection_is_accepted(reached: ManagedHost) -> None:
    exempt = {"priority": 8880, "to": f"{CONTROLLER}/32", "table": "main"}
    assert reached.module(
        "overlay_apply", **{**FULL, "ip_rules": rules(exempt, {"priority": 8881, "table": "8888"})}
    ).changed
    assert "eth0" in reached.shell(f"ip route get {CONTROLLER}") and "wg0" in reached.shell("ip route get 198.51.100.9")
    assert reached.module("overlay_apply", **GONE).rc == 0
