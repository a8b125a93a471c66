# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports that another interface of the collection has on the same host."""

from __future__ import annotations

from typing import Any

import planned_hub_spoke
import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from planned_fleet import host, problems
from planned_hub_spoke import hub, spoke


def beside(given: HostInput, port: object, overlay: str = "mesh", name: str = "wg7") -> HostInput:
    """Return a host that has an interface of another overlay on a port."""
    assert given.fact is not None
    other = {"public_key": None, "addresses": [], "peers": "", "notes": {"overlay": overlay, "port": port}}
    return given._replace(fact={**given.fact, "interfaces": {**given.fact["interfaces"], name: other}})


def test_the_port_of_another_overlay_of_the_host_is_refused_in_a_mesh() -> None:
    (problem,) = problems(beside(host("h1"), "51820", "hub_spoke hubs spokes"), host("h2"))
    said = "host 'h1': mesh_port: 51820 is the port of 'wg7' (hub_spoke hubs spokes) on this host; set another one for 'wg0'"
    assert problem == said
    for port in ("51821", "", "x", 51820, None):
        assert problems(beside(host("h1"), port), host("h2")) == ()
    assert problems(beside(host("h1", {"port": 0}), "51820"), host("h2")) == ()


@pytest.mark.parametrize(
    ("one", "two", "said"),
    [
        (beside(hub("h1"), "51820"), spoke("s3"), "host 'h1': hub_spoke_port: 51820 is the port of 'wg7' (mesh)"),
        (
            hub("h1"),
            beside(spoke("s3", {"port": 40000}), "40000"),
            "host 's3': hub_spoke_port: 40000 is the port of 'wg7'",
        ),
        (
            hub("h1"),
            beside(spoke("s3", {"ports": {"wg0": 7}}), "7"),
            "host 's3': hub_spoke_ports: 7 is the port of 'wg7'",
        ),
        (
            hub("h1"),
            beside(spoke("s3", {"direct": True, "ports": {"wgdirect": 7}}, {"wg0": {}, "wgdirect": {}}), "7"),
            "host 's3': hub_spoke_ports: 7 is the port of 'wg7' (mesh) on this host; set another one for 'wgdirect'",
        ),
    ],
)
def test_the_ports_of_all_interfaces_of_hubs_and_spokes_are_compared(one: Any, two: Any, said: str) -> None:
    (problem,) = planned_hub_spoke.problems(one, two)
    assert problem.startswith(said)


def busy(name: str, port: int, was: str, *in_use: int) -> HostInput:
    """Return a host with other programs on UDP ports, whose interface has had a port."""
    one = host(name, {"port": port}, notes={"overlay": "mesh", "port": was})
    assert one.fact is not None
    return one._replace(fact={**one.fact, "udp_ports": list(in_use)})


def test_a_port_is_not_changed_to_that_of_another_program() -> None:
    """The others would change the endpoint, and this host would find the port taken."""
    (problem,) = problems(busy("h1", 51999, "51820", 53, 51820, 51999), busy("h2", 51999, "51820", 51820))
    assert problem == (
        "host 'h1': mesh_port: 51999 is in use by another program on this host (ss -lunp names it); set another one for 'wg0'"
    )


@pytest.mark.parametrize(
    ("port", "was", "in_use"),
    [(51820, "51820", (51820,)), (51820, "", (51820,)), (51999, "51820", (53, 51820)), (0, "51820", (0,))],
)
def test_the_port_of_the_interface_itself_is_no_other_program(port: int, was: str, in_use: tuple[int, ...]) -> None:
    assert problems(busy("h1", port, was, *in_use), host("h2")) == ()


def test_ports_of_a_hostile_shape_are_ignored() -> None:
    one = busy("h1", 51999, "51820")
    assert one.fact is not None
    for shape in ("51999", {"51999": 1}, None, [None, "51999", [51999]]):
        assert problems(one._replace(fact={**one.fact, "udp_ports": shape}), host("h2")) == ()
