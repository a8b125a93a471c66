# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Apply the plan for an interface.

This module is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from .._engine.errors import NotConverged
from .._engine.reconcile import Operation, reconcile
from .._fib import link_routes as routes
from .._host import (
    address_changes,
    addresses,
    file_changes,
    link_changes,
    links,
    rtnetlink,
    sysctl_changes,
    systemd,
    systemd_units,
    threaded_napi,
)
from .._netlink.connection import Connection
from .._wireguard import key_file_changes, userspace
from .._wireguard.backend import backend_for
from .._wireguard.model import Settings, change_of
from . import boot_files
from .options import WantedInterface
from .plan import Plan

_METRICS_OF_NETWORKS = (0, 256)  # of the kernel's routes to networks on a link, in IPv4 and IPv6


def apply_plan(fib: Connection, wanted: WantedInterface, found: Plan, created: set[str]) -> int:
    """Apply the plan of a present interface. Returns the number of set requests to its WireGuard device.

    Adds the interface's name to ``created`` where this creates it. Raises NotConverged, and OSError or pyroute2's error
    where the kernel refuses.
    """
    for operation in found.link:
        if operation.before is None:
            _create_link(wanted, operation.after.index if operation.after else 0, created)
    requests = 0
    if found.link or found.settings != Settings() or found.peers or found.addresses or found.routes:
        requests = _apply_to_link(fib, wanted, found)
    sysctl_changes.apply(found.sysctls)
    write_files(found)
    return requests


def _apply_to_link(fib: Connection, wanted: WantedInterface, found: Plan) -> int:
    link = links.read(fib, wanted.name)
    if link is None:
        raise NotConverged(f"{wanted.name}: interface create (it was removed by another program during the run)")
    requests = 0
    changes = [change_of(operation) for operation in found.peers]
    if found.link:
        with rtnetlink.open_socket() as ipr:
            for operation in found.link:
                link_changes.update(ipr, link, operation.after or link)
    if changes or found.settings != Settings():
        requests += backend_for(wanted.name).write(wanted.name, found.settings, changes)
    for operation in found.link:
        _set_threaded_napi(link, operation.after)
    moves = found.moves
    taken, given = (moves.routes_taken, moves.routes_given) if moves else (frozenset(), frozenset())
    early, late = routes_before_addresses(found)
    if found.addresses or found.link:
        _apply_addresses(fib, found, link, lambda: routes.apply(fib, link.index, early, taken=taken))
    else:
        late = list(found.routes)
    routes.apply(fib, link.index, late, taken=taken, given=given)
    return requests


def routes_before_addresses(found: Plan) -> tuple[list[Operation[routes.Route]], list[Operation[routes.Route]]]:
    """Return the routes to add while old addresses are still there, and the other changes.

    An address takes the route to its network with it. A managed route to that network, which other peers need, comes first,
    unless it has the metric of the old one.
    """
    going = {operation.before.address.network for operation in found.addresses if operation.before is not None}
    early: list[Operation[routes.Route]] = []
    late: list[Operation[routes.Route]] = []
    for operation in found.routes:
        after = operation.after
        is_late = after is None or (after.destination in going and after.metric in _METRICS_OF_NETWORKS)
        (late if is_late else early).append(operation)
    return early, late


def _set_threaded_napi(before: links.Link, after: links.Link | None) -> None:
    """Set threaded NAPI once the device has peers. The default of a new device depends on the kernel's release."""
    if after is None or after.threaded_napi is None or before.kind != links.WIREGUARD:
        return
    if threaded_napi.read(before.name, before.index) not in (None, after.threaded_napi):
        threaded_napi.write(before.name, after.threaded_napi)


def write_files(found: Plan) -> None:
    """Write and delete files. A removed unit of wg-quick is stopped after its configuration is deleted, so that stopping it
    changes nothing else. It can be active since boot."""
    for operation in found.files:
        if operation.after is not None and operation.after.secret and operation.before is None:
            key_file_changes.make_directories(os.path.dirname(operation.key()))
    file_changes.write_files(found.files)
    for operation in found.files:
        unit = boot_files.quick_unit(operation.key())
        left = boot_files.paths(found.name)[boot_files.WG_QUICK][0]
        if unit and operation.after is None and systemd.is_running() and not os.path.exists(left):
            systemd_units.retire(unit)


def _apply_addresses(fib: Connection, found: Plan, link: links.Link, add_routes: Callable[[], None]) -> None:
    """Set addresses and the up flag. Down comes first, because it makes the kernel delete IPv6 addresses.

    add_routes: is called while no address is removed yet, if the link can have routes then, else at the end.
    """
    going = [operation.after.up for operation in found.link if operation.after is not None]
    if link.up and False in going:
        _set_up(link.index, False)
    operations: Sequence[Operation[addresses.InterfaceAddress]] = found.addresses
    if found.held is not None and any(operation.before is not None for operation in found.link):
        # What the kernel removed with the change of the link comes back.
        current = addresses.read(fib, link.index, [entry.address for entry in found.held])
        operations = reconcile(current, found.held, purge=lambda _entry: True)
    if link.up and False not in going:
        new = [operation for operation in operations if operation.before is None]
        address_changes.apply(fib, found.name, link.index, new)
        add_routes()
        operations = [operation for operation in operations if operation.before is not None]
    address_changes.apply(fib, found.name, link.index, operations)
    if not link.up and True in going:
        _set_up(link.index, True)
    if not link.up or False in going:
        add_routes()


def _set_up(index: int, up: bool) -> None:
    with rtnetlink.open_socket() as ipr:
        link_changes.set_up(ipr, index, up)


def _create_link(wanted: WantedInterface, index: int, created: set[str]) -> None:
    """Create the interface in the kernel, or with wireguard-go where the kernel cannot and ``userspace`` allows it."""
    try:
        with rtnetlink.open_socket() as ipr:
            link_changes.create(ipr, wanted.name, links.WIREGUARD, index)
    except link_changes.KindUnsupported:
        if not wanted.userspace:
            raise
        created.add(wanted.name)  # the name was free; a process that fails can leave the interface
        userspace.start(wanted.name)
    created.add(wanted.name)


def remove_link(fib: Connection, name: str) -> None:
    """Remove an interface if it exists, and wait for its wireguard-go process."""
    link = links.read(fib, name)
    if link is not None:
        with rtnetlink.open_socket() as ipr:
            link_changes.delete(ipr, link.index)
        userspace.wait_until_gone(name)
