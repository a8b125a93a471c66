# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Kernel parameters get their previous value again when no interface of the collection needs them any more.

A record has the parameters of each interface, and the previous value of those that a run has changed. A value that others
have set since then stays, and so does one that others may rely on. This module is private to the collection.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from .._engine.reconcile import UPDATE, Operation, counts
from .._engine.shown import Change, Diff
from .._engine.stage import Stage
from .._host import file_changes, files, sysctl_changes, sysctl_uses, sysctls
from .._host.files import BootFile
from .._host.sysctls import RECORD, Sysctl, parse_name
from .._wireguard import state_file
from .._wireguard.state_file import CorruptStateFile

if TYPE_CHECKING:
    from .._engine.rollback import Rollback
    from .._interface.prepare import PreparedInterface
    from .._netlink.connection import Connection

_VERSION = 1
_REMEDY = (
    "it holds the previous values of kernel parameters (net.ipv4.ip_forward) that runs have changed; remove it, and they "
    "keep their present values"
)
Values = Mapping[str, str]


class Previous(NamedTuple):
    """The value of a parameter before it was changed, and what it was changed to.

    beside: other parameters and values that the kernel would change when the previous value returns.
    """

    before: str
    given: str
    beside: Values


@dataclass(frozen=True)
class Record:
    """The parameters that each interface needs, and the previous values of changed ones, by path."""

    needs: Mapping[str, Values] = field(default_factory=dict)
    previous: Mapping[str, Previous] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.needs or self.previous)


@dataclass(frozen=True)
class Host:
    """What a plan asks of a host: the value of a parameter, and the rest as in sysctl_uses, by path and value.

    keeps: whether the kernel sets a parameter by itself. file: the file that sets it at boot. use: what else relies on it.
    """

    read: Callable[[str], Sysctl | None]
    beside: Callable[[str, str], Values]
    keeps: Callable[[str], bool]
    file: Callable[[str, str], str]
    use: Callable[[str], str]


class Returns(NamedTuple):
    """The values that return, the record afterwards, and warnings about values that stay."""

    operations: list[Operation[Sysctl]]
    record: Record
    warnings: list[str]


def plan(
    record: Record, present: Mapping[str, Values], gone: frozenset[str], left: Collection[str], host: Host
) -> Returns:
    """Return which values return to what they were. Pure.

    present: the parameters of the interfaces of this run. gone: those that it removes. left: other interfaces of the
    collection.
    """
    kept = {name: values for name, values in record.needs.items() if name in left and name not in gone}
    needs = {name: values for name, values in sorted({**kept, **present}.items()) if values}
    desired = {path: value for values in needs.values() for path, value in values.items()}
    previous: dict[str, Previous] = {}
    operations, warnings = [], []
    for path in sorted({*desired, *record.previous}):
        current, known = host.read(path), record.previous.get(path)
        if current is None or not gone.isdisjoint(path.split("/")):
            continue
        changed = known if known and known.given == current.value else None
        if path in desired:
            before = changed.before if changed else current.value
            if before != desired[path]:
                others = changed.beside if changed else host.beside(path, desired[path])
                previous[path] = Previous(before, desired[path], others)
        elif changed and host.keeps(path):
            previous[path] = changed
        elif changed:
            stays = _stays(path, changed, host)
            if stays:
                warnings.append(stays)
            else:
                operations.append(Operation(current, Sysctl(path, changed.before)))
    return Returns(operations, Record(needs, previous), warnings)


def _stays(path: str, known: Previous, host: Host) -> str:
    """Return why a value stays, "" if it does not."""
    name = path.translate(str.maketrans("./", "/."))
    file = host.file(path, known.given)
    if file:
        return f"{name} stays {known.given}, because {file} sets it"
    use = host.use(path)
    return use and (
        f"{name} stays {known.given}, because {use}. It is not set at the next boot: write it to a file in /etc/sysctl.d if "
        f"it is needed, else run sysctl -w {name}={known.before}"
    )


def stage(fib: Connection, prepared: Sequence[PreparedInterface]) -> Stage:
    """Return the stage: ``apply`` records previous values, ``delete`` restores those that are needed no more.

    Raises CorruptStateFile, and OSError.
    """
    present = {one.name: one.wanted.sysctls for one in prepared if one.wanted.present}
    wanted = {name: {sysctl.path: sysctl.value for sysctl in listed} for name, listed in present.items()}
    gone = frozenset(one.name for one in prepared if not one.wanted.present)
    new = frozenset(one.name for one in prepared if one.wanted.present and not one.index)
    left = frozenset(state_file.interfaces())
    record = load()
    host = _host(fib, gone, new)
    found = plan(record, wanted, gone, left, host)
    returning, after = found.operations, found.record
    record_change = [Operation(_file(record), _file(after))] if after != record else []

    def keep_all() -> int:
        _keep(Record(after.needs, {**record.previous, **after.previous}))  # also those that return, until they have
        return 0

    def restore() -> int:
        for operation in returning:
            _return(operation, record.previous[operation.key()].beside)
        _keep(after)
        return len(returning)

    def pending() -> list[str]:
        again = plan(load(), wanted, gone, left, _host(fib, gone))
        return [f"set sysctl {one.key()}" for one in again.operations]

    def diff() -> list[Diff]:
        if returning:
            return [sysctl_changes.diff(returning)]
        if any(one.plan for one in prepared):
            return []  # of the interface that has other parameters
        from .._host.file_diff import describe_records

        return describe_records(record_change)

    return Stage(
        [*returning, *record_change],
        diff=diff,
        apply=keep_all,
        delete=restore,
        pending=pending,
        rollback=partial(_rollback, returning, record, after),
        counts=counts(returning),
        warnings=tuple(found.warnings),
        changes=lambda: [Change("sysctl", UPDATE, one.key()) for one in returning],
    )


def _host(fib: Connection, gone: frozenset[str], new: Collection[str] = ()) -> Host:
    """Return this host. new: interfaces that do not exist yet; their parameters begin with the defaults."""
    links = sysctl_uses.read_links(fib, gone)
    files_at_boot = sysctl_uses.read_files()

    def read(path: str) -> Sysctl | None:
        found = sysctls.read(path)
        name = next((part for part in path.split("/") if part in new), None)
        default = None if found or name is None else sysctls.read(path.replace(f"/{name}/", "/default/"))
        return Sysctl(path, default.value) if default else found

    return Host(
        read,
        sysctl_uses.beside,
        lambda path: sysctl_uses.set_by_kernel(path, links),
        lambda path, value: sysctl_uses.setting_file(path, value, files_at_boot),
        lambda path: sysctl_uses.other_use(path, links),
    )


def _return(operation: Operation[Sysctl], beside: Values) -> None:
    held = sysctl_uses.holding(beside)
    sysctl_changes.apply([operation])
    _hold(held)


def _hold(values: Values) -> None:
    """Set values again that the kernel has changed with another one."""
    for path in values.keys() - sysctl_uses.holding(values).keys():
        sysctls.write(path, values[path])


def _rollback(done: Sequence[Operation[Sysctl]], record: Record, after: Record) -> Rollback:
    """Return the rollback. Last of all, what the kernel has changed with the rollback of interfaces, and the record."""
    undo = sysctl_changes.rollback(done)
    held = {path: value for known in after.previous.values() for path, value in known.beside.items()}

    def finish() -> None:
        _hold(held)
        if not undo.pending():
            _keep(record)

    return undo._replace(needed=undo.needed or load() != record, delete=finish)


def load() -> Record:
    """Return the record; an empty one without a file. Raises CorruptStateFile, UnsafeFile, and OSError."""
    try:
        text = files.read_text(RECORD)
        return Record() if text is None else parse(text)
    except files.UnsafeFile:
        raise
    except (ValueError, TypeError, AttributeError, KeyError):
        raise CorruptStateFile(RECORD, _REMEDY) from None


def parse(text: str) -> Record:
    """Return the record in a file's text. Raises ValueError, TypeError, AttributeError or KeyError."""
    stored = json.loads(text)
    if stored["version"] != _VERSION:
        raise ValueError("unknown version")
    needs = {str(name): _texts(values) for name, values in stored["needs"].items()}
    previous = {
        parse_name(str(path)): Previous(str(one["before"]), str(one["given"]), _texts(one["beside"]))
        for path, one in stored["previous"].items()
    }
    return Record(needs, previous)


def _texts(values: Mapping[object, object]) -> dict[str, str]:
    return {parse_name(str(path)): str(value) for path, value in values.items()}


def dump(record: Record) -> str:
    """Return the file's text."""
    previous = {path: one._asdict() for path, one in record.previous.items()}
    stored = {"version": _VERSION, "needs": record.needs, "previous": previous}
    return json.dumps(stored, indent=1, sort_keys=True) + "\n"


def _file(record: Record) -> BootFile | None:
    return BootFile(RECORD, dump(record), 0o600, ours_by_path=True) if record else None


def _keep(record: Record) -> None:
    file = _file(record)
    if file is None:
        file_changes.delete(RECORD)
    elif record != load():
        file_changes.write(file)
