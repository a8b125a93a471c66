# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that forward for a network behind them and have a firewall of their own: the run says what it drops, and how to
open it.
"""

from __future__ import annotations

import pytest
from hub_spoke_lab import ADDRESSES, SITE_OF, build, converge, is_cut_off, reaches
from lab_hosts import Lab, Play
from mesh_lab import NETWORK, assert_ok, mesh, ping

SITE = SITE_OF["s2"]

# Commands that close a firewall, what the run says of it, and a command to open it.
CLOSED = (
    (
        "nft add table inet site; nft 'add chain inet site forward { type filter hook forward priority 0; policy drop; }'",
        "chain forward of nftables table inet site drops",
        "nft insert rule inet site forward iifname wg0 oifname {device} accept",
    ),
    (
        "iptables -P FORWARD DROP; iptables -N DOCKER-USER; iptables -A FORWARD -j DOCKER-USER",
        "docker drops",
        "iptables -I DOCKER-USER -i wg0 -o {device} -j ACCEPT",
    ),
)


def warnings(play: Play, host: str) -> list[str]:
    """Return the warnings of the task that applies the configuration on a host."""
    return [
        warning
        for result in play.results(host=host, task="Apply the overlay")
        for warning in result.get("warnings", ())
    ]


def commands(found: list[str]) -> list[str]:
    """Return the commands that warnings about firewalls give."""
    return [
        command
        for warning in found
        if "to open it: " in warning
        for command in warning.split("to open it: ")[1].split("; ")
    ]


def device_to(lab: Lab, host: str, network: str) -> str:
    words = lab.run(host, ["ip", "route", "show", network]).stdout.split()
    return words[words.index("dev") + 1]


@pytest.mark.slow
def test_a_firewall_of_a_spoke_that_drops_the_packets_of_its_site_is_reported() -> None:
    with Lab() as lab:
        build(lab, ("hub1", "s2", "s4"))
        assert_ok(converge(lab))
        assert reaches(lab, "s4", "s2-site")
        device = device_to(lab, "s2", SITE)
        # Neither firewall stores its rules, so hub_spoke_open_firewall leaves them to the administrator.
        for (close, said, command), variables in zip(CLOSED, ({}, {"hub_spoke_open_firewall": True})):
            lab.run("s2", ["sh", "-ec", close])
            assert is_cut_off(lab, "s4", "s2-site"), said
            play = assert_ok(converge(lab, **variables))
            found = warnings(play, "s2")
            assert any(said in warning and "from wg0" in warning for warning in found), found
            assert command.format(device=device) in commands(found), found
            assert warnings(play, "s4") == [], "it forwards nothing"
            for each in commands(found):
                lab.run("s2", ["sh", "-ec", each])
            assert reaches(lab, "s4", "s2-site"), said
            assert ping(lab, "s2-site", ADDRESSES["s4"]), said
        play = assert_ok(converge(lab))
        assert warnings(play, "s2") == [] and play.changed == 0


def test_a_firewall_of_a_mesh_gateway_is_reported() -> None:
    with mesh("h1", "h2", per_host={"h2": {"mesh_networks": ["10.77.0.0/24"]}}, converge=False) as lab:
        script = "ip link add lan type bridge; ip link set lan up; ip address add 10.77.0.1/24 dev lan"
        lab.run("h2", ["sh", "-ec", f"{script}; iptables -A FORWARD -j REJECT"])
        play = assert_ok(lab.playbook("site.yml"))
        assert set(commands(warnings(play, "h2"))) == {
            "iptables -I FORWARD -i wg0 -o lan -j ACCEPT",
            "iptables -I FORWARD -i lan -o wg0 -j ACCEPT",
        }
        assert warnings(play, "h1") == []
        # A network to which the gateway has no route of its own can be behind several interfaces.
        lab.inventory({"h2": {"mesh_networks": ["10.76.0.0/15"]}}, mesh_network=NETWORK)
        found = commands(warnings(assert_ok(lab.playbook("site.yml", "--check")), "h2"))
        assert set(found) == {"iptables -I FORWARD -i wg0 -j ACCEPT", "iptables -I FORWARD -o wg0 -j ACCEPT"}
        lab.inventory({"h2": {"mesh_networks": ["10.77.0.0/24"], "mesh_forward": False}}, mesh_network=NETWORK)
        (warning,) = warnings(assert_ok(lab.playbook("site.yml")), "h2")
        assert "net.ipv4.ip_forward stays 1" in warning, "it says nothing of the firewall"
