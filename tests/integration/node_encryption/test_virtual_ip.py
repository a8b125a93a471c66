# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook virtual_ip: an address reached through a tunnel, answered by a pod elsewhere, and moved to another node."""

from __future__ import annotations

import json

import pytest
from encrypted_nodes import EncryptedNodes
from mesh_lab import assert_ok
from node_cluster import Node

pytestmark = [pytest.mark.plays, pytest.mark.both, pytest.mark.long]

VIP, CLIENT = "10.99.0.1", "10.98.0.1"
PORT = 7777


@pytest.mark.slow
def test_replies_to_the_virtual_ip_use_the_tunnel(cluster: EncryptedNodes) -> None:
    n1, n2, n3 = cluster.nodes
    # n3 is the remote end, with a device created by hand; n1 and n2 are the cluster.
    n3.host.shell("umask 077; mkdir -p /etc/wireguard; wg genkey >/etc/wireguard/far.key")
    far_key = n3.host.shell("wg pubkey </etc/wireguard/far.key").strip()
    peer = {"name": "far", "public_key": far_key, "endpoint": f"{n3.ipv4}:51999", "allowed_ips": [f"{CLIENT}/32"]}

    def have(node: Node) -> None:
        hosts = {one.name: cluster.variables(one) for one in (n1, n2)}
        common = {
            "overlay_userspace": cluster.userspace,
            "virtual_ip": VIP,
            "virtual_ip_node": node.name,
            "virtual_ip_peer": peer,
        }
        document = {"all": {"children": {"k8s_nodes": {"hosts": hosts}}, "vars": common}}
        (cluster.lab.path / "inventory.yml").write_text(json.dumps(document))
        play = "- import_playbook: wirewright.overlay.virtual_ip\n"
        assert_ok(cluster.lab.playbook(play))
        assert assert_ok(cluster.lab.playbook(play)).changed == 0

    def far_end(node: Node) -> None:
        key = node.host.shell("wg show wgvip public-key").strip()
        endpoint = {"public_key": key, "endpoint": f"{node.ipv4}:51900", "allowed_ips": [f"{VIP}/32"]}
        device = {
            "name": "far",
            "private_key_file": "/etc/wireguard/far.key",
            "listen_port": 51999,
            "userspace": cluster.userspace,
        }
        n3.apply(interfaces=[{**device, "addresses": [f"{CLIENT}/32"], "purge": True, "peers": [endpoint]}])

    # A service behind the address, as kube-proxy makes it: its pod is on the other node.
    for node, other in ((n1, n2), (n2, n1)):
        # As on nodes: without a route to the client's address, the source check drops its packets.
        node.run("ip", "route", "replace", "default", "via", cluster.external.ipv4, "proto", "99")
        node.nft(
            f"table ip service {{ chain pre {{ type nat hook prerouting priority -100; ip daddr {VIP} tcp dport {PORT} "
            f"dnat to {other.pod.ipv4}:{PORT}; }}; chain post {{ type nat hook postrouting priority 100; "
            f"ip daddr {other.pod.ipv4} tcp dport {PORT} masquerade; }}; }}\n"
        )
    for node, other in ((n1, n2), (n2, n1)):
        have(node)
        far_end(node)
        received, _seen = cluster.fetch(n3, other.pod, VIP, PORT, size=5000)
        assert received == 5000
        assert cluster.ping(n3, VIP) == 3
        assert VIP not in other.run("ip", "addr"), "one node has it"
        assert "lookup 51900" not in other.run("ip", "rule")
