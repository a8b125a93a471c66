# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two overlays that one play plans for the same hosts."""

from __future__ import annotations

from fleet_project import Project


def test_a_second_mesh_in_the_network_of_the_first_is_refused_also_in_check_mode(project: Project) -> None:
    second = {"role": "mesh", "vars": {"mesh_interface": "wg1", "mesh_port": 51821}}
    project.play["roles"] = [{"role": "mesh"}, second]
    project.hosts(["h1", "h2"])
    run = project.run("--check")
    assert run.code != 0
    expected = "hosts 'h1', 'h2': mesh_network: 10.42.0.0/24 overlaps 10.42.0.0/24, the network that this run has planned for wg0"
    assert expected in run.output, run.output
    assert {run.interface(name)["name"] for name in ("h1", "h2")} == {"wg0"}


def test_a_second_mesh_with_a_network_and_a_port_of_its_own_is_planned(project: Project) -> None:
    own = {"mesh_interface": "wg1", "mesh_port": 51821, "mesh_network": "10.43.0.0/24"}
    project.play["roles"] = [{"role": "mesh"}, {"role": "mesh", "vars": own}]
    project.hosts(["h1", "h2"])
    run = project.run()
    assert run.code == 0, run.output
    assert {run.interface(name)["name"] for name in ("h1", "h2")} == {"wg1"}
