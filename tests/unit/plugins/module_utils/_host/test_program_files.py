# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in place of the files of optional programs is refused by name, all of it at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import Refused
from ansible_collections.wirewright.overlay.plugins.module_utils._host.files import HEADER
from ansible_collections.wirewright.overlay.plugins.module_utils._host.program_files import (
    PATHS,
    refuse_planted,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._host.programs import installed

FILES = sorted({path for paths in PATHS.values() for path in paths if ".wants/" not in path})
LINKS = sorted({path for paths in PATHS.values() for path in paths if ".wants/" in path})


def refused(root: Path) -> tuple[str, ...]:
    try:
        refuse_planted(PATHS, str(root))
    except Refused as error:
        return tuple(map(str, error.errors))
    return ()


def place(root: Path, path: str) -> Path:
    found = root / path.replace("*", "wgdirect")
    found.parent.mkdir(parents=True, exist_ok=True)
    return found


def plant(path: Path, kind: str) -> None:
    """Put something of a kind in place of a path."""
    if kind == "link":
        path.symlink_to("/etc/passwd")
    elif kind == "dangling link":
        path.symlink_to("/nothing")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.write_text(f"{HEADER}\n" if kind == "foreign mode" else "{}\n")
        path.chmod(0o666 if kind == "foreign mode" else 0o644)


def test_nothing_in_place_is_no_reason(tmp_path: Path) -> None:
    assert refused(tmp_path) == ()


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "directory", "foreign mode"])
def test_each_path_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    planted = [place(tmp_path, path) for path in (*FILES, *LINKS)]
    for path in planted:
        plant(path, kind)
    found = refused(tmp_path)
    assert len(found) == len(planted)
    assert all(any(text.startswith(f"{path} ") for text in found) for path in planted)


def test_a_file_of_others_is_refused_by_name(tmp_path: Path) -> None:
    by_first_line = [place(tmp_path, path) for path in FILES if not path.endswith(".json")]
    for path in by_first_line:
        plant(path, "foreign")
    assert len(refused(tmp_path)) == len(by_first_line)


def test_a_foreign_owner_is_refused(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("needs root")
    path = place(tmp_path, FILES[0])
    path.write_text(f"{HEADER}\n")
    os.chown(path, 1234, 1234)
    assert len(refused(tmp_path)) == 1


@pytest.mark.parametrize("kind", ["link", "pipe", "foreign mode"])
@pytest.mark.parametrize("directory", ["usr/local/lib/wirewright.overlay", "etc/wirewright.overlay"])
def test_a_directory_of_ours_that_is_none_is_refused(tmp_path: Path, directory: str, kind: str) -> None:
    plant(place(tmp_path, directory), kind)
    found = refused(tmp_path)
    assert found and all(text.startswith(f"{tmp_path / directory} ") for text in found)


def test_a_directory_that_others_can_change_above_that_of_programs_is_none_of_ours(tmp_path: Path) -> None:
    """Debian gives /usr/local to the group staff on hosts that were installed long ago."""
    place(tmp_path, FILES[-1])
    (tmp_path / "usr/local").chmod(0o2775)
    assert refused(tmp_path) == ()


def test_what_roles_have_installed_is_ours(tmp_path: Path) -> None:
    roles = Path(__file__).parents[5] / "roles"
    sources = {path.name.removesuffix(".j2"): path for path in roles.glob("*/*/*") if path.parent.name != "tasks"}
    answers = roles.parent / "plugins/module_utils/_ip/answers.py"
    for path in FILES:
        if path.endswith(".json"):
            place(tmp_path, path).write_text('{"hubs": []}\n')
        else:
            source = answers if path.endswith("answers.py") else sources[Path(path).name]
            place(tmp_path, path).write_text(source.read_text())
    for path in LINKS:
        link = place(tmp_path, path)
        link.symlink_to("/etc/systemd/system/" + link.name.replace("@wgdirect", "@"))
    assert refused(tmp_path) == ()


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_what_is_no_unit_is_not_opened(tmp_path: Path, kind: str) -> None:
    for path in FILES:
        plant(place(tmp_path, path), kind)
    assert installed(str(tmp_path)) == {}
