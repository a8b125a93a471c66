# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The boot files of a document's rules and routes, as a stage.

The files hold the objects that the call lists. A kind (rules, or routes) that is not given keeps its files.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from .._engine.reconcile import Operation
from .._engine.stage import Stage
from .._fib import boot_files, boot_paths
from .._fib import route_table as tables
from .._host import file_stage, systemd
from .._host.files import BootFile
from .._interface.boot_files import NONE
from .._interface.options import WantedInterface
from .sections import WantedSections

Names = Callable[[int], str]


def fib_files(
    boot_name: str, interfaces: Sequence[WantedInterface], sections: WantedSections, names: Names
) -> Stage | None:
    """Return the stage; None where neither rules nor routes are given and no old file remains.

    The files are named ``boot_name``, or as the first interface that persists across reboots; without either, there are no
    files. ``names`` maps an index to an interface name. Raises ForeignFile, and OSError.
    """
    methods = {one.name: one.persistence for one in interfaces if one.present and one.persistence != NONE}
    owner = boot_name or next(iter(methods), "")
    routes = boot_files.Routes()
    wanted: list[BootFile] = []
    if owner and sections.rules is not None:
        wanted += boot_files.rule_files(owner, sections.rules.present)
    if owner and sections.routes:
        listed = [route for table in sections.routes for route in table.present]
        routes = boot_files.place(listed, names, methods, next(iter(methods), ""), boot_name)
        wanted += boot_files.route_files(owner, routes, names, methods)
    own = _own_paths(boot_name, interfaces, sections)

    def plan() -> list[Operation[BootFile]]:
        others = [path for path in file_stage.listed(boot_paths.DIRECTORY) if path not in own]
        shared = boot_files.shared_files([*others, *(file.path for file in wanted)]) if systemd.is_running() else []
        return file_stage.plan_files([*own, *boot_paths.SHARED_PATHS], [*wanted, *shared])

    warnings = [_warn(routes.lost, names)] if routes.lost else []
    found = file_stage.stage(plan, boot_paths.UNIT, start=False, warnings=warnings)
    said = sections.rules is not None or sections.routes
    return found if found.operations or (owner and said) else None


def _own_paths(boot_name: str, interfaces: Iterable[WantedInterface], sections: WantedSections) -> list[str]:
    """Return the paths that the call manages: all of an interface that does not persist across reboots, and those of the
    given kinds of all others."""
    found: list[str] = []
    for name, kept in [(one.name, one.present and one.persistence != NONE) for one in interfaces] + [(boot_name, True)]:
        if name and (sections.rules is not None or not kept):
            found += boot_paths.rule_paths(name)
        if name and (sections.routes or not kept):
            found += boot_paths.route_paths(name)
    return found


def _warn(lost: Sequence[tables.TableRoute], names: Names) -> str:
    described = "; ".join(tables.describe(route, names) for route in lost)
    return (
        f"not persistent, because the device is not managed by this collection: {described}; "
        "run again after a reboot, or configure the route where the device is configured"
    )
