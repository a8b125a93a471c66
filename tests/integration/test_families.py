# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host without IPv6 in a mesh with both families: refused by name, and with its IPv4 address alone a full member."""

from __future__ import annotations

from hub_spoke_lab import build_hosts
from lab_hosts import Lab
from mesh_lab import NETWORK, addresses, assert_ok, exists, failure, mesh, peers, ping, public_key


def test_a_host_without_ipv6_is_a_member_with_ipv4() -> None:
    with mesh("h1", "h2", "h3", converge=False) as lab:
        lab.run(
            "h3", ["sh", "-c", "for name in all default; do echo 1 >/proc/sys/net/ipv6/conf/$name/disable_ipv6; done"]
        )
        message = failure(lab.playbook("site.yml"))
        assert "host 'h3': mesh_addresses: IPv6 is disabled on this host" in message
        assert not any(exists(lab, name) for name in lab.hosts)
        lab.inventory({"h3": {"mesh_addresses": ["10.42.0.3"]}}, mesh_network=NETWORK, mesh_verify_seconds=60)
        play = assert_ok(lab.playbook("site.yml"))
        verified = {name: play.results(host=name, task="Verify connectivity to peers") for name in lab.hosts}
        assert {
            name: (result["summary"], result.get("warnings")) for name, (result,) in verified.items()
        } == dict.fromkeys(lab.hosts, ("2 peers: 2 ok", None))
        assert ping(lab, "h3", addresses(lab, "h1")[0]) and ping(lab, "h1", "10.42.0.3")
        assert lab.run("h3", ["ip", "-6", "route", "show", "dev", "wg0"]).stdout == ""
        (ipv6,) = (text for text in addresses(lab, "h1") if ":" in text)
        assert f"{ipv6}/128" in peers(lab, "h3")[public_key(lab, "h1")].allowed_ips
        assert assert_ok(lab.playbook("site.yml")).changed == 0


def test_hosts_without_a_default_route_in_one_family() -> None:
    with Lab() as lab:
        document = {"h1": ["192.0.2.11/24"], "h2": ["192.0.2.12/24", "2001:db8:1::12/64"], "h3": ["2001:db8:1::13/64"]}
        build_hosts(lab, {name: {"addresses": own} for name, own in document.items()})
        lab.inventory(mesh_network=NETWORK, mesh_verify_seconds=0)
        assert_ok(lab.playbook("site.yml"))
        known = {name: peers(lab, name) for name in lab.hosts}
        assert known["h2"][public_key(lab, "h3")].endpoint == "[2001:db8:1::13]:51820"
        assert known["h1"][public_key(lab, "h3")].endpoint == "(none)"
        assert ping(lab, "h2", addresses(lab, "h3")[0]) and ping(lab, "h3", addresses(lab, "h2")[0])
        assert assert_ok(lab.playbook("site.yml")).changed == 0
