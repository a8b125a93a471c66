# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The profile `cilium`: it is listed as that of Cilium, encrypts, and drops packets without a policy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.ipsec.cilium import (
    host_document,
    marks,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.ipsec import CILIUM, Phase
from ansible_collections.wirewright.overlay.plugins.plugin_utils._xfrm_keys import XfrmKeys
from node_cluster import Node, NodeCluster
from planned_ipsec import MASTER, PlannedIpsec, prefixes
from wire_capture import ESP

# Objects of Cilium 1.13 on the first of three nodes, as arguments of `ip`.
THEIRS = """
xfrm state add src 0.0.0.0 dst 10.0.0.1 proto esp spi 3 reqid 1 mode tunnel mark 0xd00 mask 0xf00
    aead rfc4106(gcm(aes)) {key} 128 output-mark 0xd00 mask 0xf00
xfrm state add src 10.0.0.1 dst 10.0.0.2 proto esp spi 3 reqid 1 mode tunnel mark 0x3e00 mask 0xff00
    aead rfc4106(gcm(aes)) {key} 128 output-mark 0xe00 mask 0xf00
xfrm state add src 10.0.0.1 dst 10.0.0.3 proto esp spi 3 reqid 1 mode tunnel mark 0x3e00 mask 0xff00
    aead rfc4106(gcm(aes)) {key} 128 output-mark 0xe00 mask 0xf00
xfrm policy add src 0.0.0.0/0 dst 10.244.2.0/24 dir out mark 0x3e00 mask 0xff00
    tmpl src 10.0.0.1 dst 10.0.0.2 proto esp spi 3 reqid 1 mode tunnel
xfrm policy add src 0.0.0.0/0 dst 10.244.3.0/24 dir out mark 0x3e00 mask 0xff00
    tmpl src 10.0.0.1 dst 10.0.0.3 proto esp spi 3 reqid 1 mode tunnel
xfrm policy add src 0.0.0.0/0 dst 10.244.1.0/24 dir in mark 0xd00 mask 0xf00
    tmpl src 0.0.0.0 dst 10.0.0.1 proto esp reqid 1 mode tunnel
xfrm policy add src 0.0.0.0/0 dst 10.244.1.0/24 dir in mark 0x200 mask 0xf00
    tmpl src 0.0.0.0 dst 10.0.0.1 proto esp reqid 1 mode tunnel level use
xfrm policy add src 0.0.0.0/0 dst 10.244.1.0/24 dir fwd priority 2975
    tmpl src 0.0.0.0 dst 10.0.0.1 proto esp reqid 1 mode tunnel level use
xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 dir out mark 0xe00 mask 0xf00 action block priority 100
rule add pref 1 fwmark 0xd00/0xf00 lookup 200 protocol kernel
rule add pref 1 fwmark 0xe00/0xf00 lookup 200 protocol kernel
route add local 10.244.1.0/24 dev eth0 table 200 proto kernel
route add 10.244.2.0/24 via 10.0.0.2 dev eth0 table 200 mtu 1423 proto kernel
route add 10.244.3.0/24 via 10.0.0.3 dev eth0 table 200 mtu 1423 proto kernel
"""


def listings(node: Node) -> list[list[str]]:
    """Return the output of `ip`, object by object; states and policies are in the order of their creation.

    Packet counters of states are left out.
    """
    listed = [re.sub(r"\n\s*anti-replay .*", "", node.run("ip", "xfrm", kind)) for kind in ("state", "policy")]
    xfrm = [("\n" + one).split("\nsrc ") for one in listed]
    fib = [node.run("ip", "rule").splitlines(), node.run("ip", "route", "show", "table", "200").splitlines()]
    return [sorted(one.strip() for one in listed) for listed in (*xfrm, *fib)]


def mark_packets(node: Node, ipsec: PlannedIpsec) -> None:
    """Set the marks that Cilium's programs set."""
    wanted = marks(ipsec.nodes, node.name, ipsec.settings)
    pods = ", ".join(wanted["encrypt"]["destinations"])
    peers = ", ".join(wanted["decrypt"]["sources"])
    own = ", ".join(wanted["decrypted"]["destinations"])
    node.nft(
        f"""table ip marks {{
        chain prerouting {{ type filter hook prerouting priority -150; policy accept;
            iifname "cni0" ip daddr {{ {pods} }} meta mark set {wanted["encrypt"]["mark"]}
            iifname "eth0" ip saddr {{ {peers} }} ip protocol esp meta mark set {wanted["decrypt"]["mark"]}
            meta ipsec exists ip daddr {{ {own} }} meta mark set {wanted["decrypted"]["mark"]}
        }}
        }}"""
    )


@pytest.mark.long
def test_cilium(cluster: NodeCluster, tmp_path: Path) -> None:
    n1, n2, _n3 = cluster.nodes
    ipsec = PlannedIpsec(cluster)
    ipsec.configure(profile=CILIUM)
    keys = XfrmKeys(MASTER)
    for node in cluster.nodes:
        ipsec.set(
            node.name, addresses=prefixes(node.ipv4), pod_cidrs=prefixes(node.pod_networks[0]), phase=Phase.STRICT
        )
    documents = {node.name: host_document(ipsec.nodes, node.name, ipsec.settings, keys) for node in cluster.nodes}
    for node in cluster.nodes:
        mark_packets(node, ipsec)
        assert node.apply(**documents[node.name]).changed
        assert not node.apply(check_mode=True, **documents[node.name]).changed
    with cluster.captured(tmp_path / "wire.pcap") as wire:
        assert cluster.ping(n1.pod, n2.pod.ipv4) == 3
        assert cluster.fetch(n2.pod, n1.pod, n1.pod.ipv4) == (20000, n2.pod.ipv4)
        packets = wire.packets()
        assert {(packet.kind, packet.spi) for packet in packets} == {(ESP, 3)}

        out = ["src", "0.0.0.0/0", "dst", n2.pod_networks[0], "dir", "out", "mark", "0x3e00", "mask", "0xff00"]
        n1.run("ip", "xfrm", "policy", "delete", *out)
        assert cluster.ping(n1.pod, n2.pod.ipv4, count=2, wait=1) == 0
        assert n1.xfrm_stat()["XfrmOutPolBlock"] >= 2
        assert len(wire.packets()) == len(packets), "what is marked and has no policy is dropped"
    assert n1.apply(**documents["n1"]).counts["xfrm policies"]["created"] == 1
    ours = listings(n1)
    for node in cluster.nodes:
        ipsec.set(node.name, phase=Phase.ABSENT)
    n1.apply(**host_document(ipsec.nodes, "n1", ipsec.settings, keys))
    assert [len(listed) for listed in listings(n1)] == [1, 1, 3, 0], "all objects are deleted"

    n1.batch(*THEIRS.format(key=documents["n1"]["xfrm_keys"]["cilium"]).replace("\n    ", " ").strip().splitlines())
    assert ours == listings(n1)
