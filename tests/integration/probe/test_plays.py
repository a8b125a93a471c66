# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The play of docs/probe.md on a mesh built by the roles."""

from __future__ import annotations

import pytest
from lab_hosts import ROOT, Lab
from mesh_lab import NETWORK, assert_ok, failure, mesh

pytestmark = pytest.mark.plays

PROBE = "wirewright.overlay.probe_info"


@pytest.mark.slow
def test_play_of_the_page_over_a_mesh() -> None:
    page = (ROOT / "docs/probe.md").read_text()
    play = "\n".join(line[4:] for line in page.splitlines() if line.startswith("    "))
    with mesh("h1", "h2", "h3", converge=False) as lab:
        verify_the_mesh_of_the_role(lab)
        ran = assert_ok(lab.playbook(play))
        assert ran.changed == 0
        found = ran.results(action=PROBE)
        assert [result["summary"] for result in found] == ["2 peers: 2 ok"] * 6
        names = {tuple(peer["name"] for peer in result["peers"]) for result in found}
        assert names == {("h1", "h2"), ("h1", "h3"), ("h2", "h3")}
        stopped = lab.run("h3", ["ip", "link", "delete", "wg0"])
        assert stopped.returncode == 0
        failed = lab.playbook(play.replace("deadline: 60", "deadline: 7"))
        assert {host for host, counts in failed.recap.items() if counts["failures"]} == {"h1", "h2", "h3"}
        assert "2 peers: 1 ok, 1 one_way (h3)" in failed.stdout
        assert "this host has no WireGuard interface wg0" in failed.stdout


def verify_the_mesh_of_the_role(lab: Lab) -> None:
    """Build the mesh; changed hosts probe the hosts of the run, and a failed probe is a warning by default."""
    verified = {"mesh_network": NETWORK, "mesh_verify_seconds": 20}
    lab.inventory(**verified)
    made = assert_ok(lab.playbook("site.yml"))
    assert [(result["summary"], result["peers"]) for result in made.results(action=PROBE)] == [
        ("2 peers: 2 ok", [])
    ] * 3
    # h3 is not in the run and is not probed; unchanged hosts probe nothing.
    lab.run("h2", ["ip", "link", "set", "wg0", "mtu", "1300"])
    again = assert_ok(lab.playbook("site.yml", "--limit", "h1,h2", "-vvv"))
    assert [result["summary"] for result in again.results(host="h2", action=PROBE)] == ["1 peer: 1 ok"]
    assert again.remote_calls["h1"] == 2
    # h3 drops all packets, and the run continues.
    lab.run("h3", ["nft", "-f", "-"], input=DEAF)
    lab.run("h2", ["ip", "link", "set", "wg0", "mtu", "1300"])
    lab.inventory(**{**verified, "mesh_verify_seconds": 2})
    deaf = assert_ok(lab.playbook("site.yml"))
    assert deaf.changed == 1
    assert "h2: not all peers work: 2 peers: 1 ok, 1 one_way (h3)" in deaf.stdout + deaf.stderr
    lab.run("h2", ["ip", "link", "set", "wg0", "mtu", "1300"])
    lab.inventory(**{**verified, "mesh_verify_seconds": 2, "mesh_verify_fail": True})
    failed = lab.playbook("site.yml")
    assert "h3: one_way: " in failure(failed)
    # h2 was changed all the same.
    summaries = [result["msg"] for result in failed.results(task="Summarize the changes") if "msg" in result]
    assert ["h2: ~1 interface wg0 (mtu)"] in summaries
    lab.run("h3", ["nft", "delete", "table", "inet", "deaf"])


DEAF = "table inet deaf { chain input { type filter hook input priority 0; udp dport 51820 drop; }; }"
