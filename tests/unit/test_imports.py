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

COLLECTIONS = Path(__file__).parents[2] / ".cache" / "collections"
PLUGINS_DIRECTORY = Path(__file__).parents[2] / "plugins"
PLUGINS = "ansible_collections.wirewright.overlay.plugins"

CONVERGE = f"""
from {PLUGINS}.module_utils._engine.errors import InvalidOptions
from {PLUGINS}.module_utils._overlay.converge import converge_host
try:
    converge_host(json.loads(sys.argv[1]), check_mode=True)
except InvalidOptions as refused:
    errors = list(refused.errors)
"""
GATHER = f"""
from {PLUGINS}.module_utils._overlay.facts import gather
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

# What a run without changes imports, as in version 0.1.0.
LINES = 4603
# What is needed for a document with sections, for one that changes something, or for its diff.
BESIDE = {
    "_host.file_stage",
    "_interface.diff",
    "_interface.apply",
    "_interface.rollback",
    "_interface.stage",
    "_overlay.execute",
    "_overlay.lockout",
    "_overlay.options",
    "_overlay.packet_filter",
    "_overlay.stages",
}


def imported(module: str, work: str = "", options: Mapping[str, Any] | None = None) -> tuple[set[str], list[str]]:
    """Return the files of module_utils that an interpreter has imported after some work, and the reported errors."""
    script = (
        f"import json, sys\nsys.path.insert(0, {str(COLLECTIONS)!r})\nerrors = []\n"
        f"import {PLUGINS}.modules.{module}\n{work}\n"
        "print(json.dumps([[name for name in sys.modules], errors]))"
    )
    argv = [sys.executable, "-c", script, json.dumps(options or {})]
    names, errors = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    prefix = f"{PLUGINS}.module_utils."
    return {name[len(prefix) :] for name in names if name.startswith(prefix)}, errors


def line_count(name: str) -> int:
    """Return the number of lines of a file of module_utils, 0 for a package."""
    path = PLUGINS_DIRECTORY / "module_utils" / f"{name.replace('.', '/')}.py"
    return len(path.read_text().splitlines()) if path.is_file() else 0


def of(package: str, files: set[str]) -> set[str]:
    """Return which files of a package are imported."""
    return {name.partition(".")[2] for name in files if name.startswith(f"{package}.")}


def test_a_document_of_interfaces_alone_imports_nothing_else() -> None:
    files, errors = imported("overlay_apply", CONVERGE, INTERFACES)
    assert not errors
    assert not {file for file in files if file.split(".")[0] in ("_nftables", "_xfrm", "_stun", "_probe", "_traffic")}
    assert of("_fib", files) == {"boot_paths", "link_routes"}
    assert of("_netlink", files) == {"connection", "generic", "link", "messages", "route", "route_lookup"}
    assert of("_host", files) >= {"addresses", "links"} and not of("_host", files) & {"facts", "firewalls"}
    assert not of("_kubernetes", files) and "codec" in of("_wireguard", files)
    assert {"_interface.plan", "_interface.prepare", "_overlay.converge"} <= files and not files & BESIDE
    assert "userspace" not in of("_wireguard", files) and "_engine.stage" not in files
    lines = sum(map(line_count, files))
    assert lines <= LINES, (
        f"a run without changes imports {lines} lines, more than {LINES}: import code that most runs do not need in the "
        "function that needs it"
    )


def test_each_section_imports_the_packages_it_needs() -> None:
    files, errors = imported("overlay_apply", CONVERGE, SECTIONS)
    assert {error.partition(".")[0].partition("[")[0].partition(":")[0] for error in errors} == set(SECTIONS)
    assert {"options", "stages", "packet_filter", "temporary_sysctls", "ipsec_boot"} <= of("_overlay", files)
    assert {"rule_options", "route_options"} <= of("_fib", files)
    assert {"state_options", "policy_options"} <= of("_xfrm", files) and "options" in of("_nftables", files)


@pytest.mark.parametrize("module", ["wg_interface", "wg_peer"])
def test_modules_of_one_interface_import_no_whole_host(module: str) -> None:
    files, _errors = imported(module)
    assert {"options", "plan", "prepare"} <= of("_interface", files)
    assert {"exclusive", "lock"} <= of("_overlay", files)
    assert not files & {"_overlay.converge", "_overlay.pending", *BESIDE}


def test_facts_import_no_devices_tables_or_nodes() -> None:
    files, _errors = imported("overlay_prepare", GATHER)
    assert of("_wireguard", files) == {"facts", "kernel_module", "key_change", "key_file", "keys", "state_file"}
    assert not of("_fib", files) and of("_host", files) == {
        "facts",
        "files",
        "network_routes",
        "ports",
        "ssh_connection",
    }
    assert of("_netlink", files) == {"connection", "generic", "limited_dump", "messages", "route", "route_lookup"}
    assert not of("_nftables", files) | of("_xfrm", files)
