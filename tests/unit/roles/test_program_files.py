# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles write and remove no file on hosts with ansible.builtin that was not checked before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.wirewright.overlay.plugins.module_utils._host.program_files import PATHS

ROLES = Path(__file__).parents[3] / "roles"
WRITING = {f"ansible.builtin.{name}": key for name, key in (("copy", "dest"), ("template", "dest"), ("file", "path"))}
OTHERS = {
    f"ansible.builtin.{name}" for name in ("get_url", "unarchive", "lineinfile", "blockinfile", "assemble", "replace")
}
DIRECTORIES = {"/usr/local/lib/wirewright.overlay", "/etc/wirewright.overlay"}
PREPARE = "wirewright.overlay.overlay_prepare"


def tasks(listed: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield tasks, with those in blocks, in their order."""
    for task in listed:
        yield task
        yield from tasks(task.get("block", []))


def written(task: dict[str, Any]) -> list[str]:
    """Return the paths that a task writes or removes with ansible.builtin."""
    paths = [task[module][key] for module, key in WRITING.items() if module in task]
    return [str(item) for item in task["loop"]] if paths == ["{{ item }}"] else paths


FILES = [
    path for path in sorted(ROLES.glob("*/tasks/*.yml")) if any(map(written, tasks(yaml.safe_load(path.read_text()))))
]


def test_files_with_such_tasks_are_found() -> None:
    assert len(FILES) >= 8


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_each_path_is_checked_before_the_first_change(path: Path) -> None:
    checked: set[str] = set()
    for task in tasks(yaml.safe_load(path.read_text())):
        assert not OTHERS & task.keys(), task["name"]
        for name in task.get(PREPARE, {}).get("programs", []):
            checked |= {f"/{known}" for known in PATHS[name]} | DIRECTORIES
        assert set(written(task)) <= checked, task["name"]
