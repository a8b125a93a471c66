# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Our nftables tables as a stage: read, planned, applied and read again by nft(8).

This module is private to the collection.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from .._engine.errors import Refused
from .._engine.reconcile import CREATE, DELETE, UPDATE, Operation, counts
from .._engine.shown import Diff
from .._engine.stage import Stage
from . import listing, table
from .table import TableEntry, WantedRuleset, describe, label, plan

if TYPE_CHECKING:
    from .._engine.rollback import Rollback

_PATIENCE = 60  # seconds
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
# Errors of nft on a kernel without nf_tables, or without netfilter. Missing permissions are no such error.
_NO_KERNEL = re.compile(r"cache initialization failed: (?!Operation not permitted)|Unable to initialize Netlink socket")
_NO_JSON = re.compile(r"JSON support not compiled", re.IGNORECASE)


class NoNftables(Refused):
    """This host has no `nft`, or a kernel without nf_tables; nothing was changed."""


class NftMissing(NoNftables):
    """This host has no `nft`. The role may install it before a run."""


def ruleset_stage(wanted: WantedRuleset, *, check_mode: bool) -> Stage:
    """Return the stage of the ruleset. A plan is one transaction: it is applied in the turn of deletions only if it
    deletes and does nothing else. Check mode warns of a missing nft. Raises NoNftables."""
    warnings = []
    try:
        listed = _listed(needed=bool(wanted.parts))
    except NftMissing as exc:
        if not check_mode:
            raise
        listed = ""
        warnings.append(f"{exc} before a run without check mode")
    current = listing.parse(listed) if listed else ()
    operations = plan(current, wanted)
    makes = any(operation.after is not None for operation in operations)
    return Stage(
        operations,
        diff=lambda: _diff(operations),
        apply=lambda: apply(current, operations) if makes else 0,
        delete=lambda: 0 if makes else apply(current, operations),
        pending=lambda: differences(plan(read(needed=bool(wanted.parts)), wanted)),
        rollback=partial(_rollback, listed, operations),
        counts=counts(operations),
        warnings=warnings,
    )


def _rollback(listed: str, done: Sequence[Operation[TableEntry]]) -> Rollback:
    """Return the rollback to the previous listing. Changes that others made to the table since then stay."""
    from .._engine.rollback import rollback_of

    before = listing.parse(listed) if listed else ()
    touched = {operation.key() for operation in done}

    def others(parts: Collection[TableEntry]) -> list[TableEntry]:
        return sorted((part for part in parts if part.key() not in touched), key=lambda part: part.key())

    def restore(operations: Sequence[Operation[TableEntry]]) -> None:
        families = _families()
        now = _list(families)
        current = listing.parse(now) if now else ()
        if operations and others(current) == others(before):
            concerned = sorted({*families, *(part.family for part in before)})
            run_nft("-j", "-f", "-", text=listing.as_transaction(listed, concerned))
        else:
            apply(current, operations)

    def named(part: TableEntry) -> str:
        return f"packet filter {label(part)}"

    def lost() -> list[str]:
        """Return what others have deleted during the run: a rollback to the previous state has to name it."""
        there = {part.key() for part in read(needed=False)}
        return [f"{named(part)} (missing)" for part in others(before) if part.key() not in there]

    undo = rollback_of(read, lambda: done, restore, named)
    return undo._replace(needed=undo.needed or bool(lost()), pending=lambda: [*undo.pending(), *lost()])


def _diff(operations: Sequence[Operation[TableEntry]]) -> list[Diff]:
    """Return what changes, one line for each rule."""
    before = [operation.before for operation in operations if operation.before is not None]
    after = [operation.after for operation in operations if operation.after is not None]
    in_order = (sorted(parts, key=lambda part: part.key()) for parts in (before, after))
    return [Diff("", *([line for part in parts for line in describe(part)] for parts in in_order))]


def read(*, needed: bool = True) -> tuple[TableEntry, ...]:
    """Return the objects in our tables.

    Raises OSError, and NoNftables only if ``needed``: a host without nftables has no table to remove.
    """
    listed = _listed(needed=needed)
    return listing.parse(listed) if listed else ()


def _listed(*, needed: bool) -> str:
    """Return our tables as nft lists them in JSON, "" for none."""
    try:
        families = _families()
    except NoNftables:
        if needed:
            raise
        return ""
    return _list(families)


def _list(families: Iterable[str]) -> str:
    return listing.joined(run_nft("-j", "list", "table", family, table.NAME) for family in families)


def _families() -> list[str]:
    """Return the families of our existing tables."""
    tables = run_nft("list", "tables").splitlines()
    return [family for family in table.FAMILIES if f"table {table.table_name(family)}" in tables]


def apply(current: Collection[TableEntry], operations: Sequence[Operation[TableEntry]]) -> int:
    """Apply the operations in one transaction; return the number of transactions, 0 or 1. Raises as `read` does."""
    if not operations:
        return 0
    run_nft("-f", "-", text=table.script(current, operations))
    return 1


def differences(operations: Sequence[Operation[TableEntry]]) -> list[str]:
    """Return pending operations for a message, each with the lines that are missing (+) and surplus (-)."""
    verbs = {CREATE: "add", UPDATE: "change", DELETE: "delete"}
    lines = []
    for operation in operations:
        sides = [describe(part) if part else [] for part in (operation.before, operation.after)]
        part = operation.after or operation.before
        missing, surplus = ([line for line in one if line not in other] for one, other in (sides[::-1], sides))
        listed = ", ".join([*(f"+ {line}" for line in missing), *(f"- {line}" for line in surplus)])
        lines.append(f"{verbs[operation.action]} {label(part)} ({listed})" if part else "")
    return lines


def run_nft(*arguments: str, text: str | None = None) -> str:
    """Run nft(8) with a script on its standard input, and return its output. Raises NoNftables, and OSError."""
    path = os.environ.get("PATH", "") + ":" + _SYSTEM_PATH
    program = shutil.which("nft", path=path)
    if program is None:
        raise NftMissing("this host has no nft: install the package nftables")
    try:
        done = subprocess.run(
            [program, *arguments],
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"nft {' '.join(arguments)}: no answer within {_PATIENCE} s") from None
    if done.returncode == 0:
        return done.stdout
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    message = next((line for line in said if "Error" in line), said[0] if said else f"exit code {done.returncode}")
    if _NO_JSON.search(done.stderr):
        raise NoNftables(f"{program} was built without JSON: install the nftables of your distribution")
    if _NO_KERNEL.search(done.stderr):
        raise NoNftables(f"this kernel has no nf_tables ({message}): load the module, or boot a kernel that has it")
    raise OSError(f"nft {' '.join(arguments)}: {message}")
