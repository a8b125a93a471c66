# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to cut a management connection, over the underlay and over the overlay: refused, harmless, or for the guard."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from host_state import observe
from managed_host import ManagedHost
from test_management_guard import (
    BLOCKED,
    CONTROLLER,
    DROPPED,
    GONE,
    KEY_FILE,
    NOWHERE,
    OTHER_KEY,
    OUTER,
    PEERS,
    WG0_FULL,
    A,
    B,
    key,
)

# What a run does about a cut: it refuses it, the connection goes on, or the controller finds out (confirm_timeout).
REFUSED, HARMLESS, GUARD = "refused", "harmless", "left to the guard"
REASONS = ("allow_management_change", "inside 192.0.2.50/32, which would be rou")
BLOCKED_IN = [{"dir": "in", "src": OUTER, "dst": "0.0.0.0/0", "action": "block"}]
REQUIRED = [{"dir": "out", "src": "0.0.0.0/0", "dst": OUTER, "templates": [{"proto": "esp", "mode": "transport"}]}]
DEFAULT = {"ip_routes": [{"table": 201, "routes": [{"destination": "0.0.0.0/0", "dev": "wg0"}]}]}
ALL_INTO_WG0 = {**DEFAULT, "ip_rules": {"rules": [{"priority": 7000, "table": 201}]}}


class Cut(NamedTuple):
    """A way to cut the connection. underlay, overlay: what a run does where the connection goes there."""

    module: str
    options: dict[str, Any]
    underlay: str
    overlay: str


def interface(**options: Any) -> dict[str, Any]:
    return {"interface": "wg0", **options}


def peers(*entries: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"interface": "wg0", "peers": list(entries), **options}


def document(**options: Any) -> dict[str, Any]:
    return {"interfaces": [{**WG0_FULL, **options}]}


CUTS = {
    "interface absent": Cut("wg_interface", interface(state="absent"), HARMLESS, REFUSED),
    "interface down": Cut("wg_interface", interface(up=False), HARMLESS, REFUSED),
    "interface of a document absent": Cut("overlay_apply", GONE, HARMLESS, REFUSED),
    "another address": Cut("wg_interface", interface(addresses=["10.42.0.9/24"]), HARMLESS, REFUSED),
    "no address": Cut("wg_interface", interface(addresses=[]), HARMLESS, REFUSED),
    "network on the link": Cut("overlay_apply", document(addresses=["10.42.0.1/24", f"{OUTER[:-2]}1/25"]), REFUSED, REFUSED),
    "another private key": Cut("wg_interface", interface(private_key_file=OTHER_KEY), HARMLESS, REFUSED),
    "another port": Cut("wg_interface", interface(listen_port=51999), HARMLESS, GUARD),
    "peers purged": Cut("wg_peer", peers(purge=True), HARMLESS, REFUSED),
    "peer absent": Cut("wg_peer", peers({"public_key": A, "state": "absent"}), HARMLESS, REFUSED),
    "peer of a document absent": Cut("overlay_apply", document(peers=PEERS[1:], purge=True), HARMLESS, REFUSED),
    "allowed IP of another peer": Cut(
        "wg_peer", peers({"public_key": B, "allowed_ips": [f"{CONTROLLER}/32"]}), HARMLESS, REFUSED
    ),
    "no allowed IPs": Cut("wg_peer", peers({"public_key": A, "allowed_ips": []}), HARMLESS, REFUSED),
    "another preshared key": Cut("wg_peer", peers({"public_key": A, "preshared_key": key("psk")}), HARMLESS, REFUSED),
    "another endpoint": Cut("wg_peer", peers({"public_key": A, "endpoint": "198.51.100.9:51820"}), HARMLESS, GUARD),
    "allowed IPs with the client": Cut(
        "overlay_apply",
        document(routes=True, peers=[*PEERS, {"public_key": key("c"), "allowed_ips": [f"{OUTER}/32"]}]),
        REFUSED,
        REFUSED,
    ),
    "route": Cut("ip_route", NOWHERE, REFUSED, REFUSED),
    "route of a document": Cut("overlay_apply", {"ip_routes": [NOWHERE]}, REFUSED, REFUSED),
    "rule": Cut("ip_rule_fwmark", {"rules": [{"priority": 7000, "to": OUTER, "action": "blackhole"}]}, REFUSED, REFUSED),
    "default route by a rule of a document": Cut("overlay_apply", ALL_INTO_WG0, REFUSED, REFUSED),
    "policy that blocks replies": Cut("xfrm_policy", {"policies": BLOCKED}, REFUSED, REFUSED),
    "policy that blocks what comes": Cut("xfrm_policy", {"policies": BLOCKED_IN}, REFUSED, REFUSED),
    "policy without a state": Cut("overlay_apply", {"xfrm_policies": {"policies": REQUIRED}}, REFUSED, REFUSED),
    "packet filter": Cut("overlay_apply", {"nftables": {"wg0": {"drop_plaintext": DROPPED}}}, REFUSED, REFUSED),
    "kernel parameter": Cut(
        "overlay_apply", {"temporary_sysctls": {"net.ipv4.conf.all.arp_ignore": 8}}, REFUSED, REFUSED
    ),
}  # fmt: skip


@pytest.fixture
def tunnelled(host: ManagedHost) -> ManagedHost:
    host.make_key()
    assert host.module("wg_key", path=OTHER_KEY).changed
    assert host.module("overlay_apply", interfaces=[WG0_FULL]).changed
    return host


def path_to_client(host: ManagedHost) -> str:
    """Return the route to the client, and the policies and filters that its packets pass."""
    return host.shell(f"ip route get {OUTER} | head -1; ip xfrm policy; nft list ruleset; ip rule")


@pytest.mark.parametrize("side", ["underlay", "overlay"])
def test_each_way_to_cut_the_management_connection(
    tunnelled: ManagedHost, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    assert len(CUTS) >= 23
    own = tunnelled.shell("ip -4 -o addr show eth0").split()[3].partition("/")[0]
    connection = {"underlay": f"{OUTER} 50000 {own} 22", "overlay": f"{CONTROLLER} 50000 10.42.0.1 22"}[side]
    before, route = observe(tunnelled), path_to_client(tunnelled)
    for name, cut in CUTS.items():
        monkeypatch.setenv("SSH_CONNECTION", connection)
        result = tunnelled.module(cut.module, **cut.options)
        expected = getattr(cut, side)
        if expected == REFUSED:
            assert any(text in result.failure for text in REASONS), (side, name, result.output)
            assert observe(tunnelled) == before, (side, name)
            continue
        assert result.changed, (side, name)
        assert expected == GUARD or path_to_client(tunnelled) == route, (side, name)
        monkeypatch.delenv("SSH_CONNECTION")
        restored = {**WG0_FULL, "listen_port": 51820, "private_key_file": KEY_FILE, "purge": True}
        tunnelled.module("overlay_apply", interfaces=[restored])
        before = observe(tunnelled)
