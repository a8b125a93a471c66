# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read interfaces and plan: the edge where plans meet the kernel and the file system. execute.py carries them out.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ..fib import routes, ways
from ..host import addresses, files, links, ports, sysctls, systemd, threaded_napi
from ..netlink.connection import Connection
from ..netlink.generic import FamilyMissing
from ..reconcile import replay
from ..refusal import InvalidOptions
from ..wireguard import key_file
from ..wireguard import memory as memories
from ..wireguard.backend import backend_for
from ..wireguard.endpoint import Endpoint, resolve
from ..wireguard.kernel import NotWireGuard
from ..wireguard.model import Device
from ..wireguard.uapi_socket import is_running
from . import boot_files
from .desired import WantedInterface
from .outcome import Outcome
from .plan import Current, Plan, names_to_resolve, plan


@dataclass(frozen=True)
class Prepared:
    """An interface that was read, planned and checked; ``before`` is what was read."""

    outcome: Outcome
    before: Current = field(repr=False)
    private_key: bytes | None = field(default=None, repr=False)

    @property
    def index(self) -> int:
        """The interface's index, 0 where it is still to be made."""
        return self.before.link.index if self.before.link else 0

    @property
    def wanted(self) -> WantedInterface:
        """The interface as asked for."""
        return self.outcome.wanted

    @property
    def name(self) -> str:
        """The interface's name."""
        return self.outcome.wanted.name


def converge(
    wanted: Sequence[WantedInterface], *, check_mode: bool, allow_management_change: bool = False
) -> list[Outcome]:
    """Make the interfaces what they shall be, or in check mode say what that would take.

    Every interface is read, planned and checked before the first is touched. Raises what prepare() and
    execute_all() do.
    """
    with ways.open_connection() as fib:
        prepared = prepare(fib, wanted, check_mode=check_mode)
        if not allow_management_change and any(one.outcome.plan for one in prepared):
            from .management_guard import refuse_cut
            from .wanted_sections import Interfaces

            present = {one.name for one in wanted if one.present}
            refuse_cut(fib, prepared, {}, Interfaces(present, {one.name for one in wanted} - present))
        if check_mode or not any(one.outcome.plan for one in prepared):
            return [one.outcome for one in prepared]
        from .execute import execute_all

        return execute_all(fib, prepared)


def prepare(fib: Connection, wanted: Sequence[WantedInterface], *, check_mode: bool) -> list[Prepared]:
    """Read, plan and check interfaces; nothing is touched.

    Raises Refused, InvalidOptions, BadKeyFile, ForeignFile, PortTaken, RouteTaken, UnreadableMemory, and OSError.
    """
    keys = {item.name: _private_key(item, check_mode) for item in wanted}
    prepared = []
    for item in wanted:
        current = read(fib, item)
        outcome = plan_one(current, item, keys[item.name])
        _refuse_taken(fib, outcome)
        prepared.append(Prepared(outcome, current, keys[item.name]))
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
    if port is None and rises and found.device_before and not is_running(found.name):
        # wireguard-go keeps its port while its interface is down; the kernel does not.
        port = found.device_before.settings.listen_port
    if port and outcome.wanted.up is not False:
        ports.refuse_taken(found.name, port)
    routes.refuse_taken(fib, found.routes)
    for operation in found.files:
        files.refuse_foreign(operation.before)


def plan_one(current: Current, wanted: WantedInterface, private_key: bytes | None) -> Outcome:
    """Return what is to be done to one interface; looks up the names in endpoints that have to be set."""
    resolved: dict[Endpoint, Endpoint | None] = {name: resolve(name) for name in names_to_resolve(current, wanted)}
    warnings = [
        f"{wanted.name}: {name.host} does not resolve; its peer has no endpoint until a later run"
        for name, address in resolved.items()
        if address is None
    ]
    if wanted.present and wanted.private_key_file is not None and key_file.is_exposed(wanted.private_key_file):
        warnings.append(f"{wanted.private_key_file} can be read by others than its owner: set its mode to 0600")
    found = plan(current, wanted, private_key, systemd=systemd.is_running(), resolved=resolved)
    return Outcome(found, wanted, (*warnings, *_napi_warnings(current, wanted, found)))


def _napi_warnings(current: Current, wanted: WantedInterface, found: Plan) -> Iterator[str]:
    """Yield why threaded NAPI is not as wanted after the run, or after the next boot."""
    if wanted.threaded_napi is None or not wanted.present:
        return
    if current.link is not None and current.link.threaded_napi is not wanted.threaded_napi:
        peers = replay(current.device.peers if current.device else (), found.peers)
        obstacle = threaded_napi.obstacle(current.link, has_peers=bool(peers))
        if obstacle:
            yield f"{wanted.name}: threaded_napi was left as it is, because {obstacle}"
    if wanted.persistence == boot_files.NETWORKD:
        yield (
            f"{wanted.name}: systemd-networkd has no setting for threaded_napi: after a boot it is the kernel's choice "
            "until the next run"
        )


def read(fib: Connection, wanted: WantedInterface) -> Current:
    """Return all that is there of an interface, and of the files and parameters that go with it."""
    link = links.read(fib, wanted.name)
    if link is not None and wanted.threaded_napi is not None:
        link = replace(link, threaded_napi=threaded_napi.read(wanted.name, link.index))
    device = read_device(wanted.name) if link is not None else None
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


def read_device(name: str) -> Device | None:
    """Return the WireGuard device of an interface, None where there is none. Raises OSError."""
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
