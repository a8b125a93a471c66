# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd-networkd restarts on nodes that encrypt: it removes foreign rules, and keeps those of the collection."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._fib.boot_files import shared_files
from ansible_collections.wirewright.overlay.plugins.module_utils._fib.boot_paths import NETWORKD_CONF, route_paths
from encrypted_nodes import EncryptedNodes
from managed_host import wait_until
from networkd import networkd
from node_cluster import Node
from wire_capture import PLAIN_POD, WIREGUARD

pytestmark = [pytest.mark.both, pytest.mark.long]

# The addresses exactly as they are: networkd 252 tries for ever to give one another broadcast address.
ETH0 = """
[Match]
Name=eth0
[Network]
IPv6AcceptRA=no
[Address]
Address={0.ipv4}/24
Broadcast=no
[Address]
Address={0.ipv6}/64
"""
LATE = """
[Match]
Name=late0
[Network]
LinkLocalAddressing=no
ConfigureWithoutCarrier=yes
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that networkd, which is not root, can read."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def restart(node: Node, directory: Path) -> None:
    """Start networkd on a node whose addresses it manages, with our drop-in.

    Without udev it sets up the interfaces that are there before it knows the rules. With the next one it does so at once.
    """
    files, drop_ins = directory / node.name, directory / f"{node.name}.conf.d"
    for path in (files, drop_ins):
        path.mkdir(mode=0o755, exist_ok=True)
    (files / "eth0.network").write_text(ETH0.format(node))
    (files / "late.network").write_text(LATE)
    # The files of units and daemons are written only if systemd runs; lab hosts have none.
    (text,) = (file.content for file in shared_files(route_paths("kwg0")) if file.path == NETWORKD_CONF)
    assert "ManageForeignRoutingPolicyRules" not in text, "which is on by default"
    (drop_ins / "50-wirewright.conf").write_text(text)
    node.batch("rule add from 192.0.2.1 lookup 12345 priority 77 protocol static")
    with networkd(node.netns, files, links=["eth0"], drop_ins=drop_ins) as daemon:
        node.batch("link add late0 type bridge")
        daemon.wait_configured(["late0"])
        wait_until(lambda: "lookup 12345" not in node.run("ip", "rule"), "networkd removes rules of others")
    node.batch("link del late0")


def steering(node: Node) -> list[str]:
    """Return a node's rules, and the routes that they lead to."""
    listed = ["rule", "route show table 7100", "route show table 7101"]
    shown = [node.run("ip", "-d", family, *words.split()) for family in ("-4", "-6") for words in listed]
    return [line for text in shown for line in text.splitlines()]


@pytest.mark.slow
def test_pods_remain_encrypted_when_networkd_restarts(cluster: EncryptedNodes, directory: Path, tmp_path: Path) -> None:
    n1, n2, n3 = cluster.nodes
    # Without the kill switch, so that an object that networkd removes causes plaintext.
    cluster.phased(persistence="wg_quick")
    before = steering(n1)
    assert sum("lookup 7100" in line and "proto kernel" in line for line in before) == 2
    with (
        cluster.captured(tmp_path / "wire.pcap") as wire,
        cluster.steady_ping(n1.pod, n2.pod.ipv4) as ipv4,
        cluster.steady_ping(n3.pod, n1.pod.ipv6) as ipv6,
        cluster.steady_ping(n2.pod, n1.ipv4) as to_node,
    ):
        for node in (n1, n2):
            restart(node, directory)
        assert [ping.lost() for ping in (ipv4, ipv6, to_node)] == [[], [], []]
        assert set(wire.kinds()) == {WIREGUARD}
    assert steering(n1) == before
    assert not any(cluster.phased(persistence="wg_quick").changed.values())

    # With another protocol, our rule is a foreign one.
    n1.batch(
        "rule del priority 99",
        "rule add not fwmark 0x100000/0x100000 lookup 7100 priority 99 protocol static",
    )
    with cluster.captured(tmp_path / "static.pcap") as wire:
        n1.pod.send_unanswered(n2.pod.ipv4)
        assert set(wire.kinds()) == {WIREGUARD}
        restart(n1, directory)
        wait_until(lambda: "lookup 7100" not in n1.run("ip", "rule"), "networkd removes this one")
        n1.pod.send_unanswered(n2.pod.ipv4)
        assert wire.kinds()[PLAIN_POD] > 0, "and the capture sees what is not encrypted"
