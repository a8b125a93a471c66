# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that stopped in the phase send, and runs of some nodes after it: nothing is lost, closed or opened."""

from __future__ import annotations

from pathlib import Path

import pytest
from encrypted_nodes import CLOSED, MODES, EncryptedNodes
from phased_run import Stopped, stop
from pinged_nodes import lost, pings_of
from wire_capture import PLAIN_HOST, PLAIN_POD, WIREGUARD

RP_FILTER = "/proc/sys/net/ipv4/conf/eth0/rp_filter"


@pytest.mark.slow
@pytest.mark.both
@pytest.mark.long
@pytest.mark.parametrize("mode", [*reversed(MODES)])
def test_runs_of_some_nodes_after_a_roll_out_that_stopped(cluster: EncryptedNodes, tmp_path: Path, mode: str) -> None:
    n1, n2, n3 = cluster.nodes
    wanted = MODES[mode]
    with pings_of(cluster, interval=0.05) as pings:
        with pytest.raises(Stopped):
            cluster.phased(after_send=stop, **wanted)
        assert lost(pings) == {}, "n1 sends encrypted packets, n2 and n3 do not"
        # First those that were not switched over, then the one that was: the others send it plaintext.
        for nodes in ([n2], [n1], [n1], [n2, n3], [n1]):
            cluster.phased(limit=nodes, **wanted)
            assert lost(pings) == {}, f"run of {[node.name for node in nodes]}"
        assert not any(cluster.phased(limit=[n1], **wanted).changed.values()), "a run without changes"
        assert n1.host.shell(f"cat {RP_FILTER}").strip() == "2", "plaintext of n2 still arrives"
        cluster.phased(**wanted)
        with cluster.captured(tmp_path / "wire.pcap") as wire:
            assert lost(pings) == {}, "run of all nodes"
            kinds = set(wire.kinds())
        assert WIREGUARD in kinds and PLAIN_POD not in kinds
        assert (PLAIN_HOST in kinds) is (wanted.get("host_encryption") is None)
        assert n1.host.shell(f"cat {RP_FILTER}").strip() == "1"
        assert not any(cluster.phased(**wanted).changed.values())


@pytest.mark.slow
@pytest.mark.both
@pytest.mark.long
@pytest.mark.parametrize("hosts", [False, True], ids=["pods", "hosts"])
def test_a_node_that_joins_a_strict_cluster_in_a_run_that_stopped(
    cluster: EncryptedNodes, tmp_path: Path, hosts: bool
) -> None:
    n1, n2, n3 = cluster.nodes
    wanted = {**CLOSED, **({"host_encryption": True} if hosts else {})}
    # A cluster that is open to n3 and closed otherwise: it does not encrypt yet.
    plain = {"per_host": {"n3": {"enabled": False}}, "exempt_hosts": ["n3"]}
    cluster.phased(**plain, **wanted)
    with pings_of(cluster, (n1, n3), interval=0.05) as pings:
        with pytest.raises(Stopped):
            cluster.phased(after_send=stop, **wanted)
        assert lost(pings) == {}, "n1 sends encrypted packets to n3, and n3 plaintext"
        with cluster.captured(tmp_path / "wire.pcap") as wire:
            for nodes in ([n1], [n1, n2]):
                cluster.phased(limit=nodes, **wanted)
                assert lost(pings) == {}, f"run of {[node.name for node in nodes]}"
            ends = [{p.source, p.destination} for p in wire.packets() if p.kind == PLAIN_POD]
            assert not any(one <= {n1.pod.ipv4, n2.pod.ipv4, n1.pod.ipv6, n2.pod.ipv6} for one in ends)
        assert not any(cluster.phased(limit=[n1, n2], **wanted).changed.values())
        cluster.phased(**wanted)
        assert lost(pings) == {}, "run of all nodes"
        with cluster.captured(tmp_path / "closed.pcap") as wire:
            assert lost(pings) == {}
            assert PLAIN_POD not in wire.kinds()


@pytest.mark.slow
@pytest.mark.both
@pytest.mark.long
def test_a_rotation_that_stopped_is_completed_on_all_nodes(cluster: EncryptedNodes, tmp_path: Path) -> None:
    n1, n2, n3 = cluster.nodes
    wanted = MODES["closed hosts"]
    cluster.phased(**wanted)
    with pings_of(cluster, interval=0.05) as pings, cluster.captured(tmp_path / "wire.pcap") as wire:
        with pytest.raises(Stopped):
            cluster.phased(rotate=True, after_send=stop, **wanted)
        assert lost(pings) == {}, "n1 sends by the new interface"
        for nodes in ([n1], [n2, n3]):
            with pytest.raises(AssertionError, match="the rotation of an earlier run is not complete"):
                cluster.phased(limit=nodes, **wanted)
        assert lost(pings) == {}, "nothing has changed"
        cluster.phased(**wanted)
        assert lost(pings) == {}, "completed"
        assert set(wire.kinds()) == {WIREGUARD}
    devices = {device for node in cluster.nodes for device in node.host.run("wg", "show", "interfaces").split()}
    assert len(devices) == 1
    assert not any(cluster.phased(limit=[n1], **wanted).changed.values())
