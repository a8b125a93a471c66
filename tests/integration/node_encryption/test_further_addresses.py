# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Further addresses of nodes: one on lo and one of another network are encrypted; a VIP works wherever it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from encrypted_nodes import CLOSED, EncryptedNodes
from node_cluster import Node
from wire_capture import PLAIN_POD, WIREGUARD

ON_LO, VIP = "198.51.100.1", "10.0.0.50"


@pytest.mark.sampled(2)
@pytest.mark.both
@pytest.mark.long
@pytest.mark.parametrize("hosts", [False, True], ids=["pods", "hosts"])
def test_an_address_that_stays_is_encrypted(cluster: EncryptedNodes, hosts: bool, tmp_path: Path) -> None:
    n1, n2, _n3 = cluster.nodes
    n1.batch(f"addr add {ON_LO}/32 dev lo")
    n2.batch(f"route add {ON_LO}/32 via {n1.ipv4} proto 99")
    try:
        run = cluster.phased(host_encryption=hosts, **CLOSED)
        assert not any("_ips" in warning for warning in run.warnings)
        with cluster.captured(tmp_path / "wire.pcap") as wire:
            assert cluster.ping(n2.pod, ON_LO, count=1) == 1
            if hosts:
                assert cluster.ping(n2, ON_LO, count=1) == 1
            assert set(wire.kinds()) == {WIREGUARD}
    finally:
        n1.batch(f"addr del {ON_LO}/32 dev lo")


@pytest.mark.sampled(2)
@pytest.mark.both
@pytest.mark.long
@pytest.mark.parametrize("hosts", [False, True], ids=["pods", "hosts"])
def test_a_node_does_not_get_the_traffic_of_addresses_of_others(
    cluster: EncryptedNodes, hosts: bool, tmp_path: Path
) -> None:
    n1, n2, n3 = cluster.nodes
    claimed = [n1.ipv4, n1.ipv6, n2.pod.ipv4, n2.pod.ipv6, VIP, ON_LO]
    n1.batch(f"addr add {ON_LO}/32 dev lo", f"addr add {VIP}/32 dev eth0")
    n2.batch(f"route add {ON_LO}/32 via {n1.ipv4} proto 99")
    reported = {"n3": [f"{address}/{128 if ':' in address else 32}" for address in claimed]}
    try:
        variables = {"host_encryption": hosts, "virtual_ips": [VIP], **CLOSED}
        run = cluster.phased(per_host={"n1": {"further_ips": [ON_LO]}}, reported=reported, **variables)
        said = [line for line in run.warnings if line.startswith("host 'n3': node_encryption_further_ips: ")]
        assert len(said) == 5 and all("is not used as an address of this host" in line for line in said)
        allowed = n2.host.run("wg", "show", "kwg0", "allowed-ips").splitlines()
        assert not any(f"{n3.ipv4}/32" in line and f"{one}/" in line for line in allowed for one in claimed)
        with cluster.captured(tmp_path / "wire.pcap") as wire:
            for address in (n1.ipv4, n1.ipv6, VIP, ON_LO):
                assert cluster.ping(n2.pod, address, count=1) == cluster.ping(n2, address, count=1) == 1, address
            for address in (n2.pod.ipv4, n2.pod.ipv6):
                assert cluster.ping(n1.pod, address, count=1) == cluster.ping(n1, address, count=1) == 1, address
            assert not any(n3.ipv4 in (packet.source, packet.destination) for packet in wire.packets())
    finally:
        n1.batch(f"addr del {ON_LO}/32 dev lo", f"addr del {VIP}/32 dev eth0")


@pytest.mark.sampled(2)
@pytest.mark.both
@pytest.mark.long
@pytest.mark.parametrize("hosts", [False, True], ids=["pods", "hosts"])
def test_a_virtual_address_works_wherever_it_is(cluster: EncryptedNodes, hosts: bool, tmp_path: Path) -> None:
    n1, n2, n3 = cluster.nodes

    def moved(to: Node) -> None:
        for node in cluster.nodes:
            node.run("ip", "addr", "del", f"{VIP}/32", "dev", "eth0", check=False)
        to.batch(f"addr add {VIP}/32 dev eth0")
        for place in (*cluster.nodes, cluster.external):
            place.run("ip", "neigh", "flush", "to", VIP, check=False)

    try:
        moved(n1)
        warned = cluster.phased(host_encryption=hosts, **CLOSED).warnings
        assert any(f"further_ips: {VIP} on eth0 may move" in warning for warning in warned)
        cluster.phased(host_encryption=hosts, virtual_ips=[VIP], **CLOSED)
        for holder in (n1, n2):
            moved(holder)
            for source in (n1, n1.pod, n2, n2.pod, n3, n3.pod):
                assert cluster.ping(source, VIP, count=1) == 1, f"{source.netns} to {holder.name}"
        with cluster.captured(tmp_path / "wire.pcap") as wire:
            assert cluster.ping(n1.pod, n3.pod.ipv4, count=1) == 1
            assert wire.kinds()[PLAIN_POD] == 0, "other traffic stays encrypted"
    finally:
        for node in cluster.nodes:
            node.run("ip", "addr", "del", f"{VIP}/32", "dev", "eth0", check=False)
