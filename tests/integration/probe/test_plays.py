# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The play of docs/probe.md, over a mesh that the roles have made."""

from __future__ import annotations

import pytest
from lab_hosts import ROOT
from mesh_lab import assert_ok, mesh

pytestmark = pytest.mark.plays


def test_play_of_the_page_over_a_mesh() -> None:
    page = (ROOT / "docs/probe.md").read_text()
    play = "\n".join(line[4:] for line in page.splitlines() if line.startswith("    "))
    with mesh("h1", "h2", "h3") as lab:
        ran = assert_ok(lab.playbook(play))
        assert ran.changed == 0
        found = ran.results(action="wirewright.overlay.overlay_probe")
        assert [result["summary"] for result in found] == ["2 peers: 2 ok"] * 6
        names = {tuple(peer["name"] for peer in result["peers"]) for result in found}
        assert names == {("h1", "h2"), ("h1", "h3"), ("h2", "h3")}
        stopped = lab.run("h3", ["ip", "link", "delete", "wg0"])
        assert stopped.returncode == 0
        failed = lab.playbook(play.replace("deadline: 60", "deadline: 7"))
        assert {host for host, counts in failed.recap.items() if counts["failures"]} == {"h1", "h2", "h3"}
        assert "2 peers: 1 ok, 1 one_way (h3)" in failed.stdout
        assert "this host has no WireGuard interface wg0" in failed.stdout
