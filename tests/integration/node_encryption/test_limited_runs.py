# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of one node that set what both ends need, and unset it: no traffic with the nodes outside is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from encrypted_nodes import CLOSED, EncryptedNodes
from steady_ping import SteadyPing
from wire_capture import PLAIN_HOST, PLAIN_POD, WIREGUARD

HOSTS: dict[str, Any] = {"host_encryption": True}


@contextmanager
def pings_of(cluster: EncryptedNodes) -> Iterator[dict[str, SteadyPing]]:
    """Ping between n1 and n2 in all ways, and between n2 and n3."""
    n1, n2, n3 = cluster.nodes
    ways = {
        "pod to pod": (n1.pod, n2.pod.ipv4),
        "pod to pod, IPv6": (n2.pod, n1.pod.ipv6),
        "pod to node": (n1.pod, n2.ipv4),
        "pod to node, back": (n2.pod, n1.ipv4),
        "node to pod": (n1, n2.pod.ipv4),
        "node to node": (n1, n2.ipv4),
        "node to node, IPv6": (n2, n1.ipv6),
        "of others": (n2.pod, n3.pod.ipv4),
    }
    with ExitStack() as stack:
        yield {way: stack.enter_context(cluster.steady_ping(*ends)) for way, ends in ways.items()}


def lost(pings: dict[str, SteadyPing]) -> dict[str, list[int]]:
    """Return the lost packets by way, after all pings are answered again."""
    for ping in pings.values():
        ping.answers_again(3)
    return {way: found for way, ping in pings.items() if (found := ping.lost())}


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
