# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface of a mesh gets another name: one run replaces it on every host."""

from __future__ import annotations

from mesh_lab import NETWORK, addresses, assert_full_mesh, assert_ok, exists, mesh, ping

SITE = {"h2": {"mesh_networks": ["10.77.0.0/24", "fd77::/64"]}}


def test_a_mesh_renames_its_interface_in_one_run() -> None:
    with mesh("h1", "h2", "h3", per_host=SITE, overlay_persistence="wg_quick") as lab:
        assert_full_mesh(lab)
        for address in ("10.77.0.1/24", "fd77::1/64"):
            lab.run("h2", ["ip", "address", "add", address, "dev", "lo"])
        before = {name: addresses(lab, name) for name in lab.hosts}
        lab.inventory(SITE, mesh_network=NETWORK, overlay_persistence="wg_quick", mesh_interface="overlay0")
        preview = assert_ok(lab.playbook("site.yml", "--check", "--diff"))
        assert {name: counts["changed"] > 0 for name, counts in preview.recap.items()} == dict.fromkeys(before, True)
        assert all(exists(lab, name) for name in before)
        assert_ok(lab.playbook("site.yml"))
        assert {name: addresses(lab, name, "overlay0") for name in before} == before
        assert not any(exists(lab, name) for name in before)
        assert_full_mesh(lab, "overlay0")
        assert ping(lab, "h1", "10.77.0.1") and ping(lab, "h3", "fd77::1")
        files = lab.run("h1", ["ls", "/etc/wireguard", "/var/lib/wirewright.overlay"]).stdout.split()
        assert {"overlay0.conf", "overlay0.json", "wg0.key"} <= set(files)
        assert "wg0.conf" not in files and "wg0.json" not in files
        assert assert_ok(lab.playbook("site.yml")).changed == 0
