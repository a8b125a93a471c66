# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The name under which a file is written before it takes its place: PATH.PID.new.

This module is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import re


def new_path(path: str) -> str:
    """Return the name for a file that is to take this place, free of what was left. To be opened with O_EXCL.

    Raises FileNotFoundError where there is no such directory.
    """
    remove_leftovers(path)
    return f"{path}.{os.getpid()}.new"


def remove_leftovers(path: str) -> None:
    """Remove what processes that were killed, or lost their power, left beside a file of ours: it may hold keys.

    Another process that lives and writes the same file is not disturbed. Raises FileNotFoundError where there is no such
    directory.
    """
    directory, name = os.path.split(path)
    ours = re.compile(re.escape(name) + r"\.([0-9]{1,7})\.new")
    for entry in os.listdir(directory or "."):
        found = ours.fullmatch(entry)
        if found and not _is_another(int(found[1])):
            with contextlib.suppress(OSError):  # gone already, or no file
                os.unlink(os.path.join(directory, entry))


def _is_another(process: int) -> bool:
    """Return whether a process lives and is not this one."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    return process != os.getpid()
