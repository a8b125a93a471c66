# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A booting node restores its IPsec without other hosts, with keys that the others have and that no boot has used."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import boot_facts
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.ipsec.records import epochs
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.ipsec import BOTH, spi_of
from node_cluster import Node, NodeCluster
from planned_ipsec import PlannedIpsec
from wire_capture import ESP

PROGRAM = Path(__file__).parents[3] / "roles/node_encryption/files/wirewright-overlay-ipsec"
DIRECTORY = "/etc/wirewright.overlay/ipsec"


def power_off(node: Node) -> None:
    """Remove the state that a reboot loses."""
    node.run("ip", "xfrm", "state", "flush")
    node.run("ip", "xfrm", "policy", "flush")
    node.host.shell(f"sed -i 's/ .*/ an-earlier-boot/' {DIRECTORY}/epoch")


def boot(node: Node) -> subprocess.CompletedProcess[str]:
    """Run the program of the unit."""
    return node.host.lab.run(node.name, ["sh", str(PROGRAM)], check=False)


def objects(node: Node, kind: str) -> set[str]:
    """Return the output of `ip xfrm`, without counters."""
    listed = ("\n" + node.run("ip", "xfrm", kind)).split("\nsrc ")[1:]
    reported = ("\n".join(line for line in one.splitlines() if " seq " not in line) for one in listed)
    return {one.partition("anti-replay")[0] for one in reported}


def facts(node: Node) -> dict[str, Any]:
    return node.host.call(boot_facts.gather)


@pytest.mark.long
def test_node_boots_without_other_hosts(cluster: NodeCluster, tmp_path: Path) -> None:
    n1, n2, _n3 = cluster.nodes
    ipsec = PlannedIpsec(cluster, 2)
    ipsec.configure(strict=BOTH, host_encryption=True)
    ipsec.establish()
    policies, states = (objects(n1, kind) for kind in ("policy", "state"))
    own = {one for one in states if one.startswith(f"{n1.ipv4} ") or one.startswith(f"{n1.ipv6} ")}
    assert facts(n1)["epochs_left"] == 4 and facts(n1)["lost"] == 0

    power_off(n1)
    assert facts(n1)["lost"] == 0, "gone by right"
    booted = boot(n1)
    assert booted.returncode == 0 and not booted.stderr, booted
    assert objects(n1, "policy") == policies
    assert objects(n1, "state") & states == states - own and len(objects(n1, "state")) == len(states)
    with cluster.captured(tmp_path / "wire.pcap") as wire:
        for source, address in ((n1.pod, n2.pod.ipv4), (n1, n2.ipv6), (n2.pod, n1.pod.ipv6)):
            assert cluster.ping(source, address, count=2) == 2, address
        packets = wire.packets()
    assert {packet.kind for packet in packets} == {ESP}
    assert {packet.spi for packet in packets} == {spi_of(1, 1, 0), spi_of(2, 0, 0)}
    assert "already" in boot(n1).stdout, "and not twice in one boot"
    modes = n1.host.shell(f"stat -c %a {DIRECTORY}/* | sort -u; ls {DIRECTORY}").split()
    assert modes == ["600", "drop.batch", "epoch", "receive.batch", "send-2.batch", "send-3.batch", "send-4.batch"]

    # The next run finds the node's new epoch, and adds keys for four more boots.
    reported = facts(n1)
    assert (reported["record"]["epoch"], reported["epochs_left"], reported["lost"]) == (1, 3, 0)
    ipsec.set("n1", epoch=epochs(["n1"], {"n1": reported}, 0)["n1"])
    done = n1.apply(**ipsec.document(n1)).counts
    assert not any(done["xfrm states"].values()) and not any(done["xfrm policies"].values())
    assert facts(n1)["epochs_left"] == 4
    assert n2.apply(**ipsec.document(n2)).counts["xfrm states"] == {
        "created": 2, "updated": 0, "replaced": 0, "deleted": 2,
    }  # fmt: skip

    # Without another run no keys remain: traffic without keys is dropped.
    told_of = []
    for _boot in range(5):
        power_off(n1)
        booted = boot(n1)
        told_of.append((booted.returncode, "keys are left" in booted.stderr))
    assert told_of == [(0, False), (0, False), (0, True), (0, True), (1, False)]
    with cluster.captured(tmp_path / "closed.pcap") as wire:
        assert cluster.ping(n1.pod, n2.pod.ipv4, count=1, wait=1) == 0
        assert not wire.kinds()
