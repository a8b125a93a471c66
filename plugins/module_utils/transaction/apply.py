# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read an interface, plan, act, and read again: the edge where plans meet the kernel and the file system.

This module is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..fib import routes
from ..host import addresses, files, links, ports, rtnetlink, sysctls, systemd
from ..netlink.connection import Connection
from ..netlink.generic import FamilyMissing
from ..reconcile import Operation
from ..refusal import InvalidOptions, NotConverged
from ..wireguard import key_file, userspace
from ..wireguard import memory as memories
from ..wireguard.backend import backend_for
from ..wireguard.endpoint import Endpoint, resolve
from ..wireguard.kernel import NotWireGuard
from ..wireguard.model import Device, Settings, change_of
from . import boot_files
from .desired import WantedInterface
from .plan import Current, Plan, names_to_resolve, plan


@dataclass(frozen=True)
class Outcome:
    """What a run did, or in check mode would do, to one interface."""

    plan: Plan
    wanted: WantedInterface
    warnings: tuple[str, ...] = ()
    requests: int = 0


@dataclass(frozen=True)
class Prepared:
    """An interface that was read, planned and checked; ``index`` is 0 where it is still to be made."""

    outcome: Outcome
    index: int
    private_key: bytes | None = field(default=None, repr=False)

    @property
    def wanted(self) -> WantedInterface:
        """The interface as asked for."""
        return self.outcome.wanted

    @property
    def name(self) -> str:
        """The interface's name."""
        return self.outcome.wanted.name


def converge(wanted: Sequence[WantedInterface], *, check_mode: bool) -> list[Outcome]:
    """Make the interfaces what they shall be, or in check mode say what that would take.

    Every interface is read, planned and checked before the first is touched. Raises what prepare() and execute() do.
    """
    with routes.open_connection() as fib:
        prepared = prepare(fib, wanted, check_mode=check_mode)
        if check_mode or not any(one.outcome.plan for one in prepared):
            return [one.outcome for one in prepared]
        return [execute(fib, one) for one in prepared]


def prepare(fib: Connection, wanted: Sequence[WantedInterface], *, check_mode: bool) -> list[Prepared]:
    """Read, plan and check interfaces; nothing is touched.

    Raises Refused, InvalidOptions, BadKeyFile, ForeignFile, PortTaken, RouteTaken, UnreadableMemory, and OSError.
    """
    keys = {item.name: _private_key(item, check_mode) for item in wanted}
    prepared = []
    for item in wanted:
        current = read(fib, item)
        outcome = _plan_one(current, item, keys[item.name])
        _refuse_taken(fib, outcome)
        prepared.append(Prepared(outcome, current.link.index if current.link else 0, keys[item.name]))
    return prepared


def _private_key(wanted: WantedInterface, check_mode: bool) -> bytes | None:
    if wanted.private_key_file is None or not wanted.present:
        return None
    private_key = key_file.read(wanted.private_key_file)
    if private_key is None and not check_mode:
        raise InvalidOptions(
            [f"{wanted.name}: there is no private key in {wanted.private_key_file}: make one with wg_key first"]
        )
    return private_key


def _refuse_taken(fib: Connection, outcome: Outcome) -> None:
    found = outcome.plan
    rises = any(o.before and not o.before.up and o.after and o.after.up for o in found.link)
    port = found.settings.listen_port
    if port is None and rises and found.device_before and not userspace.is_running(found.name):
        # wireguard-go keeps its port while its interface is down; the kernel does not.
        port = found.device_before.settings.listen_port
    if port and outcome.wanted.up is not False:
        ports.refuse_taken(found.name, port)
    routes.refuse_taken(fib, found.routes)
    for operation in found.files:
        files.refuse_foreign(operation.before)


def _plan_one(current: Current, wanted: WantedInterface, private_key: bytes | None) -> Outcome:
    resolved: dict[Endpoint, Endpoint | None] = {name: resolve(name) for name in names_to_resolve(current, wanted)}
    warnings = [
        f"{wanted.name}: {name.host} does not resolve; its peer has no endpoint until a later run"
        for name, address in resolved.items()
        if address is None
    ]
    if wanted.present and wanted.private_key_file is not None and key_file.is_exposed(wanted.private_key_file):
        warnings.append(f"{wanted.private_key_file} can be read by others than its owner: set its mode to 0600")
    found = plan(current, wanted, private_key, systemd=systemd.is_running(), resolved=resolved)
    return Outcome(found, wanted, tuple(warnings))


def read(fib: Connection, wanted: WantedInterface) -> Current:
    """Return all that is there of an interface, and of the files and parameters that go with it."""
    link = links.read(fib, wanted.name)
    device = _read_device(wanted.name) if link is not None else None
    held = () if link is None else tuple(addresses.read(fib, link.index))
    through = () if link is None else tuple(routes.read(fib, wanted.name, link.index))
    parameters = [sysctls.read(parameter.path) for parameter in wanted.sysctls]
    return Current(
        link,
        device,
        held,
        through,
        tuple(found for found in parameters if found is not None),
        tuple(_read_files(wanted)) if wanted.remembers else (),
        memories.load(wanted.name) if wanted.remembers else memories.Memory(),
    )


def _read_device(name: str) -> Device | None:
    try:
        return backend_for(name).read(name)
    except NotWireGuard:
        return None
    except FamilyMissing:  # without the kernel module no interface can be one of its
        return None


def _read_files(wanted: WantedInterface) -> list[files.BootFile]:
    name = wanted.name
    by_method = boot_files.paths(name)
    plain = [*by_method[boot_files.WG_QUICK], *by_method[boot_files.NETWORKD][:3], boot_files.sysctl_path(name)]
    found = [files.read(path) for path in plain]
    found.append(files.read(by_method[boot_files.NETWORKD][3], ours_by_path=True, secret=True))
    found.append(files.read(memories.path_of(name), ours_by_path=True))
    if not wanted.present and wanted.private_key_file is not None:
        found.append(files.read(wanted.private_key_file, ours_by_path=True, secret=True))
    return [file for file in found if file is not None]


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
    again = _plan_one(read(fib, wanted), wanted, prepared.private_key).plan
    if again:
        raise NotConverged(*(f"{wanted.name}: {difference}" for difference in again.differences()))
    return Outcome(found, wanted, prepared.outcome.warnings, requests)


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
    if found.addresses or found.link:
        with rtnetlink.open_socket() as ipr:
            _act_on_addresses(ipr, fib, wanted, found, link)
    routes.apply(fib, link.index, found.routes)
    for parameter in found.sysctls:
        if parameter.after is not None:
            sysctls.write(parameter.after.path, parameter.after.value)
    _carry_out_files(found)
    return requests


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
