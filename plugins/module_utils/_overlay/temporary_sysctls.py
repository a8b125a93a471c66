# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Kernel parameters that are set while calls list them, and then get their previous value again.

The previous values are kept in a file below /run: an interrupted run is completed by the next one, and a reboot, which
resets the parameters, deletes the file too. This module is private to the collection.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from .._engine.errors import InvalidOptions
from .._engine.reconcile import Operation, counts
from .._engine.stage import Stage
from .._host import file_changes, files, sysctl_changes, sysctls
from .._host.files import BootFile
from .._host.sysctls import Sysctl, parse_name
from .._wireguard.state_file import CorruptStateFile

if TYPE_CHECKING:
    from .._engine.rollback import Rollback

OPTION = "temporary_sysctls"
PATH = "/run/wirewright.overlay/temporary_sysctls.json"
_REMEDY = (
    "it holds the previous values of kernel parameters that a run changed temporarily; restore those that are still "
    "changed (rp_filter), remove the file, and run again"
)


class PreviousValue(NamedTuple):
    """The previous value of a parameter, and the temporary one."""

    before: str
    given: str


PreviousValues = Mapping[str, PreviousValue]


def parse(raw: object) -> dict[str, str]:
    """Return values by path. Raises InvalidOptions."""
    if not isinstance(raw, Mapping):
        raise InvalidOptions([f"{OPTION}: expected a mapping of names and values"])
    found, errors = {}, []
    for name, value in raw.items():
        try:
            found[parse_name(str(name))] = " ".join(str(value).split())
        except ValueError as exc:
            errors.append(f"{OPTION}: {exc}")
    if errors:
        raise InvalidOptions(errors)
    return found


def plan(
    wanted: Mapping[str, str], previous: PreviousValues, read: Callable[[str], Sysctl | None]
) -> tuple[list[Operation[Sysctl]], dict[str, PreviousValue]]:
    """Return the values to write, and the previous values to keep. Parameters that the kernel lacks are skipped.

    A value that someone else has set since then counts as the previous one. A parameter that still has its previous value
    was not changed: the run was interrupted before.
    """
    operations, kept = [], {}
    for path in sorted({*wanted, *previous}):
        current = read(path)
        if current is None:
            continue
        value = lasting(path, current.value, previous)
        if path in wanted:
            kept[path] = PreviousValue(value, wanted[path])
            value = wanted[path]
        if value != current.value:
            operations.append(Operation(current, Sysctl(path, value)))
    return operations, kept


def lasting(path: str, current: str, previous: PreviousValues) -> str:
    """Return the value of a parameter without temporary changes; ``current`` is its present value."""
    known = previous.get(path)
    return known.before if known and known.given == current else current


def load() -> PreviousValues:
    """Return what is kept; nothing where there is no file. Raises CorruptStateFile, UnsafeFile, and OSError."""
    try:
        text = files.read_text(PATH)
        stored = {} if text is None else json.loads(text)
        return {path: _previous_value(pair) for path, pair in stored.items()}
    except files.UnsafeFile:
        raise
    except (ValueError, TypeError, AttributeError):
        raise CorruptStateFile(PATH, _REMEDY) from None


def _previous_value(pair: object) -> PreviousValue:
    if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(value, str) for value in pair)):
        raise ValueError("no pair of values")
    return PreviousValue(*pair)


def stage(wanted: Mapping[str, str]) -> Stage:
    """Return the stage: ``apply`` sets the desired values, ``delete`` restores others. Raises CorruptStateFile and OSError."""
    previous = load()
    operations, kept = plan(wanted, previous, sysctls.read)
    setting = [one for one in operations if one.key() in wanted]
    returning = [one for one in operations if one.key() not in wanted]

    def apply_all() -> int:
        _keep({**previous, **kept})  # also those to be restored, until they are
        return sysctl_changes.apply(setting)

    def restore() -> int:
        requests = sysctl_changes.apply(returning)
        _keep(kept)
        return requests

    return Stage(
        operations,
        diff=lambda: [sysctl_changes.diff(operations)],
        apply=apply_all,
        delete=restore,
        pending=lambda: [f"set sysctl {one.key()}" for one in plan(wanted, load(), sysctls.read)[0]],
        rollback=partial(_rollback, operations, previous),
        counts=counts(operations),
    )


def _rollback(done: Sequence[Operation[Sysctl]], previous: PreviousValues) -> Rollback:
    """Return the rollback: the values first, then the file of previous values."""
    undo = sysctl_changes.rollback(done)

    def put_back() -> None:
        undo.apply()
        if not undo.pending():
            _keep(previous)

    return undo._replace(needed=undo.needed or load() != previous, apply=put_back)


def _keep(previous: PreviousValues) -> None:
    if not previous:
        file_changes.delete(PATH)
    elif previous != load():
        text = json.dumps({path: list(previous[path]) for path in sorted(previous)}, indent=1) + "\n"
        file_changes.write(BootFile(PATH, text, ours_by_path=True))
