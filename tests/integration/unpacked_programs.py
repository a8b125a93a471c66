# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of others that tests compare us with: the machine's own, or those that .ci/programs has unpacked.

They are not installed, because some would bring daemons, which nobody wants on his machine for a test.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

TREE = Path(__file__).parents[2] / ".cache/programs/tree"
_DIRECTORIES = ("usr/bin", "usr/sbin", "usr/lib/cni")
_PATH = ":".join(("/usr/local/sbin", *(f"/{name}" for name in _DIRECTORIES), "/sbin", "/bin"))
# For a mount namespace of its own: the programs are where they would be, were they installed. To be expanded by a shell.
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


def found(name: str) -> str:
    """Return the path of a program, empty where there is none."""
    unpacked = (TREE / directory / name for directory in _DIRECTORIES)
    return shutil.which(name, path=_PATH) or next((str(path) for path in unpacked if path.exists()), "")


def need(*names: str) -> None:
    """Skip the test where a program is missing."""
    missing = [name for name in names if not found(name)]
    if missing:
        pytest.skip(f"there is no {' and no '.join(missing)}, and .ci/programs could not unpack it (Debian only)")


def words(name: str) -> list[str]:
    """Return the words that run a program, with the libraries that were unpacked with it."""
    path = found(name)
    if not path.startswith(str(TREE)):
        return [path]
    libraries = ":".join(str(directory) for directory in (TREE / "usr/lib").glob("*-linux-gnu"))
    return ["env", f"LD_LIBRARY_PATH={libraries}", path]
