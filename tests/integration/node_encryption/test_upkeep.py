# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manual changes are reverted, and a boot restores the state and drops plaintext before the tunnel exists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._fib import boot_files as fib
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables import boot_files as packet_filter
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import host_document
from encrypted_nodes import CLOSED, EncryptedNodes
from managed_host import wait_until
from node_cluster import Node
from wire_capture import PLAIN_POD, WIREGUARD

# One object each, deleted, changed or added.
DRIFT = {
    "a route": "ip route del 10.244.2.0/24 table 7100",
    "a route of pods to a node": "ip -6 route del fd00::2 dev kwg0 table 7101",
    "a blackhole": "ip route del blackhole 10.244.2.0/24 metric 65535 table 7100",
    "a route too many": "ip route add 10.244.77.0/24 dev kwg0 table 7100 proto 87",
    "another source": "ip route replace 10.244.2.0/24 dev kwg0 table 7100 proto 87",
    "the rule": "ip rule del pref 99",
    "the rule of pods": "ip -6 rule del pref 98",
    "a rule too many": "ip rule add pref 98 fwmark 0x7 lookup 7100 protocol kernel",
    "a peer": "wg set kwg0 peer $(wg show kwg0 peers | head -1) remove",
    "an allowed IP": "wg set kwg0 peer $(wg show kwg0 peers | head -1) allowed-ips 10.244.99.0/24",
    "the mark": "wg set kwg0 fwmark 0",
    "an address": "ip addr del 10.244.1.0/32 dev kwg0",
    "the size": "ip link set kwg0 mtu 1400",
    "the source check": "echo 1 >/proc/sys/net/ipv4/conf/kwg0/rp_filter",
    "a chain": "nft flush chain inet wirewright_overlay $(nft list table inet wirewright_overlay"
    " | sed -n 's/.*chain \\(.*drop_egress.*\\) {/\\1/p')",
    "a rule of nftables too many": "nft insert rule inet wirewright_overlay $(nft list table inet wirewright_overlay"
    " | sed -n 's/.*chain \\(.*drop_ingress.*\\) {/\\1/p') accept",
}
# What udev does for a new interface (99-systemd.rules).
UDEV = "grep -h /kwg0/ /etc/sysctl.d/90-wirewright-kwg0.conf | sysctl -q -p -"


def state(node: Node) -> dict[str, Any]:
    """Return a node's state from other programs, without keys and counters."""
    listed = node.host.run("nft", "-s", "list", "table", "inet", "wirewright_overlay")
    parts = [part.splitlines() for part in node.host.run("wg", "showconf", "kwg0").split("\n\n")]
    found: dict[str, Any] = {
        "wg": sorted(
            sorted(sorted(re.split(r"[,\s]+", line)) for line in part if "PrivateKey" not in line) for part in parts
        ),
        "nft": sorted(chain.strip(" \n}\t") for chain in listed.split("\tchain ")),
        "address": sorted(node.host.addresses("kwg0")),
        "mtu": (node.host.link("kwg0") or {})["mtu"],
        "rp_filter": node.host.run("cat", "/proc/sys/net/ipv4/conf/kwg0/rp_filter"),
    }
    for family in ("-4", "-6"):
        found["rules", family] = sorted(node.run("ip", "-N", "-d", family, "rule").splitlines())
        for table in ("7100", "7101"):
            listed = node.run("ip", "-N", family, "route", "show", "table", table)
            found[table, family] = sorted(line.split() for line in listed.splitlines())
    return found


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {name: (value, after[name]) for name, value in before.items() if after[name] != value}


@pytest.mark.slow
@pytest.mark.both
@pytest.mark.long
def test_manual_changes_are_reverted(cluster: EncryptedNodes) -> None:
    n1 = cluster.nodes[0]
    plan = cluster.phased(**CLOSED).plan
    assert not any(cluster.phased(**CLOSED).changed.values()), "a second run has nothing to do"
    document = host_document(plan, "n1")
    # Rules of others at our priorities, with our protocol.
    for family in ("-4", "-6"):
        n1.run(
            "ip", family, "rule", "add", "pref", "98", "fwmark", "0x2000/0x2000", "lookup", "main", "protocol", "kernel"
        )
        n1.run("ip", family, "rule", "add", "pref", "97", "fwmark", "0x40/0x40", "unreachable", "protocol", "kernel")
    before = state(n1)
    for what, command in DRIFT.items():
        n1.host.shell(command)
        assert differences(before, state(n1)), f"{what}: the test changes nothing"
        assert n1.apply(**document).changed, what
        assert differences(before, state(n1)) == {}, what
        assert not n1.apply(check_mode=True, **document).changed, what


@pytest.mark.both
@pytest.mark.long
def test_boot_restores_the_state_and_drops_plaintext_first(cluster: EncryptedNodes, tmp_path: Path) -> None:
    n1, n2, _n3 = cluster.nodes
    cluster.phased(persistence="wg_quick", **CLOSED)
    assert cluster.ping(n1.pod, n2.pod.ipv4, count=1) == 1
    before = state(n1)
    n1.host.shell(
        "ip link del kwg0; nft flush ruleset; "
        "for family in -4 -6; do for pref in 97 97 98 98 98 98 99; do ip $family rule del pref $pref 2>/dev/null || :; done; "
        "ip $family route flush table 7100; ip $family route flush table 7101; done; rm -rf /run/wirewright.overlay"
    )
    wait_until(lambda: not n1.host.daemons(), "wireguard-go has ended")
    with cluster.captured(tmp_path / "wire.pcap") as wire:
        n1.host.shell(packet_filter.LOAD)
        n1.pod.send_unanswered(n2.pod.ipv4)
        n1.pod.send_unanswered(n2.ipv4)
        n1.send_unanswered(n2.pod.ipv6)
        assert wire.kinds()[PLAIN_POD] == 0, "nftables alone"
        for load in fib.LOADS:
            n1.host.shell(load)
        n1.pod.send_unanswered(n2.pod.ipv4)
        n1.pod.send_unanswered(n2.ipv6)
        assert wire.kinds()[PLAIN_POD] == 0, "with rules and routes without a device"
        n1.host.shell("wg-quick up kwg0 </dev/null >/run/wg-quick.log 2>&1 || { cat /run/wg-quick.log; exit 1; }")
        n1.host.shell(UDEV)
        wait_until(lambda: cluster.ping(n1.pod, n2.pod.ipv4, count=1, wait=1) == 1, "encrypted again")
        assert cluster.ping(n2.pod, n1.pod.ipv6, count=1) == cluster.ping(n1.pod, n2.ipv4, count=1) == 1
        kinds = wire.kinds()
        assert kinds[PLAIN_POD] == 0 and kinds[WIREGUARD] > 0
    assert differences(before, state(n1)) == {}
    assert cluster.phased(persistence="wg_quick", **CLOSED).changed["n1"] is False
