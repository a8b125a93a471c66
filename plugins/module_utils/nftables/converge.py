# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read our tables, plan, act, and read again, all by nft(8): the edge where plans meet the kernel.

This module is private to the collection.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from ..reconcile import CREATE, DELETE, UPDATE, Operation, counts
from ..refusal import Refused
from ..stage import Outcome, Stage, carry_out
from . import listing, table
from .table import Part, WantedSections, describe, label, plan

if TYPE_CHECKING:
    from ..take_back import Back

_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
# What nft says to its first question where the kernel has no nf_tables, or no netfilter at all; missing rights are another
# matter.
_NO_KERNEL = re.compile(r"cache initialization failed: (?!Operation not permitted)|Unable to initialize Netlink socket")
_NO_JSON = re.compile(r"JSON support not compiled", re.IGNORECASE)


class NoNftables(Refused):
    """This host has no `nft`, or a kernel without nf_tables; nothing was touched."""


def converge(wanted: WantedSections, *, check_mode: bool) -> Outcome:
    """Make the sections what they shall be, or in check mode say what that would take.

    Raises NoNftables (nothing was touched), NotConverged, and OSError where the kernel refuses: then, too, nothing has
    changed, for the transaction is all or nothing.
    """
    return carry_out(sections_stage(wanted), check_mode=check_mode)


def sections_stage(wanted: WantedSections) -> Stage:
    """Return the plan for sections. All of it is one transaction, so that only a plan of nothing but deletions waits
    until what else there is has gone. Raises NoNftables."""
    listed = _listed(needed=bool(wanted.sections))
    current = listing.parse(listed) if listed else ()
    operations = plan(current, wanted)
    makes = any(operation.after is not None for operation in operations)
    return Stage(
        operations,
        diff=lambda: _diff(operations),
        make=lambda: apply(current, operations) if makes else 0,
        remove=lambda: 0 if makes else apply(current, operations),
        left=lambda: differences(plan(read(needed=bool(wanted.sections)), wanted)),
        back=lambda: _back(listed, operations),
        counts=counts(operations),
    )


def _back(listed: str, done: Sequence[Operation[Part]]) -> Back:
    """Return the way back to what was listed. Where somebody else has changed the table meanwhile, that stays."""
    from ..take_back import back_of

    before = listing.parse(listed) if listed else ()
    touched = {operation.key() for operation in done}

    def others(parts: Collection[Part]) -> list[Part]:
        return sorted((part for part in parts if part.key() not in touched), key=lambda part: part.key())

    def restore(operations: Sequence[Operation[Part]]) -> None:
        families = _families()
        now = _list(families)
        current = listing.parse(now) if now else ()
        if operations and others(current) == others(before):
            concerned = sorted({*families, *(part.family for part in before)})
            _nft("-j", "-f", "-", text=listing.as_transaction(listed, concerned))
        else:
            apply(current, operations)

    def named(part: Part) -> str:
        return f"section {label(part)} of table {table.table_name(part.family)}"

    return back_of(read, lambda: done, restore, named)


def _diff(operations: Sequence[Operation[Part]]) -> dict[str, list[str]]:
    """Return what changes, one line for each rule."""
    before = [operation.before for operation in operations if operation.before is not None]
    after = [operation.after for operation in operations if operation.after is not None]
    return {
        side: [line for part in sorted(parts, key=lambda part: part.key()) for line in describe(part)]
        for side, parts in (("before", before), ("after", after))
    }


def read(*, needed: bool = True) -> tuple[Part, ...]:
    """Return what stands in our tables; nothing where there are none.

    Raises OSError, and NoNftables: only if nftables are ``needed``, for a host without them has no table to remove.
    """
    listed = _listed(needed=needed)
    return listing.parse(listed) if listed else ()


def _listed(*, needed: bool) -> str:
    """Return our tables as nft lists them in JSON, "" where there are none."""
    try:
        families = _families()
    except NoNftables:
        if needed:
            raise
        return ""
    return _list(families)


def _list(families: Iterable[str]) -> str:
    return listing.joined(_nft("-j", "list", "table", family, table.NAME) for family in families)


def snapshot() -> str:
    """Return a transaction for `nft -f` that brings our tables back as they are now, by hand or by us, or absent.

    A table of ARP that comes only later stays: where a kernel has none, to speak of it would be an error.
    """
    families = _families()
    gone = [
        f"{verb} table {table.table_name(family)}" for family in {table.INET, *families} for verb in ("add", "delete")
    ]
    return "\n".join([*gone, *(_nft("list", "table", family, table.NAME) for family in families), ""])


def _families() -> list[str]:
    """Return the families of the tables of ours that there are."""
    tables = _nft("list", "tables").splitlines()
    return [family for family in table.FAMILIES if f"table {table.table_name(family)}" in tables]


def apply(current: Collection[Part], operations: Sequence[Operation[Part]]) -> int:
    """Carry the operations out in one transaction, and return how many that were: 0 or 1. Raises as `read` does."""
    if not operations:
        return 0
    _nft("-f", "-", text=table.script(current, operations))
    return 1


def differences(operations: Sequence[Operation[Part]]) -> list[str]:
    """Name what is still to be done, for a message, with what nft lists and what was asked for."""
    verbs = {CREATE: "add", UPDATE: "change", DELETE: "delete"}
    lines = []
    for operation in operations:
        sides = [describe(part) if part else [] for part in (operation.before, operation.after)]
        part = operation.after or operation.before
        missing, surplus = ([line for line in one if line not in other] for one, other in (sides[::-1], sides))
        listed = ", ".join([*(f"+ {line}" for line in missing), *(f"- {line}" for line in surplus)])
        lines.append(f"{verbs[operation.action]} {label(part)} ({listed})" if part else "")
    return lines


def _nft(*arguments: str, text: str | None = None) -> str:
    path = os.environ.get("PATH", "") + ":" + _SYSTEM_PATH
    program = shutil.which("nft", path=path)
    if program is None:
        raise NoNftables("this host has no nft: install the package nftables")
    done = subprocess.run(
        [program, *arguments],
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    if done.returncode == 0:
        return done.stdout
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    message = next((line for line in said if "Error" in line), said[0] if said else f"exit code {done.returncode}")
    if _NO_JSON.search(done.stderr):
        raise NoNftables(f"{program} was built without JSON: install the nftables of your distribution")
    if _NO_KERNEL.search(done.stderr):
        raise NoNftables(f"this kernel has no nf_tables ({message}): load the module, or boot a kernel that has it")
    raise OSError(f"nft {' '.join(arguments)}: {message}")
