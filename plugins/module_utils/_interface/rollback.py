# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Roll back an interface that a run has changed, created or removed, to the state read before.

Keys are restored as they were read from the kernel; sessions are negotiated again. What the kernel removed with the
interface, or with a change of it, comes back: routes of other tables or programs, and kernel parameters.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any, TypeVar

from .._engine.reconcile import Keyed, Operation, by_key, reconcile
from .._engine.rollback import Rollback, describe_pending
from .._host import links, sysctl_changes, sysctls
from .._host.sysctls import Sysctl
from .._netlink.connection import Connection
from .._netlink.route_lookup import open_connection
from .._netlink.table_route import TableRoute
from .._wireguard.keys import ZERO, encode_key
from .._wireguard.model import Device, Peer, Settings
from .apply import apply_plan, remove_link
from .moves import Moves
from .plan import Current, Plan
from .prepare import PreparedInterface
from .read import read

T = TypeVar("T", bound=Keyed)

# In dependency order. A link that is set up binds the port, which is one of the settings, so links are tried twice.
_KINDS = ("link", "peers", "link", "addresses", "routes", "sysctls", "files")
_LABELS: dict[str, Callable[[Any], str]] = {
    "peers": lambda peer: f"peer {encode_key(peer.public_key)}",
    "link": lambda link: f"interface, mtu {link.mtu}, {'up' if link.up else 'down'}, alias {link.alias or 'none'}",
    "addresses": lambda one: f"address {one.address}",
    "routes": lambda route: f"route {route.destination}",
    "sysctls": sysctl_changes.label,
    "files": lambda file: file.path,
}


def plan_rollback(now: Current, before: Current, done: Plan) -> Plan:
    """Return the operations that return an interface to its previous state, after another plan changed it. Pure.

    A created interface is removed, so it needs no other operation. To set an interface up or down, or to remove it, makes
    the kernel delete more than the plan lists, so its whole previous state is restored.
    """
    files = _touched(now.files, before.files, done.files)
    sysctls = [one for one in _touched(now.sysctls, before.sysctls, done.sysctls) if one.after is not None]
    if before.link is None or before.device is None:
        return Plan(done.name, sysctls=tuple(sysctls), files=tuple(files))
    # An interface that the rollback has created again has no keys and peers yet.
    gone = now.link is None or any(operation.after is None for operation in done.link)
    device = now.device or Device(done.name, Settings(ZERO, 0, 0), ZERO)
    whole = bool(done.link)
    link = before.link
    if now.link is not None and now.link.alias and link.alias is None:
        link = replace(link, alias="")  # None would keep ours, and the interface would count as managed
    return Plan(
        done.name,
        (Operation(now.link, link),) if whole and now.link != before.link else (),
        _settings(device.settings, before.device.settings, None if gone else done.settings),
        tuple(_peers(device.peers, before.device.peers, done, whole=gone)),
        tuple(_touched(now.addresses, before.addresses, done.addresses, whole=whole)),
        tuple(_touched(now.routes, before.routes, done.routes, whole=whole)),
        tuple(sysctls),
        tuple(files),
        # Another interface may still have the routes that this one gave it.
        moves=Moves(routes_taken=done.moves.routes_given) if done.moves else None,
        held=before.addresses if whole else None,
    )


def _touched(
    now: Iterable[T], before: Iterable[T], done: Sequence[Operation[T]], *, whole: bool = False
) -> list[Operation[T]]:
    was = by_key(before)
    keys = {operation.key() for operation in done} | (set(was) if whole else set())
    return reconcile(
        [item for item in now if item.key() in keys], [item for key, item in was.items() if key in keys], absent=keys
    )


def lost_to_others(now: Current, before: Current, done: Plan) -> list[str]:
    """Return what others have deleted since an interface was read, apart from what the plan touches. Pure."""
    if before.link is None or done.link:
        return []
    if now.link is None:
        return [f"{done.name}: interface (missing)"]
    found = []
    for kind, had, has in (
        ("peers", before.device.peers if before.device else (), now.device.peers if now.device else ()),
        ("addresses", before.addresses, now.addresses),
        ("routes", before.routes, now.routes),
    ):
        known = {item.key() for item in has} | {operation.key() for operation in getattr(done, kind)}  # type: ignore[attr-defined]
        found += [f"{done.name}: {_LABELS[kind](item)} (missing)" for item in had if item.key() not in known]  # type: ignore[attr-defined]
    return found


def _settings(now: Settings, before: Settings, done: Settings | None) -> Settings:
    """Return the settings to restore: those that the plan changed, or all, where they differ from before."""
    changed = {
        one.name: getattr(before, one.name)
        for one in fields(Settings)
        if (done is None or getattr(done, one.name) is not None) and getattr(now, one.name) != getattr(before, one.name)
    }
    return Settings(**changed)


def _peers(now: Iterable[Peer], before: Iterable[Peer], done: Plan, *, whole: bool) -> list[Operation[Peer]]:
    given = {operation.key(): operation.after.endpoint for operation in done.peers if operation.after is not None}
    there = by_key(now)

    def restored(peer: Peer) -> Peer:
        """Keep an endpoint that the kernel has learned since."""
        held: Peer | None = there.get(peer.public_key)  # type: ignore[assignment]
        learned = held is not None and held.endpoint != given.get(peer.public_key)
        return replace(peer, endpoint=held.endpoint) if held is not None and learned else peer

    found: list[Operation[Peer]] = []
    for operation in _touched(there.values(), map(restored, before), done.peers, whole=whole):  # type: ignore[type-var]
        held, after = operation.before, operation.after
        if held is not None and after is not None and held.endpoint is not None and after.endpoint is None:
            # No netlink message clears an endpoint. A peer without one has no session to lose.
            found += [Operation(held, None), Operation(None, after)]
        else:
            found.append(operation)
    return found


def interface_rollback(prepared: PreparedInterface, created: Collection[str]) -> Rollback:
    """Return the rollback; ``created`` has the interface's name where this run created it."""
    before, done, name = prepared.before, prepared.plan, prepared.name
    was_userspace = before.link is not None and before.link.kind == links.TUN
    wanted = replace(prepared.wanted, present=True, userspace=was_userspace or prepared.wanted.userspace)

    def plan() -> Plan:
        with open_connection() as fib:
            return plan_rollback(read(fib, prepared.wanted), before, done)

    def apply(part: Plan) -> None:
        with open_connection() as fib:
            apply_plan(fib, wanted, part, set())

    def missing(fib: Connection) -> list[TableRoute]:
        link = links.read(fib, name) if done.lost else None
        if link is None:
            return list(done.lost)
        from .._fib import device_routes

        now = set(device_routes.read(fib, link.index))
        return [route for route in device_routes.through(done.lost, link.index) if route not in now]

    def changed() -> list[Sysctl]:
        """Return the parameters that the interface has lost, as they were."""
        now = set(sysctl_changes.of_interface(name)) if done.lost_sysctls else set()
        return [parameter for parameter in done.lost_sysctls if parameter not in now]

    def set_parameters() -> None:
        for parameter in changed():
            with suppress(OSError):  # pending() reads and names it
                sysctls.write(parameter.path, parameter.value)

    def restore() -> None:
        if done.lost_sysctls:
            with suppress(Exception):  # again below
                apply(Plan(name, link=plan().link))
            set_parameters()  # an interface with disable_ipv6 refuses IPv6 addresses
        try:
            apply(plan())
        except Exception:  # all at once is fast; one by one passes a refused object
            for kind in _KINDS:
                for part in _parts(plan(), kind):
                    with suppress(Exception):  # pending() reads and names it
                        apply(part)
        if done.lost:
            from .._fib import device_routes

            with open_connection() as fib:
                device_routes.restore(fib, missing(fib))
        set_parameters()

    def delete() -> None:
        if name in created:
            with open_connection() as fib:
                remove_link(fib, name)

    def lost() -> list[str]:
        with open_connection() as fib:
            return lost_to_others(read(fib, prepared.wanted), before, done)

    def pending() -> list[str]:
        found = [*_pending(plan()), *lost()]
        with open_connection() as fib:
            remains = name in created and links.read(fib, name) is not None
            if done.lost:
                from .side_effects import shown

                found += [f"{name}: route {shown(route, name)} (missing)" for route in missing(fib)]
        found += [f"{name}: {sysctl_changes.label(parameter)} (changed)" for parameter in changed()]
        return [*found, *([f"{name}: interface (not removed)"] if remains else [])]

    def needed() -> bool:
        with open_connection() as fib:
            return bool(plan()) or name in created or bool(missing(fib) or lost() or changed())

    return Rollback(needed(), restore, delete, pending)


def _parts(plan: Plan, kind: str) -> list[Plan]:
    """Return one plan for each object of a kind; settings and peers are one request."""
    if kind == "peers":
        return [Plan(plan.name, settings=plan.settings, peers=plan.peers)]
    parts: list[dict[str, Any]] = [{kind: (operation,)} for operation in getattr(plan, kind)]
    return [Plan(plan.name, **part, moves=plan.moves) for part in parts]


def _pending(plan: Plan) -> list[str]:
    changed = [one.name for one in fields(Settings) if getattr(plan.settings, one.name) is not None]
    texts = [f"{setting.replace('_', ' ')} (changed)" for setting in changed]
    for kind, label in _LABELS.items():
        texts += [describe_pending(operation, label) for operation in getattr(plan, kind)]
    return [f"{plan.name}: {text}" for text in texts]
