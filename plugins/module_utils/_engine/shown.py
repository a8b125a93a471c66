# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a run shows of its changes: diffs, and objects for a summary.

This module is private to the collection.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Diff(NamedTuple):
    """Both sides of a change for ``--diff``: mappings, lists of lines, or text.

    ``subject`` is what they describe: an interface, or the path of a file; "" for the objects of the stage.
    """

    subject: str
    before: Any
    after: Any


class Change(NamedTuple):
    """One object that is created, updated or deleted: for a summary, not for a diff. ``name`` may be "".

    ``settings`` are the names of the attributes that an update changes, where the kind of the object does not say it.
    """

    kind: str
    action: str
    name: str = ""
    settings: tuple[str, ...] = ()
