# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An underlay of jumbo frames: the device has the largest MTU that they allow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from encrypted_nodes import CLOSED, EncryptedNodes
from wire_capture import WIREGUARD

UNDERLAY = 9001


@pytest.fixture(scope="module")
def built(backend: str) -> Iterator[EncryptedNodes]:
    with EncryptedNodes(userspace=backend == "userspace", nodes=2, mtu=UNDERLAY) as cluster:
        yield cluster


@pytest.mark.both
@pytest.mark.long
@pytest.mark.parametrize(("family", "size"), [("ipv4", 8941), ("ipv6", 8921)])
def test_largest_packet_passes_whole(cluster: EncryptedNodes, tmp_path: Path, family: str, size: int) -> None:
    n1, n2 = cluster.nodes
    cluster.phased(endpoint_family=family, **CLOSED)
    assert (n1.host.link("kwg0") or {})["mtu"] == size
    with cluster.captured(tmp_path / "wire.pcap") as wire:
        for address, headers in ((n2.pod.ipv4, 28), (n2.pod.ipv6, 48)):
            assert cluster.ping(n1.pod, address, "-M", "do", "-s", str(size - headers)) == 3
            assert cluster.ping(n1.pod, address, "-M", "do", "-s", str(size + 1 - headers), wait=1) == 0
            assert f"mtu {size}" in n1.pod.run("ip", "route", "get", address), "the pod has the path MTU"
        packets = wire.packets()
    assert {packet.kind for packet in packets} == {WIREGUARD}
    assert {":" in packet.source for packet in packets} == {family == "ipv6"}
    assert max(packet.length for packet in packets) == UNDERLAY
    assert not any(packet.more_fragments for packet in packets)
