# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook fails where its group has no hosts, with what to write instead."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml
from playbook_runs import run_playbook

ROOT = Path(__file__).parents[3]
# No host can be reached, so a run that begins its work is unreachable there.
INVENTORY = """
all:
  vars: {ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1}
  children:
    vpn: {hosts: {h1: , h2: }}
    other: {hosts: {h9: }}
    empty: {}
"""
UNREACHABLE = 4
NO_GROUP = "{}: {!r} is neither a group with hosts nor a host of the inventory. Nothing was {}. Write the group"


def played(tmp_path: Path, playbook: str, *arguments: str, inventory_text: str = INVENTORY) -> tuple[int, str]:
    """Return the exit code and the output on one line."""
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(inventory_text)
    output = tmp_path / "output"
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    arguments = ("-i", str(inventory), f"playbooks/{playbook}.yml", *arguments)
    code = run_playbook(arguments, environment, (output, output), 300)
    return code, " ".join(output.read_text().split()).replace('"', "'")


@pytest.mark.parametrize(
    ("playbook", "arguments", "expected"),
    [
        ("remove", ["-e", "overlay_group=vpn:othr"], NO_GROUP.format("overlay_group", "othr", "removed")),
        ("remove", ["-e", "overlay_group=empty"], NO_GROUP.format("overlay_group", "empty", "removed")),
        ("remove", ["--limit", "h9"], "overlay_group: 'vpn' matches no host of --limit h9. Name hosts of this group"),
        ("node_encryption_remove", [], NO_GROUP.format("overlay_nodes_group", "k8s_nodes", "removed")),
        ("node_encryption_disable", [], NO_GROUP.format("overlay_nodes_group", "k8s_nodes", "disabled")),
        ("site", ["-e", "overlay_group=empty"], NO_GROUP.format("overlay_group", "empty", "changed")),
        ("import", ["-e", "overlay_group=othr"], NO_GROUP.format("overlay_group", "othr", "imported")),
        ("hub_spoke", [], NO_GROUP.format("overlay_hubs_group", "hubs", "changed")),
        ("hub_spoke", ["-e", "overlay_hubs_group=h1"], NO_GROUP.format("overlay_spokes_group", "spokes", "changed")),
        ("node_encryption", [], NO_GROUP.format("overlay_nodes_group", "k8s_nodes", "changed")),
        ("node_encryption_rotate", ["--tags", "apply"], NO_GROUP.format("overlay_nodes_group", "k8s_nodes", "rotated")),
        ("node_encryption_verify", [], NO_GROUP.format("overlay_nodes_group", "k8s_nodes", "verified")),
        ("virtual_ip", [], NO_GROUP.format("virtual_ip_group", "k8s_nodes", "changed")),
    ],
)
def test_a_group_without_hosts_is_refused(tmp_path: Path, playbook: str, arguments: list[str], expected: str) -> None:
    code, output = played(tmp_path, playbook, *arguments)
    assert code not in (0, UNREACHABLE)
    assert expected in output
    assert "-e overlay_" in output or "-e virtual_ip_group=" in output
    assert "Groups with hosts: other, vpn" in output


@pytest.mark.parametrize(
    ("playbook", "arguments"),
    [
        ("remove", ["-e", "overlay_group='vpn[0:1]:!h1'"]),
        ("remove", ["--limit", "h2,h9"]),
        ("hub_spoke", ["-e", "overlay_hubs_group=other", "-e", "overlay_spokes_group=vpn", "--limit", "h2"]),
    ],
)
def test_patterns_of_hosts_are_accepted(tmp_path: Path, playbook: str, arguments: list[str]) -> None:
    code, output = played(tmp_path, playbook, *arguments)
    assert code == UNREACHABLE, output
    assert re.search(r"h2 : ok=\d changed=0 unreachable=1", output), output


def test_a_limit_to_others_does_nothing_where_hosts_are_set_up(tmp_path: Path) -> None:
    code, output = played(tmp_path, "site", "--limit", "h9")
    assert code == 0, output


@pytest.mark.parametrize(
    ("playbook", "where", "variable", "arguments", "said"),
    [
        ("remove", "all", "overlay_group: other", ["-e", "overlay_remove_confirm=other"], "overlay_group: other is in"),
        ("site", "other", "overlay_group: other", [], "overlay_group: other is in the inventory"),
        ("site", "vpn", "overlay_serial: 1", [], "overlay_serial: 1 is in the inventory"),
        ("site", "vpn", "overlay_serial: 1", ["-e", "overlay_serial=2"], ""),
        ("site", "vpn", "overlay_group: vpn", [], ""),
        ("remove", "all", "overlay_group: other", ["-e", "overlay_group=vpn"], ""),
        ("doctor", "all", "overlay_serial: 1", [], ""),
        (
            "hub_spoke",
            "all",
            "overlay_hubs_group: vpn",
            ["-e", "overlay_spokes_group=other"],
            "overlay_hubs_group: vpn is in",
        ),
        ("node_encryption", "vpn", "overlay_nodes_group: vpn", [], "overlay_nodes_group: vpn is in the inventory"),
        ("virtual_ip", "vpn", "virtual_ip_group: vpn", [], "virtual_ip_group: vpn is in the inventory"),
    ],
)
def test_a_group_that_ansible_would_ignore_in_the_inventory_is_refused(
    tmp_path: Path, playbook: str, where: str, variable: str, arguments: list[str], said: str
) -> None:
    """Ansible determines the hosts of a play without variables of the inventory, which its tasks see."""
    inventory = yaml.safe_load(INVENTORY)
    group = inventory["all"] if where == "all" else inventory["all"]["children"][where]
    group["vars"] = {**group.get("vars", {}), **yaml.safe_load(variable)}
    code, output = played(tmp_path, playbook, *arguments, inventory_text=yaml.safe_dump(inventory))
    if said:
        assert code not in (0, UNREACHABLE) and said in output, output
        assert "Nothing was " in output and "write it with -e" in output
    else:
        assert "is in the inventory" not in output and "h1" in output, output


def test_every_playbook_of_a_group_requires_its_hosts() -> None:
    """Of the others, lab_up and lab_down work on this machine, and require_hosts is what is imported."""
    without = {
        path.stem
        for path in (ROOT / "playbooks").glob("*.yml")
        if not any(
            play.get("ansible.builtin.import_playbook") == "require_hosts.yml"
            for play in yaml.safe_load(path.read_text())
        )
    }
    assert without == {"lab_up", "lab_down", "require_hosts"}
