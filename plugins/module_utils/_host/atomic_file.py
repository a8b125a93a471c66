# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Temporary names of files that are written atomically: PATH.PID.new.

This module is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import re


def new_path(path: str) -> str:
    """Return the temporary name for a path, without leftovers. Open it with O_EXCL.

    Raises FileNotFoundError where there is no such directory.
    """
    remove_leftovers(path)
    return f"{path}.{os.getpid()}.new"


def remove_leftovers(path: str) -> None:
    """Remove temporary files of processes that were killed or lost power: they may hold keys.

    Files of a running process stay. Raises FileNotFoundError where there is no such
    directory.
    """
    directory, name = os.path.split(path)
    ours = re.compile(re.escape(name) + r"\.([0-9]{1,7})\.new")
    for entry in os.listdir(directory or "."):
        found = ours.fullmatch(entry)
        if found and not _is_another(int(found[1])):
            with contextlib.suppress(OSError):  # removed already, or not a file
                os.unlink(os.path.join(directory, entry))


def _is_another(process: int) -> bool:
    """Return whether another process of this id is running."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # a process of another user
        return True
    return process != os.getpid()
