# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names of variables are typing errors, and of what."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.wirewright.overlay.plugins.plugin_utils._variable_names import COMMON, VariableNames

ROOT = Path(__file__).parents[4]
SPECIFICATIONS = ROOT.glob("roles/*/meta/argument_specs.yml")
KNOWN = {
    name
    for path in SPECIFICATIONS
    for name in yaml.safe_load(path.read_text())["argument_specs"]["main"].get("options", {})
}


def judged(*names: str) -> dict[str, str]:
    found = VariableNames(KNOWN)
    found.add("h1", names)
    return {problem.variable: problem.text for problem in found.problems()}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("mesh_prot", "mesh_port"),
        ("mesh_listen_port", "mesh_port"),
        ("mesh_netwrk", "mesh_network"),
        ("mesh_adress", "mesh_addresses"),
        ("mesh_Port", "mesh_port"),
        ("mesh_end_point", "mesh_endpoint"),
        ("msh_port", "mesh_port"),
        ("meshs_network", "mesh_network"),
        ("MESH_PORT", "mesh_port"),
        ("hubspoke_network", "hub_spoke_network"),
        ("hub_spokes_network", "hub_spoke_network"),
        ("hub_spoke_full_tunel", "hub_spoke_full_tunnel"),
        ("node_encryption_strikt", "node_encryption_strict"),
        ("overlay_revokd", "overlay_revoked"),
        ("overlay_psk_mater", "overlay_psk_master"),
        ("endpoint_refresh_intervall", "endpoint_refresh_interval"),
    ],
)
def test_typing_errors_are_named_with_the_nearest_right_name(written: str, meant: str) -> None:
    assert judged(written)[written].endswith(f"; write {meant}")


def test_a_name_with_the_prefix_of_one_of_our_roles_is_an_error_also_without_a_similar_name() -> None:
    assert judged("node_encryption_colour") == {
        "node_encryption_colour": "the role node_encryption has no variable of this name, so it has no effect; remove it"
    }


@pytest.mark.parametrize(
    "name",
    [
        *("ansible_host", "inventory_hostname", "ssh_port", "http_port", "wg_port", "network", "port", "group_names"),
        # Variables of users and of other collections' roles, and registered results.
        *("mesh_id", "mesh_domain", "mesh_result", "mesh_plan", "mesh_hosts", "mesh_gateway_name", "service_mesh_port"),
        *("overlay_network_driver", "overlay_mtu", "overlay_dir", "__mesh_plan", "__mesh_result", "istio_mesh_port"),
    ],
)
def test_names_of_others_are_not_judged(name: str) -> None:
    assert judged(name) == {}


def test_all_variables_of_roles_playbooks_and_examples_are_right() -> None:
    assert judged(*KNOWN, *COMMON) == {}
    for file in (*ROOT.glob("inventories/**/*.yml"), *ROOT.glob("playbooks/*.yml"), *ROOT.glob("roles/*/tasks/*.yml")):
        assert judged(*re.findall(r"\b(?<![./-])(?:__)?[a-z]+_[a-z_]*[a-z]\b", file.read_text())) == {}, file


def test_the_common_variables_are_those_of_playbooks_and_roles() -> None:
    files = [*ROOT.glob("playbooks/*.yml"), *ROOT.glob("roles/*/*/*.yml")]
    used = {name for file in files for name in re.findall(r"\b(?<!\.)overlay_[a-z_]+\b(?!:)", file.read_text())}
    assert used - {"overlay_prepare", "overlay_plan", "overlay_apply", "overlay_summary"} <= set(COMMON)


def test_each_host_with_a_wrong_name_is_named() -> None:
    found = VariableNames(KNOWN)
    for host in ("h1", "h2", "h3"):
        found.add(host, ["mesh_port", *(["mesh_prot"] if host != "h2" else [])])
    assert [(problem.host, problem.variable) for problem in found.problems()] == [
        ("h1", "mesh_prot"),
        ("h3", "mesh_prot"),
    ]
