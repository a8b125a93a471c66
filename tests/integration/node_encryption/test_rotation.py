# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Key rotation in a cluster in use: no packet is lost or unencrypted, and the old keys are removed."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import Secrets
from encrypted_nodes import CLOSED, STRICT, EncryptedNodes
from mesh_lab import assert_ok, failure
from node_cluster import Node
from wire_capture import WIREGUARD

EVERYTHING = {**STRICT, "node_encryption_host_encryption": True}


def keys(cluster: EncryptedNodes, device: str) -> set[str]:
    """Return the public keys that nodes have on a device."""
    return {node.host.shell(f"wg show {device} public-key").strip() for node in cluster.nodes}


@pytest.mark.plays
@pytest.mark.both
@pytest.mark.long
def test_keys_are_rotated_without_loss_and_without_plaintext(cluster: EncryptedNodes, tmp_path: Path) -> None:
    n1, n2, n3 = cluster.nodes
    assert_ok(cluster.converge(**EVERYTHING))
    old = keys(cluster, "kwg0")
    with (
        cluster.steady_ping(n1.pod, n2.pod.ipv4) as pods,
        cluster.steady_ping(n2, n3.ipv4) as nodes,
        cluster.captured(tmp_path / "rotation.pcap") as wire,
    ):
        assert_ok(cluster.converge(node_encryption_rotate=True, **EVERYTHING))
        assert pods.lost() == [] and nodes.lost() == []
        assert set(wire.kinds()) == {WIREGUARD}
    new = keys(cluster, "kwg1")
    assert len(old) == len(new) == 3 and not old & new
    for node in cluster.nodes:
        assert "kwg0" not in node.run("ip", "link") + node.run("nft", "list", "ruleset")
        assert node.host.shell("ls /etc/wireguard").split() == ["kwg1.key"], "the old private key is gone"
    assert assert_ok(cluster.converge(**EVERYTHING)).changed == 0, "the next run stays with the new device"
    refused = cluster.converge("--limit", "n1,n2", node_encryption_rotate=True, **EVERYTHING)
    assert "'n3' is not in this run" in failure(refused)
    for node in cluster.nodes:
        assert node.host.shell("ls /etc/wireguard").split() == ["kwg1.key"], "no key is generated for it"


@pytest.mark.slow
@pytest.mark.both
@pytest.mark.long
def test_preshared_keys_are_added_and_changed_without_loss(cluster: EncryptedNodes, tmp_path: Path) -> None:
    n1, n2, _n3 = cluster.nodes
    cluster.phased(**CLOSED)
    seen = set()
    with cluster.steady_ping(n1.pod, n2.pod.ipv4) as pods, cluster.captured(tmp_path / "wire.pcap") as wire:
        for epoch in (1, 2):
            secrets = Secrets("a master secret of this test, long enough", epoch)
            assert all(cluster.phased(secrets=secrets, **CLOSED).changed.values())
            shared = preshared_keys(n1) & preshared_keys(n2)
            assert len(shared) == 1 and not shared & {"(none)", *seen}, "one for the pair, and a new one"
            seen |= shared
        assert pods.lost() == []
        assert set(wire.kinds()) == {WIREGUARD}
    # Existing sessions keep the old keys; a new handshake needs the new one.
    n1.host.shell("ip link del kwg0")
    cluster.phased(secrets=secrets, **CLOSED)
    assert cluster.ping(n1.pod, n2.pod.ipv4, count=1) == 1


def preshared_keys(node: Node) -> set[str]:
    """Return the preshared keys that a node has for the others."""
    return {line.split()[1] for line in node.host.run("wg", "show", "kwg0", "preshared-keys").splitlines()}
