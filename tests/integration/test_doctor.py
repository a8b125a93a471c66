# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook doctor on lab hosts: it finds what would make the mesh fail, and changes nothing."""

from __future__ import annotations

import pytest
from lab_hosts import Lab, Play
from mesh_lab import NETWORK, assert_ok, failure, mesh
from taken_ports import port_taken

GONE = {"ansible_exec_prefix": ["nsenter", "--net=/run/netns/ww-nowhere", "--"]}
DROP = "add table inet f; add chain inet f input { type filter hook input priority 0; policy drop; }"


def table(play: Play) -> list[str]:
    """Return the lines of the table, with single spaces."""
    (shown,) = play.results(task="Show the table")
    return [" ".join(line.split()) for line in shown["msg"]]


def states(lab: Lab) -> dict[str, str]:
    """Return links, addresses, routes, sysctls and files of each host."""
    commands = (
        "ip -br link; ip -br addr; ip route show table all; nft list ruleset; sysctl -a --pattern '^net.ipv[46].conf'; "
        "find /etc/wireguard /var/lib/wirewright.overlay /etc/systemd/network /etc/sysctl.d -ls 2>&1"
    )
    return {name: lab.run(name, ["sh", "-c", commands + "; true"]).stdout for name in lab.hosts}


def test_what_would_make_a_run_fail_is_named_and_nothing_changes() -> None:
    with Lab() as lab:
        lab.up([f"h{number}" for number in range(1, 7)])
        lab.inventory({"h6": GONE}, mesh_network=NETWORK)
        lab.run("h1", ["ip", "link", "add", "wg0", "type", "veth", "peer", "name", "other"])
        lab.run("h2", ["sh", "-c", "mkdir -p /etc/wireguard && printf '[Interface]\\n' > /etc/wireguard/wg0.conf"])
        lab.run("h4", ["sh", "-c", "mkdir -p /etc/wireguard && mount -t tmpfs -o ro none /etc/wireguard"])
        lab.run("h5", ["nft", DROP])
        before = states(lab)
        with port_taken(lab, "h3"):
            play = lab.playbook("playbooks/doctor.yml")
        lines = table(play)
        assert lines[-1] == "1 of 6 hosts are ready"
        for wanted in (
            "error interface h1 wg0 is an interface of the kind veth. Remedy: choose another name",
            "error interface h2 wg0 is configured by another program, with /etc/wireguard/wg0.conf.",
            "error port h3 UDP port 51820 is in use by python3 (process ",
            "error files h4 /etc/wireguard is on a read-only file system.",
            "error connection h6 the host is unreachable",
            "warning firewall h5 chain input of nftables table inet f drops UDP port 51820 coming in. Remedy: run nft insert",
            "warning boot h1, h2, h3, h4, h5 systemd does not run this host",
        ):
            assert any(line.startswith(wanted) for line in lines), (wanted, lines)
        failed = {name for name, recap in play.recap.items() if recap["failures"]}
        assert failed == {"h1", "h2", "h3", "h4", "h6"} and play.changed == 0
        assert states(lab) == before


def test_the_hosts_of_a_mesh_are_ready() -> None:
    with mesh("h1", "h2") as lab:
        before = states(lab)
        play = assert_ok(lab.playbook("playbooks/doctor.yml"))
        assert table(play)[-1] == "2 of 2 hosts are ready"
        assert not [line for line in table(play) if line.startswith("error")]
        assert states(lab) == before
        # A clock that went back: what the host wrote is of a later time.
        lab.run("h2", ["touch", "-d", "now + 3 days", "/var/lib/wirewright.overlay/wg0.json"])
        lines = table(lab.playbook("playbooks/doctor.yml"))
        assert any(
            line.startswith("error clock h2 the clock is 3 days behind the host's own latest handshake")
            for line in lines
        )


def test_another_role_is_refused_and_the_hubs_are_those_of_the_role() -> None:
    with Lab() as lab:
        lab.up(["h1", "h2"])
        lab.inventory(mesh_network=NETWORK)
        assert "overlay_doctor_role is hubspoke: write mesh" in failure(
            lab.playbook("playbooks/doctor.yml", "-e", "overlay_doctor_role=hubspoke")
        )
        lab.run("h1", ["nft", DROP])
        of_role = ["-e", "overlay_doctor_role=hub_spoke", "-e", "hub_spoke_hubs_group=vpn"]
        lines = table(lab.playbook("playbooks/doctor.yml", *of_role))
        assert any(
            line.startswith("error firewall h1 chain input of nftables table inet f drops UDP") for line in lines
        )
        assert any(line.startswith("note forwarding h1, h2 ") for line in lines), lines


@pytest.mark.slow
def test_without_root_the_missing_rights_are_named() -> None:
    with Lab() as lab:
        lab.up(["h1"])
        lab.inventory(
            {
                "h1": {
                    "ansible_exec_prefix": [*lab.enter("h1"), "setpriv", "--bounding-set=-net_admin", "--inh-caps=-all"]
                }
            }
        )
        lines = table(lab.playbook("playbooks/doctor.yml"))
        assert any(line.startswith("error rights h1 the module lacks CAP_NET_ADMIN") for line in lines), lines


def test_a_new_host_is_checked_by_its_first_run() -> None:
    with Lab() as lab:
        lab.up(["h1", "h2"])
        lab.inventory(mesh_network=NETWORK)
        lab.run(
            "h2",
            [
                "sh",
                "-c",
                "mkdir -p /var/lib/wirewright.overlay && touch -d 'now + 5 hours' /var/lib/wirewright.overlay/x",
            ],
        )
        play = assert_ok(lab.playbook("site.yml"))
        assert "h2: the clock is 5 hours behind the host's own latest handshake or state file" in str(play)
        assert "h1: the clock" not in str(play)
        assert "went back" not in str(lab.playbook("site.yml"))
