# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Carry out the plan for an interface, and read again: the edge where changes are made.

This module is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from ..all_or_nothing import all_or_nothing
from ..fib import routes
from ..host import addresses, files, links, rtnetlink, sysctls, systemd, threaded_napi
from ..netlink.connection import Connection
from ..reconcile import Operation
from ..refusal import NotConverged
from ..stage import Begun
from ..wireguard import userspace
from ..wireguard.backend import backend_for
from ..wireguard.model import Settings, change_of
from . import boot_files
from .apply import Prepared, plan_one, read
from .desired import WantedInterface
from .outcome import Outcome
from .plan import Plan

if TYPE_CHECKING:
    from ..take_back import Back


def execute_all(fib: Connection, prepared: Sequence[Prepared]) -> list[Outcome]:
    """Carry out plans of interfaces, and take back what was done where one fails; the error has a note of that.

    Raises what execute() does.
    """
    begun: Begun = []
    with all_or_nothing(lambda: begun):
        return [execute(fib, one, begun) for one in prepared]


def execute(fib: Connection, prepared: Prepared, begun: Begun) -> Outcome:
    """Carry a plan out, then read back and plan again: what is left then is an error. Notes the way back in ``begun``.

    Raises NotConverged, and OSError or pyroute2's error where the kernel refuses.
    """
    wanted, found = prepared.wanted, prepared.outcome.plan
    requests = 0
    if found:
        made: set[str] = set()
        begun.append(lambda: back(prepared, made))
        requests = act(fib, wanted, found, made)
    again = plan_one(read(fib, wanted), wanted, prepared.private_key)
    if again.plan:
        raise NotConverged(*(f"{wanted.name}: {difference}" for difference in again.plan.differences()))
    # What a new interface cannot be is known only now.
    warnings = tuple(dict.fromkeys((*prepared.outcome.warnings, *again.warnings)))
    return Outcome(found, wanted, warnings, requests)


def back(prepared: Prepared, made: Collection[str]) -> Back:
    """Return the way back of an interface; ``made`` has its name where this run made it."""
    from .interface_back import back_of_interface

    return back_of_interface(prepared, made)


def act(fib: Connection, wanted: WantedInterface, found: Plan, made: set[str]) -> int:
    """Carry a plan out, and note in ``made`` the name of an interface that was made; returns the set requests."""
    if not wanted.present:
        remove_link(fib, wanted.name)
        _carry_out_files(found)
        return 0
    for operation in found.link:
        if operation.before is None:
            _create_link(wanted, operation.after.index if operation.after else 0, made)
    requests = 0
    if found.link or found.settings != Settings() or found.peers or found.addresses or found.routes:
        requests = _act_on_link(fib, wanted, found)
    for parameter in found.sysctls:
        if parameter.after is not None:
            sysctls.write(parameter.after.path, parameter.after.value)
    _carry_out_files(found)
    return requests


def _act_on_link(fib: Connection, wanted: WantedInterface, found: Plan) -> int:
    link = links.read(fib, wanted.name)
    if link is None:
        raise NotConverged(f"{wanted.name}: interface create (somebody else removed it during the run)")
    requests = 0
    changes = [change_of(operation) for operation in found.peers]
    if found.link:
        with rtnetlink.open_socket() as ipr:
            for operation in found.link:
                links.update(ipr, link, operation.after or link)
    if changes or found.settings != Settings():
        requests += backend_for(wanted.name).write(wanted.name, found.settings, changes)
    for operation in found.link:
        _set_threaded_napi(link, operation.after)
    if found.addresses or found.link:
        with rtnetlink.open_socket() as ipr:
            _act_on_addresses(ipr, fib, wanted, found, link)
    routes.apply(fib, link.index, found.routes)
    return requests


def _set_threaded_napi(before: links.Link, after: links.Link | None) -> None:
    """Set it where there are peers by now; whether it is what a new device has anyway, the kernel's release decides."""
    if after is None or after.threaded_napi is None or before.kind != links.WIREGUARD:
        return
    if threaded_napi.read(before.name, before.index) not in (None, after.threaded_napi):
        threaded_napi.write(before.name, after.threaded_napi)


def _carry_out_files(found: Plan) -> None:
    """Write and delete files. A unit of wg-quick that goes is stopped behind its file, without which it stops nothing
    else: it may be active since the boot, and would stay so."""
    files.carry_out(found.files)
    for operation in found.files:
        unit = boot_files.quick_unit(operation.key())
        left = boot_files.paths(found.name)[boot_files.WG_QUICK][0]
        if unit and operation.after is None and systemd.is_running() and not os.path.exists(left):
            systemd.retire(unit)


def _act_on_addresses(ipr: Any, fib: Connection, wanted: WantedInterface, found: Plan, link: links.Link) -> None:
    """Set addresses and the up flag: down comes first, because the kernel then takes IPv6 addresses away."""
    going = [operation.after.up for operation in found.link if operation.after is not None]
    down = link.up and False in going
    operations: Sequence[Operation[addresses.InterfaceAddress]] = found.addresses
    if down:
        links.set_up(ipr, link.index, False)
        if wanted.addresses is not None:
            operations = addresses.plan(addresses.read(fib, link.index), wanted.addresses)
    addresses.apply(ipr, wanted.name, link.index, operations)
    if not link.up and True in going:
        links.set_up(ipr, link.index, True)


def _create_link(wanted: WantedInterface, index: int, made: set[str]) -> None:
    """Make the interface: of the kernel where it can, by wireguard-go only where that was allowed."""
    try:
        with rtnetlink.open_socket() as ipr:
            links.create(ipr, wanted.name, links.WIREGUARD, index)
    except links.KindUnsupported:
        if not wanted.userspace:
            raise
        made.add(wanted.name)  # the name was free, and a process that fails may leave it behind
        userspace.start(wanted.name)
    made.add(wanted.name)


def remove_link(fib: Connection, name: str) -> None:
    """Remove an interface, if it is there, and wait for the process that served it."""
    link = links.read(fib, name)
    if link is not None:
        with rtnetlink.open_socket() as ipr:
            links.delete(ipr, link.index)
        userspace.wait_until_gone(name)
