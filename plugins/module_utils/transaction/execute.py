# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Carry out the plan for an interface, and read again: the edge where changes are made.

This module is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ..fib import routes
from ..host import addresses, files, links, rtnetlink, sysctls, systemd, threaded_napi
from ..netlink.connection import Connection
from ..reconcile import Operation
from ..refusal import NotConverged
from ..wireguard import userspace
from ..wireguard.backend import backend_for
from ..wireguard.model import Settings, change_of
from . import boot_files
from .apply import Prepared, plan_one, read
from .desired import WantedInterface
from .outcome import Outcome
from .plan import Plan


def execute(fib: Connection, prepared: Prepared) -> Outcome:
    """Carry a plan out, then read back and plan again: what is left then is an error.

    Raises NotConverged, and OSError or pyroute2's error where the kernel refuses.
    """
    wanted, found = prepared.wanted, prepared.outcome.plan
    requests = 0
    if found:
        created = any(operation.before is None for operation in found.link)
        try:
            requests = _act(fib, wanted, found)
        except BaseException:
            if created:
                _remove_link(fib, wanted.name)
            raise
    again = plan_one(read(fib, wanted), wanted, prepared.private_key)
    if again.plan:
        raise NotConverged(*(f"{wanted.name}: {difference}" for difference in again.plan.differences()))
    # What a new interface cannot be is known only now.
    warnings = tuple(dict.fromkeys((*prepared.outcome.warnings, *again.warnings)))
    return Outcome(found, wanted, warnings, requests)


def _act(fib: Connection, wanted: WantedInterface, found: Plan) -> int:
    if not wanted.present:
        _remove_link(fib, wanted.name)
        _carry_out_files(found)
        return 0
    if any(operation.before is None for operation in found.link):
        _create_link(wanted)
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
    for parameter in found.sysctls:
        if parameter.after is not None:
            sysctls.write(parameter.after.path, parameter.after.value)
    _carry_out_files(found)
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


def _create_link(wanted: WantedInterface) -> None:
    """Make the interface: of the kernel where it can, by wireguard-go only where that was allowed."""
    try:
        with rtnetlink.open_socket() as ipr:
            links.create(ipr, wanted.name, links.WIREGUARD)
    except links.KindUnsupported:
        if not wanted.userspace:
            raise
        userspace.start(wanted.name)


def _remove_link(fib: Connection, name: str) -> None:
    link = links.read(fib, name)
    if link is not None:
        with rtnetlink.open_socket() as ipr:
            links.delete(ipr, link.index)
        userspace.wait_until_gone(name)
