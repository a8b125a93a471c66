# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roll-out, change and teardown of IPsec: no packet is lost, and none is unencrypted that must be encrypted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import InvalidOptions, Refused
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.options import parse_sections
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.ipsec.key_rotation import (
    Step,
    slots_of,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.ipsec import (
    BOTH,
    Phase,
    Slots,
    spi_of,
)
from counted_states import advance, states
from managed_host import wait_until
from node_cluster import Node, NodeCluster
from planned_ipsec import PlannedIpsec
from wire_capture import ESP


@pytest.mark.long
def test_roll_out_and_teardown_lose_nothing(cluster: NodeCluster, tmp_path: Path) -> None:
    n1, n2, _n3 = cluster.nodes
    ipsec = PlannedIpsec(cluster, 2)
    ipsec.configure(host_encryption=True, strict=BOTH)
    with (
        cluster.steady_ping(n1.pod, n2.pod.ipv4) as pods,
        cluster.steady_ping(n2.pod, n1.pod.ipv6) as pods6,
        cluster.steady_ping(n2, n1.ipv4) as hosts,
    ):
        pings = (pods, pods6, hosts)
        ipsec.roll_out()
        assert ipsec.all_unchanged()
        assert [ping.lost() for ping in pings] == [[], [], []]
        with cluster.captured(tmp_path / "wire.pcap") as wire:
            for ping in pings:
                ping.answers_again(10)
            assert set(wire.kinds()) == {ESP}
        for phase in (Phase.SEND, Phase.RECEIVE, Phase.ABSENT):
            ipsec.enter(phase)
        assert [ping.lost() for ping in pings] == [[], [], []]
    for node in ipsec.members:
        assert node.run("ip", "xfrm", "state") == node.run("ip", "xfrm", "policy") == ""


@pytest.mark.long
def test_key_rotation_loses_nothing(cluster: NodeCluster, tmp_path: Path) -> None:
    n1, n2, _n3 = cluster.nodes
    ipsec = PlannedIpsec(cluster, 2)
    ipsec.configure(strict=BOTH)
    ipsec.establish()
    held = {node.name: Slots((0,), (0,)) for node in ipsec.members}
    ipsec.configure(slot=1)

    def spis(step: Step) -> set[int]:
        for node in ipsec.members:
            node.apply(**ipsec.document(node, slots_of(step, held, node.name, 1)))
        with cluster.captured(tmp_path / f"{step}.pcap") as wire:
            for ping in (there, back):
                ping.answers_again(6)
            return {packet.spi for packet in wire.packets()[4:]}

    old, new = ({spi_of(node.number, 0, slot) for node in (n1, n2)} for slot in (0, 1))
    with cluster.steady_ping(n1.pod, n2.pod.ipv4) as there, cluster.steady_ping(n2, n1.pod.ipv4) as back:
        assert spis(Step.RECEIVE_NEW) == old
        assert spis(Step.SEND_NEW) == new
        assert spis(Step.DROP_OLD) == new
        assert there.lost() == back.lost() == []
        assert ipsec.all_unchanged(), "the steps end where a run without rotation does"
        # The reverse order, which the phases prevent: packets sent before the receiver has the keys are lost.
        ipsec.configure(slot=2)
        n1.apply(**ipsec.document(n1, Slots((1,), (1, 2))))
        wait_until(lambda: n2.xfrm_stat().get("XfrmInNoStates", 0) > 2, "packets arrive for which there is no state")
        n2.apply(**ipsec.document(n2, Slots((1, 2), (1,))))
        assert there.lost()


def test_node_without_states_sends_no_plaintext(cluster: NodeCluster, tmp_path: Path) -> None:
    n1, n2, _n3 = cluster.nodes
    ipsec = PlannedIpsec(cluster, 2)
    ipsec.configure(strict=BOTH)
    ipsec.establish()
    document = ipsec.document(n1)
    assert cluster.ping(n1.pod, n2.pod.ipv4, count=1) == 1
    n1.run("ip", "xfrm", "state", "flush")
    with cluster.captured(tmp_path / "wire.pcap") as wire:
        for address in (n2.pod.ipv4, n2.pod.ipv6):
            assert cluster.ping(n1.pod, address, count=1, wait=1) == 0
        assert not wire.kinds()
        assert n1.xfrm_stat()["XfrmOutNoStates"] >= 2
    # Under the same key nonces would repeat. The other nodes already have the next epoch's keys.
    with pytest.raises(Refused, match="was used on this host before"):
        n1.apply(**document)
    ipsec.set(n1.name, epoch=1)
    made = n1.apply(**ipsec.document(n1)).counts["xfrm states"]
    assert made == {"created": 2 * 5 + 2, "updated": 0, "replaced": 0, "deleted": 0}
    assert cluster.ping(n1.pod, n2.pod.ipv4, count=2) == 2


@pytest.mark.long
def test_manual_changes_of_ipsec_are_reverted(cluster: NodeCluster) -> None:
    n1, n2, _n3 = cluster.nodes
    ipsec = PlannedIpsec(cluster, 2)
    ipsec.configure(strict=BOTH)
    ipsec.establish()
    document = ipsec.document(n1)
    before = listed(n1)
    template = f"tmpl src {n2.ipv4} dst {n1.ipv4} proto esp reqid 7100 mode tunnel"
    there, here = n2.pod_networks[0], n1.pod_networks[0]
    drift = {
        "a state to receive by": f"state delete dst {n1.ipv4} proto esp spi {spi_of(2, 0, 0):#x}",
        "a policy": f"policy delete src {here} dst {there} dir out",
        "another policy": f"policy update src {there} dst {here} dir in priority 1000 {template} level use",
        "a policy too many": f"policy add src 10.9.0.0/16 dst 10.8.0.0/16 dir in priority 1000 {template}",
        "a state too many": f"state add src 10.0.0.9 dst {n1.ipv4} proto esp spi 0x4b009990 reqid 7100 mode tunnel "
        f"aead rfc4106(gcm(aes)) 0x{'5a' * 20} 128",
    }
    for what, words in drift.items():
        n1.run("ip", "xfrm", *words.split())
        assert listed(n1) != before, f"{what}: the test changes nothing"
        assert n1.apply(**document).changed, what
        assert listed(n1) == before, what
        assert not n1.apply(check_mode=True, **document).changed, what
    assert cluster.ping(n1.pod, n2.pod.ipv4, count=2) == cluster.ping(n2.pod, n1.pod.ipv6, count=2) == 2


def listed(node: Node) -> set[str]:
    """Return the node's states and policies, without what has been counted."""
    policies = re.split(r"^src ", node.run("ip", "xfrm", "policy"), flags=re.MULTILINE)[1:]
    return {one.partition("anti-replay")[0] for one in states(node)} | set(policies)


@pytest.mark.long
def test_two_senders_with_one_spi_are_reported(cluster: NodeCluster) -> None:
    n1, n2, _n3 = cluster.nodes
    ipsec = PlannedIpsec(cluster)
    ipsec.set("n3", index=2)
    for node in cluster.nodes:
        ipsec.set(node.name, phase=Phase.STRICT)
    given = {name: value for name, value in ipsec.document(n1).items() if name in ("xfrm_states", "xfrm_keys")}
    with pytest.raises(InvalidOptions, match="one SPI, mark and destination is one state"):
        parse_sections(given, int)
    # A foreign state is in the way: the kernel looks up by destination and SPI, for all senders.
    ipsec.set("n3", index=3)
    spi = f"{spi_of(2, 0, 0):#x}"
    taken = ["src", "10.0.0.9", "dst", n1.ipv4, "proto", "esp", "spi", spi, "reqid", "42", "mode", "tunnel"]
    n1.run("ip", "xfrm", "state", "add", *taken, "aead", "rfc4106(gcm(aes))", "0x" + "5a" * 20, "128")
    with pytest.raises(Refused, match=rf"dst {n1.ipv4} proto esp spi {spi}.*reqid 42"):
        n1.apply(**ipsec.document(n1))
    assert n1.run("ip", "xfrm", "policy") == "", "nothing was touched"
    assert n2.apply(**ipsec.document(n2)).changed


@pytest.mark.long
def test_sequence_numbers_go_beyond_32_bits(cluster: NodeCluster) -> None:
    n1, n2, _n3 = cluster.nodes
    ipsec = PlannedIpsec(cluster, 2)
    ipsec.establish()
    before_the_end = 2**32 - 4
    for node, counted in ((n1, "replay-oseq"), (n2, "replay-seq")):
        advance(node, spi_of(1, 0, 0), n2.ipv4, counted, before_the_end)
    assert cluster.ping(n1.pod, n2.pod.ipv4, count=8) == 8
    (shown,) = [one for one in states(n1) if f"dst {n2.ipv4}" in one and f"{spi_of(1, 0, 0):#010x}" in one]
    assert "flag esn" in shown and "oseq-hi 0x1, oseq 0x4" in shown and "replay_window 1024" in shown, shown
