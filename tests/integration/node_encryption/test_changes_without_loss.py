# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roll-out, rotation, a limited run and teardown, with a dead node and a virtual IP: no ping at 20 per second is lost."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from encrypted_nodes import MODES, EncryptedNodes
from pinged_nodes import lost, pings_of
from wire_capture import PLAIN_HOST, PLAIN_POD

VIP = "10.0.0.50"


@pytest.mark.slow
@pytest.mark.both
@pytest.mark.long
@pytest.mark.parametrize("mode", [*reversed(MODES)])
def test_changes_lose_no_ping(cluster: EncryptedNodes, tmp_path: Path, mode: str) -> None:
    n1, n2, n3 = cluster.nodes
    wanted = {**MODES[mode], "virtual_ips": [VIP]}
    n2.batch(f"addr add {VIP}/32 dev eth0")
    ways = {"pod to VIP": n1.pod, "node to VIP": n1, "pod to VIP, own": n2.pod}
    try:
        with pings_of(cluster, interval=0.05) as between, ExitStack() as stack:
            pings = {
                **between,
                **{
                    way: stack.enter_context(cluster.steady_ping(place, VIP, interval=0.05))
                    for way, place in ways.items()
                },
            }
            assert any("n3" in line for line in cluster.phased(dead=[n3], **wanted).warnings)
            assert lost(pings) == {}, "roll-out with a dead node"
            cluster.phased(**wanted)
            assert lost(pings) == {}, "roll-out"
            with cluster.captured(tmp_path / "wire.pcap") as wire:
                cluster.phased(rotate=True, **wanted)
                assert lost(pings) == {}, "key rotation"
                for packet in wire.packets():
                    if VIP not in (packet.source, packet.destination):
                        assert packet.kind != PLAIN_POD and ("host" not in mode or packet.kind != PLAIN_HOST), packet
            for nodes in ([n1], [n2, n3]):
                cluster.phased(limit=nodes, persistent_keepalive=20 + len(nodes), **wanted)
                assert lost(pings) == {}, "limited run"
            cluster.phased(dead=[n3], persistent_keepalive=25, **wanted)
            assert lost(pings) == {}, "run with a dead node"
            # The dead node continues to send encrypted packets, which the others no longer accept.
            pings.pop("of others")
            cluster.phased(dead=[n3], state="absent", **wanted)
            assert lost(pings) == {}, "teardown with a dead node"
            cluster.phased(state="absent", **wanted)
            assert lost(pings) == {}, "teardown"
            cluster.phased(**wanted)
            cluster.phased(state="absent", **wanted)
            assert lost(pings) == {}, "teardown of all nodes"
            assert cluster.ping(n2.pod, n3.pod.ipv4) == 3
    finally:
        n2.run("ip", "addr", "del", f"{VIP}/32", "dev", "eth0", check=False)
