# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiles of Calico and Cilium: the output of `ip`, and the packets on the wire."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from encrypted_nodes import EncryptedNodes
from node_cluster import Node
from wire_capture import WIREGUARD

CALICO: dict[str, Any] = {"profile": "calico", "interface": "wireguard.cali", "table": 1}
CILIUM: dict[str, Any] = {
    **{"profile": "cilium", "interface": "cilium_wg0", "port": 51871, "fwmark": 0},
    **{"table": 201, "rule_priority": 1},
}
BEFORE, AFTER = ["0:\tfrom all lookup local"], ["32766:\tfrom all lookup main", "32767:\tfrom all lookup default"]


def listed(node: Node, *words: str) -> list[str]:
    """Return what `ip` lists, without the blanks that end its lines."""
    return [line.rstrip() for line in node.run("ip", *words).splitlines()]


@pytest.mark.sampled(2)
@pytest.mark.both
@pytest.mark.long
@pytest.mark.parametrize(
    ("variables", "rule", "table"),
    [
        (
            CALICO,
            "99:\tnot from all fwmark 0x100000/0x100000 lookup 1",
            [
                "throw 10.244.1.0/24",
                "10.244.2.0/24 dev wireguard.cali scope link",
                "10.244.3.0/24 dev wireguard.cali scope link",
            ],
        ),
        (CILIUM, "1:\tfrom all fwmark 0xe00/0xf00 lookup 201", ["default dev cilium_wg0"]),
    ],
    ids=["calico", "cilium"],
)
def test_listing_and_wire(
    cluster: EncryptedNodes, tmp_path: Path, variables: dict[str, Any], rule: str, table: list[str]
) -> None:
    n1, n2, n3 = cluster.nodes
    with cluster.steady_ping(n1.pod, n2.pod.ipv4) as ping:
        cluster.phased(**variables)
        assert not any(cluster.phased(**variables).changed.values())
        assert n1.run("ip", "rule").splitlines() == [*map(str.strip, BEFORE), rule, *AFTER]
        assert listed(n1, "route", "show", "table", str(variables["table"])) == table
        with cluster.captured(tmp_path / "wire.pcap") as wire:
            assert cluster.ping(n1.pod, n2.pod.ipv4) == cluster.ping(n2.pod, n3.pod.ipv4) == 3
            assert set(wire.kinds()) == {WIREGUARD}
        cluster.phased(**variables, state="absent")
        assert ping.lost() == []
    assert n1.run("ip", "rule").splitlines() == [*BEFORE, *AFTER]
