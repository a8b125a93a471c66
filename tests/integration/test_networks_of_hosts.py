# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host keeps the networks that it has by itself: conflicts are refused for all hosts, and exceptions get no route."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from hub_spoke_lab import PLAY
from lab_hosts import Lab
from mesh_lab import NETWORK, assert_ok, configurations, exists, failure, mesh, ping

LAN = "192.168.50.0/24"


def join(lab: Lab, one: str, other: str, metric: int = 100) -> None:
    """Connect two hosts by a LAN, 192.168.50.1 and 192.168.50.2, with the metric that DHCP clients set."""
    spaces = [f"ww-{lab.name}-{name}" for name in (one, other)]
    argv = ["ip", "-n", spaces[0], "link", "add", "lan", "type", "veth", "peer", "name", "lan", "netns", spaces[1]]
    subprocess.run(argv, check=True)
    for number, name in enumerate((one, other), 1):
        script = (
            f"ip link set lan up; ip address add 192.168.50.{number}/24 dev lan noprefixroute; "
            f"ip route add {LAN} dev lan proto dhcp scope link metric {metric}"
        )
        lab.run(name, ["sh", "-ec", script])


def device_to(lab: Lab, host: str, address: str) -> str:
    """Return the interface by which a host sends packets to an address."""
    words = lab.run(host, ["ip", "route", "get", address]).stdout.split()
    return words[words.index("dev") + 1]


def state(lab: Lab) -> dict[str, Any]:
    routes = {host: lab.run(host, ["ip", "route", "show", "table", "all"]).stdout for host in lab.hosts}
    return {"peers": configurations(lab), "routes": routes}


@pytest.mark.slow
def test_a_host_in_the_lan_of_a_site_keeps_it() -> None:
    with mesh("h1", "h2", "h3") as lab:
        join(lab, "h1", "h2")
        before = state(lab)
        for site in (LAN, "192.168.50.0/25"):
            per_host: dict[str, dict[str, Any]] = {"h1": {"mesh_networks": [site]}}
            lab.inventory(per_host, mesh_network=NETWORK)
            for options in (["--check"], []):
                message = failure(lab.playbook("site.yml", *options))
                for words in ("'h1'", f"mesh_networks: {site}", "'h2'", f"{LAN} (the network on lan, metric 100)"):
                    assert words in message, message
                assert f"mesh_routes_except to [{site}]" in message
            assert state(lab) == before, "on all hosts, before anything changes"
        per_host = {"h1": {"mesh_networks": [LAN]}, "h2": {"mesh_routes_except": [LAN]}}
        lab.inventory(per_host, mesh_network=NETWORK)
        assert_ok(lab.playbook("site.yml"))
        assert device_to(lab, "h2", "192.168.50.1") == "lan" and ping(lab, "h2", "192.168.50.1")
        assert device_to(lab, "h3", "192.168.50.1") == "wg0" and ping(lab, "h3", "192.168.50.1")
        assert assert_ok(lab.playbook("site.yml")).changed == 0


def test_a_network_around_a_lan_leaves_it_alone() -> None:
    with mesh("h1", "h2", "h3", per_host={"h1": {"mesh_networks": ["192.168.0.0/16"]}}, converge=False) as lab:
        join(lab, "h2", "h3")
        lab.run("h1", ["ip", "address", "add", "192.168.9.1/32", "dev", "lo"])
        assert_ok(lab.playbook("site.yml"))
        assert device_to(lab, "h2", "192.168.50.2") == "lan" and ping(lab, "h2", "192.168.50.2")
        assert device_to(lab, "h2", "192.168.9.1") == "wg0" and ping(lab, "h2", "192.168.9.1")


@pytest.mark.slow
def test_a_second_overlay_with_the_network_of_the_first_is_refused() -> None:
    with mesh("h1", "h2") as lab:
        inventory = json.loads(lab.inventory().read_text())
        groups = {"hubs": {"hosts": {"h1": {}}}, "spokes": {"hosts": {"h2": {}}}}
        variables = {"hub_spoke_network": ["10.42.0.0/24"], "hub_spoke_interface": "wg7", "hub_spoke_port": 51999}
        inventory["vpn"]["vars"].update(variables)
        (lab.path / "inventory.yml").write_text(json.dumps({**inventory, **groups}))
        message = failure(lab.playbook(PLAY))
        assert "hosts 'h1', 'h2': hub_spoke_network: 10.42.0.0/24 is a network that this host has by itself" in message
        assert "10.42.0.0/24 (the network on wg0)" in message
        assert not exists(lab, "h1", "wg7")
