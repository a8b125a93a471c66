# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A compromised member writes its state file by hand, while another member is down."""

from __future__ import annotations

import json

from mesh_lab import NETWORK, assert_full_mesh, assert_ok, mesh, peers, public_key

GONE = {"ansible_exec_prefix": ["nsenter", "--net=/run/netns/ww-nowhere", "--"]}
STATE = "/var/lib/wirewright.overlay/wg0.json"
EVIL = "MxEu4U7kacPrUv6QMi7IHdQEoAk9Vlptcc53y8gSTjs="


def test_a_compromised_member_changes_nothing_between_others() -> None:
    """It claims that the keys of h1 and h2 are revoked, and another key for h1, which is down while h4 joins."""
    with mesh("h1", "h2", "h3") as lab:
        first, second, third = (public_key(lab, name) for name in ("h1", "h2", "h3"))
        stored = json.loads(lab.run("h3", ["cat", STATE]).stdout)
        stored["revoked"] = {first: "h1", second: "h2"}
        stored["peers"][EVIL] = stored["peers"].pop(first)
        lab.run("h3", ["sh", "-c", f"cat > {STATE}"], input=json.dumps(stored))
        before = peers(lab, "h2")[first].configuration()
        lab.up(["h4"])
        lab.inventory({"h1": GONE}, mesh_network=NETWORK)
        play = lab.playbook("site.yml")
        assert play.recap["h2"]["failures"] == play.recap["h4"]["failures"] == 0
        assert peers(lab, "h2")[first].configuration() == before
        assert peers(lab, "h4").keys() == {second, third}
        text = " ".join((play.stdout + play.stderr).split())
        assert f"{EVIL} by 'h3'" in text
        assert "has stored keys of 'h2' as revoked" in text

        lab.inventory(mesh_network=NETWORK, overlay_revoked=["h3"])
        assert_ok(lab.playbook("site.yml"))
        assert EVIL not in peers(lab, "h2").keys() | peers(lab, "h4").keys()
        lab.down("h3")
        assert_full_mesh(lab)
