# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of one node that set what both ends need, and unset it: no traffic with the nodes outside is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from encrypted_nodes import CLOSED, MODES, EncryptedNodes
from pinged_nodes import lost, pings_of
from wire_capture import PLAIN_HOST, PLAIN_POD, WIREGUARD

HOSTS: dict[str, Any] = {"host_encryption": True}


@pytest.mark.slow
@pytest.mark.both
@pytest.mark.long
@pytest.mark.parametrize("before", ["plain", "encrypted"])
def test_a_run_of_one_node_closes_nothing(cluster: EncryptedNodes, tmp_path: Path, before: str) -> None:
    n1 = cluster.nodes[0]
    if before == "encrypted":
        cluster.phased()
        for node in cluster.nodes:
            cluster.forget(node)
    with pings_of(cluster) as pings:
        limited = cluster.phased(limit=[n1], **HOSTS, **CLOSED)
        assert before == "plain" or "traffic with it stays as it is" in "".join(limited.warnings)
        assert lost(pings) == {}, "set"
        assert not any(cluster.phased(limit=[n1], **HOSTS, **CLOSED).changed.values())
        assert lost(pings) == {}, "set again"
        cluster.phased(limit=[n1])
        assert lost(pings) == {}, "unset"
        cluster.phased(limit=[n1], **HOSTS, **CLOSED)
        cluster.phased(**HOSTS, **CLOSED)
        with cluster.captured(tmp_path / "wire.pcap") as wire:
            assert lost(pings) == {}, "set on all"
            assert not {PLAIN_POD, PLAIN_HOST} & set(wire.kinds()) and WIREGUARD in wire.kinds()
        cluster.phased(limit=[n1])
        assert lost(pings) == {}, "unset on one"
        cluster.phased(limit=[n1], **HOSTS, **CLOSED)
        cluster.phased()
        assert lost(pings) == {}, "unset on all"


@pytest.mark.slow
@pytest.mark.both
@pytest.mark.long
@pytest.mark.parametrize("mode", ["open", "closed hosts"])
def test_an_end_of_one_node_is_refused_and_a_dead_node_does_not_prevent_it(cluster: EncryptedNodes, mode: str) -> None:
    n1, n2, n3 = cluster.nodes
    cluster.phased(**MODES[mode])
    with pings_of(cluster) as pings:
        for options in (
            {"limit": [n1], "state": "absent"},
            {"limit": [n2, n3], "state": "absent"},
            {"limit": [n1], "per_host": {"n1": {"enabled": False}}, "exempt_hosts": ["n1"]},
            {"limit": [n2, n3], "per_host": {"n1": {"enabled": False}}, "exempt_hosts": ["n1"]},
        ):
            with pytest.raises(AssertionError, match=r"encrypted packets.*run (it|them) too"):
                cluster.phased(**{**MODES[mode], **options})
        assert lost(pings) == {}, "nothing has changed"
        cluster.phased(per_host={"n1": {"enabled": False}}, **{**MODES[mode], "exempt_hosts": ["n1"]})
        assert n1.run("ip", "link", "show", "kwg0", check=False) == ""
        assert lost(pings) == {}, "the remedy loses nothing"
        cluster.phased(**MODES[mode])
        assert lost(pings) == {}
    with cluster.steady_ping(n1.pod, n2.pod.ipv4) as pods, cluster.steady_ping(n2, n1.ipv4) as nodes:
        ended = cluster.phased(dead=[n3], state="absent", **MODES[mode])
        assert "n3" in "".join(line for line in ended.warnings if "continues to send encrypted packets" in line)
        assert pods.lost() == nodes.lost() == [], "teardown with a dead node"
    cluster.phased(state="absent", **MODES[mode])
    assert cluster.ping(n3.pod, n1.pod.ipv4) == cluster.ping(n1, n3.ipv4) == 3, "it has come back"
