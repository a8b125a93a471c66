# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module imports, which a host compiles anew with every run: what its options need, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

COLLECTIONS = Path(__file__).parents[4] / ".cache" / "collections"
PLUGINS = "ansible_collections.wirewright.overlay.plugins"

CONVERGE = f"""
from {PLUGINS}.module_utils.refusal import InvalidOptions
from {PLUGINS}.module_utils.transaction.host_apply import converge_host
try:
    converge_host(json.loads(sys.argv[1]), check_mode=True)
except InvalidOptions as refused:
    said = list(refused.errors)
"""
GATHER = f"""
from {PLUGINS}.module_utils.transaction.host_facts import gather
gather({{"ww-none0": None}}, {{}}, userspace=False, nftables=False)
"""

# An interface that no host has: what it takes is read from the kernel and planned, and nothing is done.
INTERFACES = {
    "interfaces": [
        {
            "name": "ww-none0",
            "addresses": ["10.42.0.1/24"],
            "persistence": "networkd",
            "peers": [{"public_key": "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=", "allowed_ips": ["10.42.0.2/32"]}],
        }
    ],
    "ip_routes": [],
    "xfrm_keys": {},
    "open_firewall": False,
    "allow_management_change": True,
}
# Each of these is wrong, so that all of them are read and nothing is done.
SECTIONS = {
    "nftables": {"wg0": {"isolate": 1}},
    "temporary_sysctls": {"../up": "1"},
    "ip_rules": {"rules": [{"priority": -1}]},
    "ip_routes": [{"table": -1}],
    "xfrm_states": {"states": [{"spi": 0}]},
    "xfrm_policies": {"policies": [{"dir": "up"}]},
    "xfrm_boot": {"epoch": -1},
}

# What is needed for a document with sections, for one that changes something, or for its diff.
BESIDE = {
    "section_stages",
    "sections",
    "file_stage",
    "carry_out",
    "execute",
    "management_guard",
    "difference",
    "packet_filter",
}


def imported(module: str, work: str = "", options: Mapping[str, Any] | None = None) -> tuple[set[str], list[str]]:
    """Return the rooms that an interpreter holds after a module was imported and some work done, and what was said."""
    script = (
        f"import json, sys\nsys.path.insert(0, {str(COLLECTIONS)!r})\nsaid = []\n"
        f"import {PLUGINS}.modules.{module}\n{work}\n"
        "print(json.dumps([[name for name in sys.modules], said]))"
    )
    argv = [sys.executable, "-c", script, json.dumps(options or {})]
    names, said = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    prefix = f"{PLUGINS}.module_utils."
    return {name[len(prefix) :] for name in names if name.startswith(prefix)}, said


def of(room: str, rooms: set[str]) -> set[str]:
    """Return which files of a room are imported."""
    return {name.partition(".")[2] for name in rooms if name.startswith(f"{room}.")}


def test_a_document_of_interfaces_alone_imports_nothing_else() -> None:
    rooms, said = imported("overlay_apply", CONVERGE, INTERFACES)
    assert not said
    assert of("wireguard", rooms) and of("netlink", rooms)
    assert not {room for room in rooms if room.split(".")[0] in ("nftables", "xfrm", "stun", "probe", "census")}
    assert of("fib", rooms) == {"boot_paths", "routes", "ways"}
    assert of("netlink", rooms) == {"connection", "generic", "link", "messages", "route", "wireguard"}
    assert of("host", rooms) >= {"addresses", "links"} and not of("host", rooms) & {"node", "cni", "facts", "firewalls"}
    assert of("transaction", rooms) >= {"apply", "host_apply", "plan"} and not of("transaction", rooms) & BESIDE
    assert "userspace" not in of("wireguard", rooms) and "stage" not in rooms


def test_each_section_brings_the_room_it_needs() -> None:
    rooms, said = imported("overlay_apply", CONVERGE, SECTIONS)
    assert {error.partition(".")[0].partition("[")[0].partition(":")[0] for error in said} == set(SECTIONS)
    assert {"sections", "section_stages", "packet_filter", "temporary_sysctls", "ipsec_boot"} <= of(
        "transaction", rooms
    )
    assert {"rule_options", "route_options"} <= of("fib", rooms)
    assert {"desired_states", "desired_policies"} <= of("xfrm", rooms) and "options" in of("nftables", rooms)


@pytest.mark.parametrize("module", ["wg_interface", "wg_peer"])
def test_modules_of_one_interface_import_no_whole_host(module: str) -> None:
    rooms, _said = imported(module)
    assert {"apply", "desired", "plan"} <= of("transaction", rooms)
    assert not of("transaction", rooms) & {"host_apply", *BESIDE}


def test_facts_import_no_devices_tables_or_nodes() -> None:
    rooms, _said = imported("overlay_facts", GATHER)
    assert of("wireguard", rooms) == {"facts", "kernel_module", "key_change", "key_file", "keys", "memory"}
    assert of("fib", rooms) == {"ways"} and of("host", rooms) == {"facts"}
    assert of("netlink", rooms) == {"connection", "generic", "messages", "route"}
    assert not of("nftables", rooms) | of("xfrm", rooms)
