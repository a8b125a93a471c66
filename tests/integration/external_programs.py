# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that tests call and that may be missing.

.ci/packages lists them and .ci/setup installs them: as packages, or unpacked into .cache/programs where a package would start
a daemon. On Debian a missing program is a failure; elsewhere .ci/setup cannot install it, and the test is skipped.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

TREE = Path(__file__).parents[2] / ".cache/programs/tree"
_DIRECTORIES = ("usr/bin", "usr/sbin", "usr/lib/cni", "usr/lib/systemd")
_PATH = ":".join(("/usr/local/sbin", *(f"/{name}" for name in _DIRECTORIES), "/sbin", "/bin"))
# Shell commands for a private mount namespace that put unpacked programs at their installed paths.
AS_IF_INSTALLED = f"""
for name in etc usr; do
    below=/$name; [ ! -d {TREE}/$name ] || below={TREE}/$name:/$name
    if [ $name = usr ]; then
        [ $below = /usr ] || mount -t overlay none -o lowerdir=$below /usr
    else
        mkdir /mnt/$name /mnt/$name.work
        mount -t overlay none -o lowerdir=$below,upperdir=/mnt/$name,workdir=/mnt/$name.work /$name
    fi
done
"""


def program(name: str) -> list[str]:
    """Return the argument list that runs a program, with its unpacked libraries."""
    path = program_path(name)
    if not path.is_relative_to(TREE):
        return [str(path)]
    libraries = ":".join(str(directory) for directory in (TREE / "usr/lib").glob("*-linux-gnu"))
    return ["env", f"LD_LIBRARY_PATH={libraries}", str(path)]


def program_path(name: str) -> Path:
    """Return the path of a program."""
    require(name)
    return _find(name) or Path()


def require(*names: str) -> None:
    """Fail the test on Debian if a program is missing, skip it elsewhere."""
    missing = [name for name in names if not _find(name)]
    if not missing:
        return
    if shutil.which("dpkg"):
        pytest.fail(f"missing: {' '.join(missing)}; .ci/setup installs what .ci/packages lists")
    pytest.skip(f"missing: {' '.join(missing)}; .ci/setup installs only Debian packages")


def _find(name: str) -> Path | None:
    installed = shutil.which(name, path=_PATH)
    unpacked = (TREE / directory / name for directory in _DIRECTORIES)
    return Path(installed) if installed else next((path for path in unpacked if path.exists()), None)
