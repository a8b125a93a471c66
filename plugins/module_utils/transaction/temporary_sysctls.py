# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Kernel parameters that are set for as long as calls ask for them, and then get the value back that they had.

What they had is kept in a file below /run, so that a run that was cut short is mended by the next one, and so that a
reboot, which forgets the values too, forgets it. This module is private to the collection.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..host import files, sysctls
from ..host.files import BootFile
from ..host.sysctls import Sysctl, parse_name
from ..reconcile import Operation, counts
from ..refusal import InvalidOptions
from ..stage import Stage
from ..wireguard.memory import UnreadableMemory

if TYPE_CHECKING:
    from ..take_back import Back

OPTION = "temporary_sysctls"
MEMORY = "/run/wirewright.overlay/temporary_sysctls.json"
_CURE = (
    "it holds what kernel parameters were before a run changed them for a while; where one of them is still changed "
    "(rp_filter), set it back, remove the file, and run again"
)


class Remembered(NamedTuple):
    """The value that a parameter had, and the one it was given."""

    before: str
    given: str


Memory = Mapping[str, Remembered]


def parse(raw: object) -> dict[str, str]:
    """Return values by path. Raises InvalidOptions."""
    if not isinstance(raw, Mapping):
        raise InvalidOptions([f"{OPTION}: a mapping of names and values is wanted here"])
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
    wanted: Mapping[str, str], memory: Memory, read: Callable[[str], Sysctl | None]
) -> tuple[list[Operation[Sysctl]], dict[str, Remembered]]:
    """Return what has to be written, and what is to be remembered then. A parameter the kernel lacks is passed over.

    One that somebody else has changed since keeps that value, or gets that back. That its value is the one from before
    is no change: a run was cut short before it gave another.
    """
    operations, remembered = [], {}
    for path in sorted({*wanted, *memory}):
        current = read(path)
        if current is None:
            continue
        value = lasting(path, current.value, memory)
        if path in wanted:
            remembered[path] = Remembered(value, wanted[path])
            value = wanted[path]
        if value != current.value:
            operations.append(Operation(current, Sysctl(path, value)))
    return operations, remembered


def lasting(path: str, current: str, memory: Memory) -> str:
    """Return the value that a parameter has when no run has changed it for a while; ``current`` is the one that it has."""
    known = memory.get(path)
    return known.before if known and known.given == current else current


def load() -> Memory:
    """Return what is remembered; nothing where there is no file. Raises UnreadableMemory, and OSError."""
    try:
        with open(MEMORY, encoding="utf-8") as file:
            return {path: _remembered(pair) for path, pair in json.load(file).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError):
        raise UnreadableMemory(MEMORY, _CURE) from None


def _remembered(pair: object) -> Remembered:
    if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(value, str) for value in pair)):
        raise ValueError("no pair of values")
    return Remembered(*pair)


def stage(wanted: Mapping[str, str]) -> Stage:
    """Return the stage that sets what is wanted, and gives back the rest at its end. Raises UnreadableMemory and OSError."""
    memory = load()
    operations, remembered = plan(wanted, memory, sysctls.read)
    setting = [one for one in operations if one.key() in wanted]
    returning = [one for one in operations if one.key() not in wanted]

    def make() -> int:
        _keep({**memory, **remembered})  # of what is given back too, until it is
        return _write(setting)

    def give_back() -> int:
        requests = _write(returning)
        _keep(remembered)
        return requests

    return Stage(
        operations,
        diff=lambda: {
            side: {one.key(): value.value for one in operations for value in [getattr(one, side)] if value}
            for side in ("before", "after")
        },
        make=make,
        remove=give_back,
        left=lambda: [f"set sysctl {one.key()}" for one in plan(wanted, load(), sysctls.read)[0]],
        back=lambda: _back(operations, memory),
        counts=counts(operations),
    )


def _back(done: Sequence[Operation[Sysctl]], memory: Memory) -> Back:
    """Return the way back, of the values and then of what is remembered of them."""
    from ..take_back import back_of

    def read() -> list[Sysctl]:
        return [found for found in (sysctls.read(one.key()) for one in done) if found is not None]

    way = back_of(read, lambda: done, _write, lambda parameter: f"sysctl {parameter.path} = {parameter.value}")

    def make() -> None:
        way.make()
        if not way.left():
            _keep(memory)

    return way._replace(needed=way.needed or load() != memory, make=make)


def _keep(memory: Memory) -> None:
    if not memory:
        files.delete(MEMORY)
    elif memory != load():
        text = json.dumps({path: list(memory[path]) for path in sorted(memory)}, indent=1) + "\n"
        files.write(BootFile(MEMORY, text, ours_by_path=True))


def _write(operations: Sequence[Operation[Sysctl]]) -> int:
    for parameter in [operation.after for operation in operations]:
        if parameter is not None:
            sysctls.write(parameter.path, parameter.value)
    return len(operations)
