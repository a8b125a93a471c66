# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read interfaces, plan and check: nothing is changed. apply.py applies the plans.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .._engine.errors import InvalidOptions
from .._engine.result import StageResult
from .._fib import link_routes as routes
from .._host import files, systemd
from .._netlink.connection import Connection
from .._wireguard import key_file
from .._wireguard.endpoint import Endpoint
from .._wireguard.keys import KEY_BYTES, encode_key, new_key_in
from .._wireguard.uapi_socket import is_running
from .options import WantedInterface
from .plan import Current, Plan, names_to_resolve, plan
from .read import read

if TYPE_CHECKING:
    from .._engine.shown import Change, Diff


@dataclass(frozen=True)
class PreparedInterface:
    """An interface that was read, planned and checked; ``before`` is its state when it was read."""

    wanted: WantedInterface
    plan: Plan
    before: Current = field(repr=False)
    private_key: bytes | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def index(self) -> int:
        """The interface's index, 0 where the run creates it."""
        return self.before.link.index if self.before.link else 0

    @property
    def name(self) -> str:
        """The interface's name."""
        return self.wanted.name

    def diff(self) -> Sequence[Diff]:
        """Return what ``--diff`` shows of the plan."""
        from .diff import describe
        from .peer_names import peer_names

        return describe(self.plan, peer_names(self.wanted, self.before.recorded))

    def changes(self) -> Iterable[Change]:
        """Return the changed objects for a summary."""
        from .changes import changes, renamed
        from .peer_names import peer_names

        recorded = self.before.recorded
        return [*changes(self.plan, peer_names(self.wanted, recorded)), *renamed(self.wanted, recorded)]

    def details(self) -> dict[str, Any]:
        """Return the public key in base64, null for an interface without a key, and remarks on preshared keys."""
        own = {"public_key": encode_key(self.plan.own_key) if any(self.plan.own_key) else None}
        present = self.before.device.peers if self.before.device and self.wanted.inventory_name else ()
        kept = present and any(item.keeps_preshared_key for item in self.wanted.peers or ())
        if not kept and not any(any(peer.preshared_key or b"") for peer in present):
            return own
        from .peer_names import peer_names
        from .preshared_keys import remarks

        return {**own, **remarks(self.before, self.wanted, self.plan, peer_names(self.wanted, self.before.recorded))}

    def result(self) -> StageResult:
        """Return the result where the plan is not applied."""
        return StageResult(
            bool(self.plan), self.plan.counts(), self.diff, self.warnings, 0, self.details(), self.changes
        )


def prepare(fib: Connection, wanted: Sequence[WantedInterface], *, check_mode: bool) -> list[PreparedInterface]:
    """Read, plan and check interfaces; nothing is changed.

    Raises Refused, InvalidOptions, BadKeyFile, ForeignFile, PortTaken, RouteTaken, CorruptStateFile, UnsafeFile, and OSError.
    """
    prepared = []
    for requested in wanted:
        item, current = requested, read(fib, requested)
        warnings: tuple[str, ...] = ()
        if item.adopt:
            from .adoption import adopt

            item, current = adopt(fib, item, current)
        if check_mode and current.link is None and not item.creates:
            from .missing import assumed

            current, warnings = assumed(current, item)
        prepared.append(plan_interface(fib, current, item, _private_key(item, current, check_mode), warnings))
    if len(prepared) > 1:
        from .plan_moves import Planned, with_moves

        plans = with_moves([Planned(one.wanted, one.before, one.plan) for one in prepared])
        prepared = [replace(one, plan=plan) for one, plan in zip(prepared, plans)]
    for one in prepared:
        _refuse_taken(fib, one)
    if any(operation.after and operation.after.endpoint for one in prepared for operation in one.plan.peers):
        from .endpoint_checks import check_endpoints

        said = check_endpoints(fib, [(one.wanted, one.before, one.plan) for one in prepared])
        prepared = [replace(one, warnings=(*one.warnings, *said.get(one.name, ()))) for one in prepared]
    return prepared


def _private_key(wanted: WantedInterface, current: Current, check_mode: bool) -> bytes | None:
    if wanted.private_key_file is None or not wanted.present:
        return None
    private_key = key_file.read(wanted.private_key_file)
    if private_key is None and current.existing is not None and any(current.existing.private_key):
        private_key = current.existing.private_key
    if private_key is not None:
        return private_key
    if not check_mode:
        raise InvalidOptions(
            [f"{wanted.name}: there is no private key in {wanted.private_key_file}: make one with wg_key first"]
        )
    # overlay_prepare and wg_key, which only predict in check mode too, write the key of a running interface to the file.
    ours = current.link is not None and current.link.is_ours and current.device is not None and not wanted.new_key
    running = current.device.settings.private_key if ours and current.device else None
    return running if running and any(running) else wanted.new_key or new_key_in(wanted.private_key_file)


def _refuse_taken(fib: Connection, prepared: PreparedInterface) -> None:
    found, moves = prepared.plan, prepared.plan.moves
    rises = any(o.before and not o.before.up and o.after and o.after.up for o in found.link)
    port = found.settings.listen_port
    if port is None and rises and found.device_before and not is_running(found.name):
        # wireguard-go keeps its port while its interface is down; the kernel does not.
        port = found.device_before.settings.listen_port
    if port and prepared.wanted.up is not False and not (moves and moves.takes_port):
        from .._host import ports

        ports.refuse_taken(found.name, port)
    taken = moves.routes_taken if moves else ()
    routes.refuse_taken(fib, (one for one in found.routes if one.key() not in taken))
    for operation in found.files:
        is_link = operation.before is not None and operation.before.target is not None
        if is_link or operation.key() not in prepared.wanted.taken_over:
            files.refuse_foreign(operation.before)


def plan_interface(
    fib: Connection,
    current: Current,
    wanted: WantedInterface,
    private_key: bytes | None,
    known: Sequence[str] = (),
) -> PreparedInterface:
    """Plan one interface; resolves the names in endpoints that have to be set. ``known`` are warnings so far."""
    resolved: dict[bytes, Endpoint | None] = {}
    warnings = list(known)
    named = names_to_resolve(current, wanted)
    if named:
        from .names import resolve

        resolved, more = resolve(fib, current, wanted, named)
        warnings += more
    if wanted.present and wanted.private_key_file is not None and key_file.is_exposed(wanted.private_key_file):
        warnings.append(f"{wanted.private_key_file} can be read by others than its owner: set its mode to 0600")
    if private_key is not None and len(private_key) > KEY_BYTES and not wanted.new_key:
        warnings.append(f"{wanted.name}: there is no private key in {wanted.private_key_file} yet: wg_key generates it")
    if current.existing is not None:
        from .adoption import with_adopted_files

        current, losses = with_adopted_files(current, wanted, private_key)
        warnings += losses
    found = plan(current, wanted, private_key, systemd=systemd.is_running(), resolved=resolved)
    # The planner of a role warns of nested prefixes itself, once for all hosts.
    if wanted.peers and not wanted.inventory_name and (current.device or len(wanted.peers) > 1):
        from .nested_prefixes import nested

        warnings += nested(wanted, current, found)
    if wanted.threaded_napi is not None and wanted.present:
        from .napi_warnings import napi_warnings

        warnings += napi_warnings(current, wanted, found)
    if current.link is not None and any(o.before and o.before != o.after for o in found.link):
        from . import side_effects

        if side_effects.lost_families(found):
            found = side_effects.read_lost(fib, current.link.index, found, current.routes)
        if found.lost and wanted.present:
            warnings.append(side_effects.warning(wanted.name, found.lost))
    return PreparedInterface(wanted, found, current, private_key, tuple(warnings))
