# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The packet filter of a host's interfaces as stages: the collection's table, its boot files, and openings in other
firewalls.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from .._engine.options import OptionReader
from .._engine.reconcile import Operation, counts
from .._engine.shown import Diff
from .._engine.stage import Stage
from .._host import file_stage, firewall_openings, firewalls, systemd
from .._host.files import BootFile
from .._host.firewall_openings import Finding, Needs
from .._host.firewalls import Pair
from .._interface.boot_files import NONE
from .._interface.options import WantedInterface
from .._ip.prefix import Prefix, parse_prefix
from .._netlink import route as codec
from .._netlink.connection import Connection
from .._netlink.route_lookup import open_connection
from .._nftables import boot_files
from .._nftables.options import forwarded, parse
from .._nftables.stage import read, ruleset_stage
from .._nftables.table import RulesetPart, WantedRuleset, after
from .sections import BOOT_NAME, FORWARDS, NFTABLES, OPEN

if TYPE_CHECKING:
    from .._engine.rollback import Rollback

LOOPBACK = "lo"


def parse_filter(options: Mapping[str, Any]) -> WantedRuleset:
    """Return the desired ruleset, empty for removed interfaces. Raises InvalidOptions."""
    raw = [one for one in options.get("interfaces") or () if isinstance(one, Mapping)]
    gone: dict[str, Any] = {str(one.get("name")): {} for one in raw if one.get("state") == "absent"}
    return parse({**gone, **(options.get(NFTABLES) or {})})


def stages(
    wanted: WantedRuleset, options: Mapping[str, Any], interfaces: Collection[WantedInterface], *, check_mode: bool
) -> dict[str, Stage]:
    """Return the stages by their keys in the result: the table, its files, and openings if requested.

    check_mode: whether nft may be missing. Raises NoNftables, ForeignFile, and OSError.
    """
    found = {}
    if wanted.interfaces:
        found = {
            NFTABLES: ruleset_stage(wanted, check_mode=check_mode),
            "nftables_files": _files_stage(
                wanted, interfaces, str(options.get(BOOT_NAME) or ""), needed=not check_mode and bool(wanted.parts)
            ),
        }
    if options.get(OPEN) or options.get(NFTABLES) or options.get(FORWARDS):
        found[OPEN] = _openings_stage(options, interfaces)
    return found


def _files_stage(
    wanted: WantedRuleset, interfaces: Collection[WantedInterface], boot_name: str, *, needed: bool
) -> Stage:
    kept = {one.name for one in interfaces if one.present and one.persistence != NONE} | {boot_name}
    here = {boot_files.rules_path(name) for name in wanted.interfaces}

    def plan() -> list[Operation[BootFile]]:
        paths: list[str] = []
        new: dict[str, BootFile] = {}
        listed = file_stage.listed(boot_files.DIRECTORY)
        others = [path for path in listed if path.endswith(".nft") and path not in here]
        for name in sorted(wanted.interfaces):
            paths += boot_files.paths(name)
            own = _parts(wanted, name, needed=needed) if name in kept else []
            found = boot_files.files(name, own, others, systemd=systemd.is_running())
            new.update({file.path: file for file in found})
        return file_stage.plan_files(paths, new.values())

    # A new unit is started, so that a restart of nftables.service restarts it too.
    return file_stage.stage(plan, boot_files.UNIT, start=True)


def _parts(wanted: WantedRuleset, interface: str, *, needed: bool) -> list[RulesetPart]:
    """Return the parts that boot: those that the interface has after the run."""
    if any(name == interface for name, _purpose in wanted.kept):
        return after(read(needed=needed), wanted, interface)
    return [part for part in wanted.parts if part.interface == interface]


def _openings_stage(options: Mapping[str, Any], interfaces: Collection[WantedInterface]) -> Stage:
    opened = bool(options.get(OPEN))

    present = [one for one in interfaces if one.present]
    through = parse_forwards(options.get(FORWARDS) or {}, [one.name for one in present])
    with open_connection() as fib:
        sites = {name: list(_site_pairs(fib, name, networks)) for name, networks in through.items()}
    needed = [_needs(one, options, sites.get(one.name, ())) for one in present]

    look = partial(_closed, needed)
    found = look()
    operations = firewall_openings.plan_openings(found) if opened else []

    def apply_all() -> int:
        firewall_openings.apply(operations)
        return len(operations)

    return Stage(
        operations,
        diff=lambda: [Diff("", [], _commands(operations))],
        apply=apply_all,
        delete=lambda: 0,
        pending=lambda: _commands(firewall_openings.plan_openings(look())) if opened else [],
        rollback=partial(_openings_rollback, operations, look),
        counts=counts(operations),
        warnings=tuple(firewall_openings.warnings(found, opened=opened)),
    )


def _closed(needed: Sequence[Needs]) -> list[Finding]:
    seen = firewalls.look()
    return [finding for needs in needed for finding in firewall_openings.findings(seen, needs)]


def parse_forwards(options: Mapping[str, Any], present: Collection[str]) -> dict[str, tuple[Prefix, ...]]:
    """Return the networks behind the host by interface. Raises InvalidOptions."""
    call = OptionReader(options, FORWARDS)
    for name in options:
        if name not in present:
            call.error(name, f"is none of the interfaces that are present ({', '.join(sorted(present))})")
    found = {name: tuple(call.each(name, parse_prefix)) for name in options}
    call.raise_errors()
    return found


def _site_pairs(fib: Connection, name: str, networks: Sequence[Prefix]) -> Iterator[Pair]:
    """Yield the pairs of interfaces between which packets from and to networks are forwarded; None is any interface.

    A network without a route of its own may be behind several interfaces.
    """
    devices = {_device_of(fib, network) for network in networks} if networks else {None}
    for device in sorted(devices - {LOOPBACK}, key=str):
        yield from ((name, device), (device, name))


def _device_of(fib: Connection, network: Prefix) -> str | None:
    """Return the interface of the route to a whole network, None without one."""
    try:
        (reply,) = fib.request(codec.RTM_GETROUTE, codec.encode_match(network))
        match = codec.decode_lookup(reply)
        is_own = bool(match.destination.length) and match.destination.contains(network)
        return socket.if_indextoname(match.interface_index) if is_own else None
    except (OSError, ValueError):  # no route, one without an interface, or a kernel before 4.13 with another answer
        return None


def _needs(interface: WantedInterface, options: Mapping[str, Any], sites: Iterable[Pair]) -> Needs:
    """Return the packets of an interface that other firewalls must accept."""
    name, sections = interface.name, options.get(NFTABLES) or {}
    pairs = dict.fromkeys([*forwarded(sections, name), *sites])
    # A host that only forwards may have no need of its port: it initiates its tunnels.
    is_reached = options.get(OPEN) or name in sections
    return Needs(name, interface.listen_port or 0 if is_reached else 0, tuple(pairs))


def _openings_rollback(done: Sequence[Operation[Finding]], look: Callable[[], list[Finding]]) -> Rollback:
    """Return the rollback. A finding is a closed port, so one that is gone was opened by this run."""
    from .._engine.rollback import rollback_of

    def read() -> list[Finding]:
        closed = {finding.key() for finding in look()}
        return [one.after for one in done if one.after is not None and one.after.key() not in closed]

    def label(finding: Finding) -> str:
        return f"the opening of {finding.firewall} for {finding.what}"

    return rollback_of(read, lambda: done, firewall_openings.close, label)


def _commands(operations: Sequence[Operation[Finding]]) -> list[str]:
    return [" ".join(command) for command in firewall_openings.open_commands(operations)]
