# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""wg_info and overlay_prepare return what `wg`, `ip` and the files say, change nothing, and return no secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from host_state import observe, secrets_of
from managed_host import ManagedHost, ModuleResult, key
from mesh_lab import ping
from twelve_steps import Case, assert_no_secret, take_twelve_steps

KEY_FILE = "/etc/wireguard/wg0.key"
FACTS: dict[str, Any] = {"interface": "wg0", "userspace": True}
PEERS = [
    {"name": "alpha", "public_key": key("a"), "allowed_ips": ["10.42.0.2/32", "fd42::2/128"], "addresses": ["10.42.0.2"],
     "endpoint": "198.51.100.2:51820", "persistent_keepalive": 25},
    {"name": "beta", "public_key": key("b"), "allowed_ips": [], "endpoint": "[2001:db8:ffff::3]:1"},
    {"public_key": key("c"), "allowed_ips": ["10.77.0.0/16"]},
]  # fmt: skip
FIRST = {"listen_port": 51820, "fwmark": 0xCA6C, "mtu": 1400, "addresses": ["10.42.0.1/24", "fd42::1/64"]}


def create_interfaces(host: ManagedHost) -> None:
    for name, more in (("wg0", {**FIRST, "peers": PEERS}), ("wg1", {"listen_port": 51999})):
        host.make_key(name)
        made = host.apply(name=name, userspace=True, preshared_keys={key("a"): key("psk")}, **more)
        assert made.changed


def read(host: ManagedHost, module: str, **arguments: Any) -> ModuleResult:
    """Run a read-only module with and without check mode: equal results, no change, no secret."""
    before = observe(host)
    found = [host.module(module, check_mode=check_mode, **arguments) for check_mode in (True, False)]
    assert not any(result.changed for result in found)
    assert observe(host) == before
    assert found[0].data == found[1].data
    secrets = secrets_of(host)
    assert_no_secret(found, secrets | {key("psk")})
    return found[1]


def as_shown(host: ManagedHost) -> list[dict[str, Any]]:
    """Return all interfaces as in `wg show all dump`."""
    interfaces: dict[str, dict[str, Any]] = {}
    for line in host.run("wg", "show", "all", "dump").splitlines():
        fields = line.split("\t")
        if len(fields) == 5:
            name, _private_key, public_key, port, mark = fields
            mark_number = 0 if mark == "off" else int(mark, 0)
            shown = {"name": name, "public_key": public_key, "listen_port": int(port), "fwmark": mark_number}
            interfaces[name] = {**shown, "peers": {}}
            continue
        name, public_key, preshared_key, endpoint, allowed_ips, handshake, rx_bytes, tx_bytes, keepalive = fields
        interfaces[name]["peers"][public_key] = {
            "preshared_key": preshared_key != "(none)",
            "endpoint": endpoint.replace("(none)", ""),
            "allowed_ips": set(allowed_ips.replace("(none)", "").split(",")) - {""},
            "latest_handshake": int(handshake),
            "rx_bytes": int(rx_bytes),
            "tx_bytes": int(tx_bytes),
            "persistent_keepalive": int(keepalive.replace("off", "0")),
        }
    return [interfaces[name] for name in sorted(interfaces)]


def as_returned(result: ModuleResult) -> list[dict[str, Any]]:
    """Return the result of wg_info in the same form, without names of peers."""
    listed_by_wg_info = []
    for interface in result.data["interfaces"]:
        peers = {}
        for peer in interface["peers"]:
            facts = {name: value for name, value in peer.items() if name not in ("name", "public_key")}
            peers[peer["public_key"]] = {**facts, "allowed_ips": set(peer["allowed_ips"])}
        device = {name: value for name, value in interface.items() if name not in ("routes", "rules", "threaded_napi")}
        listed_by_wg_info.append({**device, "peers": peers})
    return listed_by_wg_info


def test_wg_info_equals_wg_show(host: ManagedHost) -> None:
    create_interfaces(host)
    # These peers do not answer; a keepalive that cannot be sent would still change counters.
    host.shell("ip link set wg0 down; ip link set wg1 down")
    everything = read(host, "wg_info")
    assert as_returned(everything) == as_shown(host)
    assert [len(interface["peers"]) for interface in everything.data["interfaces"]] == [3, 0]
    assert as_returned(read(host, "wg_info", interface="wg1")) == as_shown(host)[1:]
    names = {peer["public_key"]: peer["name"] for peer in everything.data["interfaces"][0]["peers"]}
    assert names == {key("a"): "alpha", key("b"): "beta", key("c"): ""}


def test_wg_info_counts_handshakes_and_bytes_as_wg_does(host: ManagedHost, other_host: ManagedHost) -> None:
    own = {}
    for each in (host, other_host):
        each.make_key()
        own[each.name] = each.shell("wg pubkey </etc/wireguard/wg0.key").strip()
    for each, peer, number in ((host, other_host, 1), (other_host, host, 2)):
        entry = {"public_key": own[peer.name], "allowed_ips": [f"10.42.0.{3 - number}/32"]}
        entry["endpoint"] = f"192.0.2.{13 - number}:51820"
        wanted = {"userspace": True, "listen_port": 51820, "addresses": [f"10.42.0.{number}/24"], "peers": [entry]}
        assert each.apply(**wanted).changed
    assert ping(host.lab, "h1", "10.42.0.2")
    listed_by_wg_info = as_returned(host.module("wg_info", interface="wg0"))
    assert listed_by_wg_info == as_shown(host)
    (returned_peer,) = listed_by_wg_info[0]["peers"].values()
    assert returned_peer["latest_handshake"] > 0 and returned_peer["rx_bytes"] > 0 and returned_peer["tx_bytes"] > 0


AROUND = """
ip route add 10.8.0.0/16 dev wg0 proto 99
ip route add default dev wg0 table 8888 metric 5 mtu 1300
ip -6 route add fd08::/32 dev wg0 table 8889
ip route add 10.9.0.0/16 table 8890 nexthop dev wg0 weight 2 nexthop dev eth0
ip route add throw 10.7.0.0/16 table 8888
ip rule add priority 8881 not fwmark 0x8888 lookup 8888
ip rule add priority 8882 lookup main suppress_prefixlength 0
ip -6 rule add priority 8883 lookup 8889 ipproto udp dport 53 from fd01::/16
ip rule add priority 8884 iif wg0 prohibit
ip rule add priority 8885 fwmark 0x8000/0xf000 goto 8886
ip rule add priority 8886 lookup 7777
"""
AROUND_GONE = """
for priority in 8881 8882 8884 8885 8886; do ip rule del priority $priority; done
ip -6 rule del priority 8883
for table in 8888 8890; do ip route flush table $table; done
ip -6 route flush table 8889
"""


def test_wg_info_returns_routes_and_rules_of_an_interface(host: ManagedHost) -> None:
    host.make_key()
    assert host.apply(userspace=True, fwmark="0x8888", addresses=["10.42.0.1/24"], peers=[]).changed
    host.shell(AROUND)
    (listed_by_wg_info,) = read(host, "wg_info", interface="wg0").data["interfaces"]
    # Link-local addresses appear asynchronously.
    listed = [route for route in listed_by_wg_info["routes"] if route["destination"] != "fe80::/64"]
    routes = {(route["table"], route["destination"]): route for route in listed}
    assert set(routes) == {
        *((254, net) for net in ("10.8.0.0/16", "10.42.0.0/24")),
        *((8888, "default"), (8889, "fd08::/32"), (8890, "10.9.0.0/16")),
    }, "all through wg0, and no other"
    assert [rule["priority"] for rule in listed_by_wg_info["rules"]] == [8881, 8884, 8885, 8883], (
        "all of wg0, and no other"
    )
    # The returned routes and rules, given as options, need no change.
    for table in (8888, 8889):
        entries = [{**entry} for (number, _to), entry in routes.items() if number == table]
        assert {entry.pop("table") for entry in entries} == {table} and {
            entry.pop("protocol") for entry in entries
        } == {3}
        family, words = AROUND_ROUTE[table]
        host.shell(f"ip {family} route flush table {table}; ip {family} route add {words} table {table} proto 87")
        assert not host.module("ip_route", table=str(table), routes=entries).changed
    for rule in listed_by_wg_info["rules"]:
        protocol = str(rule.pop("protocol"))
        assert protocol == "0"
        host.shell(f"ip -{rule['family'][-1]} rule del priority {rule['priority']}")
        made = host.module("ip_rule_fwmark", rules=[rule], protocol="static", tables=["8888", "8889"])
        assert made.changed
    again = read(host, "wg_info", interface="wg0").data["interfaces"][0]["rules"]
    assert [{**rule, "protocol": 4} for rule in listed_by_wg_info["rules"]] == again
    host.shell(AROUND_GONE)


AROUND_ROUTE = {
    8888: ("-4", "default dev wg0 metric 5 mtu 1300"),
    8889: ("-6", "fd08::/32 dev wg0"),
}


def test_wg_info_of_nothing_is_an_empty_list(host: ManagedHost) -> None:
    assert read(host, "wg_info").data["interfaces"] == []
    assert read(host, "wg_info", interface="wg0").data["interfaces"] == []


def test_wg_info_returns_wireguard_interfaces_only(host: ManagedHost) -> None:
    host.make_key()
    host.shell("ip link add wg5 type bridge")
    assert host.apply(userspace=True).changed
    assert [interface["name"] for interface in read(host, "wg_info").data["interfaces"]] == ["wg0"]


@pytest.mark.parametrize(
    "script",
    [f"rm {KEY_FILE}", f"chmod 644 {KEY_FILE}"],
    ids=["removed", "readable by all"],
)
def test_overlay_prepare_generates_a_key_in_twelve_steps(host: ManagedHost, script: str) -> None:
    take_twelve_steps(host, Case("overlay_prepare", FACTS, FACTS, None, manual_change=script))


def facts_of(result: ModuleResult) -> dict[str, Any]:
    return dict(result.data["ansible_facts"]["wirewright_overlay"])


def underlay(host: ManagedHost, family: str, address: str) -> dict[str, Any] | None:
    """Return interface, source address and MTU towards an address, as `ip` says."""
    shown = json.loads(host.run("ip", family, "-j", "route", "get", address, check=False) or "[]")
    if not shown:
        return None
    link = host.link(shown[0]["dev"])
    assert link is not None
    return {"interface": shown[0]["dev"], "address": shown[0]["prefsrc"], "mtu": link["mtu"]}


def test_overlay_prepare_returns_facts_of_the_host(host: ManagedHost, backend: str) -> None:
    create_interfaces(host)
    facts = facts_of(read(host, "overlay_prepare", **FACTS))
    assert facts["boot_id"] == host.run("cat", "/proc/sys/kernel/random/boot_id").strip()
    assert facts["kernel_wireguard"] is (backend == "kernel")
    assert facts["persistence"] == "none", "no systemd runs in a lab host"
    assert facts["missing"] == []
    assert facts["underlay"] == {
        "ipv4": underlay(host, "-4", "192.0.2.1"),
        "ipv6": underlay(host, "-6", "2001:db8:1::1") if facts["underlay"]["ipv6"] else None,
    }
    assert facts["underlay"]["ipv4"]["interface"] == "eth0"
    interfaces = facts["interfaces"]
    assert sorted(interfaces) == ["wg0", "wg1"]
    assert interfaces["wg0"]["public_key"] == host.run("wg", "show", "wg0", "public-key").strip()
    assert interfaces["wg0"]["addresses"] == FIRST["addresses"]
    cached_peers = [line.split("\t") for line in interfaces["wg0"]["peers"].splitlines()]
    assert [key("a"), "alpha", "10.42.0.2", "198.51.100.2:51820"] in cached_peers
    assert sorted(line[0] for line in cached_peers) == sorted(host.run("wg", "show", "wg0", "peers").split())
    with_sessions = facts_of(read(host, "overlay_prepare", **FACTS, sessions=["wg0", "wg7"]))["interfaces"]
    assert (with_sessions["wg0"]["sessions"], with_sessions["wg7"], "sessions" in with_sessions["wg1"]) == (
        "",
        {"sessions": ""},
        False,
    )


def test_overlay_prepare_without_a_key_changes_nothing_on_a_fresh_host(host: ManagedHost) -> None:
    facts = facts_of(read(host, "overlay_prepare", **FACTS, create_key=False))
    assert facts["interfaces"]["wg0"]["public_key"] is None
    assert host.shell("ls -A /etc/wireguard 2>/dev/null || :") == ""


def test_overlay_prepare_refuses_a_broken_key_without_quoting_it(host: ManagedHost) -> None:
    host.write(KEY_FILE, key("canary")[:-2])
    refused = host.module("overlay_prepare", **FACTS)
    assert KEY_FILE in refused.failure
    assert key("canary")[:-3] not in refused.output


@pytest.mark.parametrize("client", ["10.42.0.2", "fd42::2"])
def test_a_tunnel_of_the_collection_is_no_underlay(
    host: ManagedHost, monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    create_interfaces(host)
    known = facts_of(read(host, "overlay_prepare", **FACTS))["underlay"]
    assert underlay(host, "-4", "10.42.0.2") != known["ipv4"], "the client is reached through wg0"
    monkeypatch.setenv("SSH_CONNECTION", f"{client} 50000 {FIRST['addresses'][':' in client].partition('/')[0]} 22")
    assert facts_of(read(host, "overlay_prepare", **FACTS))["underlay"] == known
