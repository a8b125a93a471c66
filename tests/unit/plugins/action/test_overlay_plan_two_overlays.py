# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two overlays that one play plans for the same hosts."""

from __future__ import annotations

import pytest
from fleet_project import Project, fact_of

OPTIONS = {"mesh_interface": "name", "mesh_network": "network", "mesh_port": "port"}


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


@pytest.mark.parametrize("mode", [[], ["--check"]])
def test_the_members_of_each_overlay_are_looked_up_on_new_hosts(project: Project, mode: list[str]) -> None:
    """Also of a role that is included in a loop, where each plan replaces the registered one."""
    overlays = [("wg0", "10.42.0.0/24"), ("wg1", "10.43.0.0/24"), ("wg2", "10.44.0.0/24")]
    items = [{"name": name, "network": network, "port": 51820 + at} for at, (name, network) in enumerate(overlays)]
    own = {name: f"{{{{ item.{of} }}}}" for name, of in OPTIONS.items()}
    shown = "{{ item }}: {{ lookup('wirewright.overlay.members', item) | dictsort }}"
    project.play["tasks"] = [
        {"ansible.builtin.include_role": {"name": "mesh"}, "vars": own, "loop": items},
        {"ansible.builtin.debug": {"msg": shown}, "loop": [name for name, _network in overlays]},
    ]
    del project.play["roles"]
    new = {"public_key": None, "new_key": True} if mode else {}
    project.hosts({name: {"fake_fact": fact_of(name, at, **new)} for at, name in enumerate(("h1", "h2"), 1)})
    run = project.run(*mode)
    assert run.code == 0, run.output
    for name, network in overlays:
        (line, _of_h2) = [line for line in run.output.splitlines() if f'"{name}: [' in line]
        assert line.count(network.removesuffix("0/24")) == 2 and "h1" in line and "h2" in line
