# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Optional programs of roles are found by their units and configuration; those of somebody else are left out."""

from __future__ import annotations

import json
from pathlib import Path

from ansible_collections.wirewright.overlay.plugins.module_utils._host.files import HEADER
from ansible_collections.wirewright.overlay.plugins.module_utils._host.programs import installed

UNITS = "etc/systemd/system"
CONFIGURATION = "etc/wirewright.overlay/failover.json"
HUBS = json.dumps({"hubs": [{"name": "hub1", "dev": "wg0"}, {"name": "hub2", "dev": "wg1"}]})


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_a_host_without_programs(tmp_path: Path) -> None:
    assert installed(str(tmp_path)) == {}


def test_the_failover_program_with_the_interfaces_of_its_configuration(tmp_path: Path) -> None:
    write(tmp_path, f"{UNITS}/wirewright-overlay-failover.service", f"{HEADER}\n[Unit]\n")
    assert installed(str(tmp_path)) == {"failover": []}
    write(tmp_path, CONFIGURATION, HUBS)
    assert installed(str(tmp_path)) == {"failover": ["wg0", "wg1"]}
    for damaged in ("{", "[]", '{"hubs": 1}', '{"hubs": [{}]}'):
        write(tmp_path, CONFIGURATION, damaged)
        assert installed(str(tmp_path)) == {"failover": []}


def test_without_systemd_the_configuration_counts(tmp_path: Path) -> None:
    write(tmp_path, CONFIGURATION, HUBS)
    assert installed(str(tmp_path)) == {"failover": ["wg0", "wg1"]}


def test_a_unit_of_somebody_else_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, CONFIGURATION, HUBS)
    write(tmp_path, f"{UNITS}/wirewright-overlay-failover.service", "[Unit]\n")
    write(tmp_path, f"{UNITS}/wirewright-overlay-direct@.service", "[Unit]\n")
    assert installed(str(tmp_path)) == {}


def test_the_interfaces_of_direct_tunnels_that_are_watched(tmp_path: Path) -> None:
    write(tmp_path, f"{UNITS}/wirewright-overlay-direct@.service", f"{HEADER}\n[Unit]\n")
    assert installed(str(tmp_path)) == {"direct": []}
    for name in ("wgdirect", "wg-d2"):
        write(tmp_path, f"{UNITS}/multi-user.target.wants/wirewright-overlay-direct@{name}.service", "")
    assert installed(str(tmp_path)) == {"direct": ["wg-d2", "wgdirect"]}


def test_a_program_of_direct_tunnels_whose_unit_is_gone(tmp_path: Path) -> None:
    write(tmp_path, "usr/local/lib/wirewright.overlay/wirewright-overlay-direct", "#!/usr/bin/python3\n")
    assert installed(str(tmp_path)) == {"direct": []}
