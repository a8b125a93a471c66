# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole plays on the kernel's ESP. A play takes a minute in an emulated machine, so all tests use one cluster, in order."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_hosts import Play
from mesh_lab import assert_ok
from node_cluster import Node
from planned_ipsec import MASTER
from wire_capture import ESP, PLAIN_HOST, PLAIN_POD

sys.path.append(str(Path(__file__).parents[2] / "integration/node_encryption"))

from encrypted_nodes import STRICT, EncryptedNodes

pytestmark = [pytest.mark.plays, pytest.mark.long]

PROGRAM = Path(__file__).parents[3] / "roles/node_encryption/files/wirewright-overlay-ipsec"
ROTATE, VERIFY, REMOVE = (f"playbooks/node_encryption_{what}.yml" for what in ("rotate", "verify", "remove"))
# Networks of policies that are added by hand, with their reqids: ours, and a foreign one.
OURS, FOREIGN = ("10.9.0.0/16", "7100"), ("10.7.0.0/16", "42")
VARIABLES = {
    **STRICT,
    "node_encryption_backend": "ipsec",
    "node_encryption_host_encryption": True,
    "node_encryption_ipsec_master": MASTER,
}


@pytest.fixture(scope="module")
def encrypted() -> Iterator[EncryptedNodes]:
    """Two nodes, encrypted by the role while they exchange packets."""
    with EncryptedNodes(userspace=False, nodes=2) as cluster:
        n1, n2 = cluster.nodes
        # IPsec needs no WireGuard tools; without a network, the role could not install them.
        n2.host.shell("mount --bind /dev/null /usr/bin/wg")
        with cluster.steady_ping(n1.pod, n2.pod.ipv4) as pods, cluster.steady_ping(n2, n1.ipv6) as hosts:
            assert_ok(cluster.converge(**VARIABLES))
            assert pods.lost() == [] and hosts.lost() == []
        yield cluster


def verdict(play: Play) -> dict[str, Any]:
    """Return the verdict of a run of verify on the only pair."""
    (result,) = play.results(task="Evaluate every pair of nodes")
    (pair,) = result["ansible_facts"]["node_encryption_verdicts"]["pairs"]
    return dict(pair)


def policies(node: Node) -> set[str]:
    """Return the policies that `ip xfrm` lists, without their order."""
    listed = ("\n" + node.run("ip", "xfrm", "policy")).split("\nsrc ")[1:]
    return {one.strip() for one in listed}


def spis(node: Node, *, sent: bool = False) -> set[str]:
    """Return the SPIs of a node's states, or of its outbound IPv4 states."""
    shown = node.run("ip", "xfrm", "state", "list", *(("src", node.ipv4) if sent else ()))
    return {line.split()[3] for line in shown.splitlines() if "proto esp spi" in line}


def test_second_run_changes_nothing_and_verify_succeeds(encrypted: EncryptedNodes, tmp_path: Path) -> None:
    n1, n2 = encrypted.nodes
    with encrypted.captured(tmp_path / "wire.pcap") as wire:
        with encrypted.steady_ping(n1.pod, n2.pod.ipv4) as pods, encrypted.steady_ping(n2, n1.ipv6) as hosts:
            again = assert_ok(encrypted.converge(**VARIABLES))
            assert pods.lost() == [] and hosts.lost() == []
        assert again.changed == 0, again
        found = assert_ok(encrypted.lab.playbook(VERIFY))
        for source, address in ((n1.pod, n2.pod.ipv4), (n1, n2.pod.ipv6), (n2.pod, n1.ipv4), (n2, n1.ipv6)):
            assert encrypted.ping(source, address) == 3, address
        assert set(wire.kinds()) == {ESP}
    assert found.changed == 0
    pair = verdict(found)
    assert (pair["verdict"], pair["mtu"], pair["plaintext_pod"], pair["plaintext_host"]) == ("ok", 1426, 0, 0), pair
    assert pair["encrypted"] > 5 and pair["rtt_ms"] > 0
    ways = {(way["source"], way["dst"]): way for way in pair["states"]}
    assert set(ways) == {("n1", n2.ipv4), ("n1", n2.ipv6), ("n2", n1.ipv4), ("n2", n1.ipv6)}
    assert all(way["sent"] > 0 and way["received"] > 0 for way in ways.values()), ways


def test_keys_are_rotated_without_loss(encrypted: EncryptedNodes, tmp_path: Path) -> None:
    n1, n2 = encrypted.nodes
    before = spis(n1) | spis(n2)
    with (
        encrypted.steady_ping(n1.pod, n2.pod.ipv4) as pods,
        encrypted.steady_ping(n2, n1.ipv6) as hosts,
        encrypted.captured(tmp_path / "rotation.pcap") as wire,
    ):
        assert_ok(encrypted.lab.playbook(ROTATE))
        assert pods.lost() == [] and hosts.lost() == []
        assert set(wire.kinds()) == {ESP}
    assert before and not before & (spis(n1) | spis(n2))


def test_rebooted_node_is_accepted_and_manual_changes_are_reverted(encrypted: EncryptedNodes, tmp_path: Path) -> None:
    n1, n2 = encrypted.nodes
    before, closed = (spis(n1, sent=True), spis(n2, sent=True)), policies(n1)
    n1.run("ip", "xfrm", "state", "flush")
    n1.run("ip", "xfrm", "policy", "flush")
    n1.host.shell("sed -i 's/ .*/ an-earlier-boot/' /etc/wirewright.overlay/ipsec/epoch")
    n1.host.run("sh", str(PROGRAM))
    assert policies(n1) == closed, "back with the boot"
    n1.run("ip", "xfrm", "policy", "delete", "dir", "fwd", "src", n2.pod_networks[1], "dst", n1.pod_networks[1])
    for source, reqid in (OURS, FOREIGN):
        template = ["tmpl", "src", n1.ipv4, "dst", n2.ipv4, "proto", "esp", "reqid", reqid, "mode", "tunnel"]
        n1.run("ip", "xfrm", "policy", "add", "dir", "out", "src", source, "dst", "10.8.0.0/16", *template)
    with (
        encrypted.steady_ping(n1.pod, n2.pod.ipv4) as pods,
        encrypted.steady_ping(n2, n1.ipv6) as hosts,
        encrypted.captured(tmp_path / "boot.pcap") as wire,
    ):
        done = assert_ok(encrypted.converge(**VARIABLES))
        assert pods.lost() == [] and hosts.lost() == []
        assert set(wire.kinds()) == {ESP}
    assert done.changed == 2, "keys for one boot more and policies on n1, and states for it on n2"
    after = spis(n1, sent=True), spis(n2, sent=True)
    assert not after[0] & before[0] and after[1] == before[1], "new keys only for the node that booted"
    repaired = policies(n1)
    (foreign,) = repaired - closed
    assert FOREIGN[0] in foreign and closed < repaired, "and the foreign policy is kept"
    n1.run("ip", "xfrm", "policy", "delete", "dir", "out", "src", FOREIGN[0], "dst", "10.8.0.0/16")


def test_encryption_is_disabled_without_loss(encrypted: EncryptedNodes, tmp_path: Path) -> None:
    n1, n2 = encrypted.nodes
    with encrypted.steady_ping(n1.pod, n2.pod.ipv4) as pods, encrypted.steady_ping(n2, n1.ipv6) as hosts:
        assert_ok(encrypted.lab.playbook(REMOVE))
        assert pods.lost() == [] and hosts.lost() == []
        with encrypted.captured(tmp_path / "plain.pcap") as wire:
            for ping in (pods, hosts):
                ping.answers_again(5)
            assert set(wire.kinds()) == {PLAIN_POD, PLAIN_HOST}, "the capture sees what is not encrypted"
    for node in encrypted.nodes:
        assert node.run("ip", "xfrm", "state") == node.run("ip", "xfrm", "policy") == ""
        assert "wirewright" not in node.run("nft", "list", "ruleset")
        assert node.host.shell("find /etc/wirewright.overlay -type f 2>/dev/null || :") == ""
