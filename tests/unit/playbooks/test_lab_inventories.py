# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventories of labs: plays with `become: true` reach their hosts as root on a machine without sudo."""

from __future__ import annotations

from pathlib import Path

import yaml

INVENTORIES = Path(__file__).parents[3] / "inventories"


def test_hosts_made_of_namespaces_need_no_sudo() -> None:
    files = {path: yaml.safe_load(path.read_text()) or {} for path in sorted(INVENTORIES.glob("*/group_vars/*.yml"))}
    labs = {path.parts[-3]: found for path, found in files.items() if found.get("ansible_exec_prefix")}
    assert sorted(labs) == sorted(path.name for path in INVENTORIES.glob("lab*"))
    assert [name for name, found in labs.items() if found.get("ansible_become") is not False] == []
