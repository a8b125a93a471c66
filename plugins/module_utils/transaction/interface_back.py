# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The way back of an interface that a run has changed, made or removed: to what was read before.

Keys go back as they were read from the kernel; sessions begin anew. What others have routed through an interface that was
removed was never read, and is not known here.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any, TypeVar

from ..fib import ways
from ..host import links
from ..reconcile import Keyed, Operation, by_key, reconcile
from ..take_back import Back, to_do
from ..wireguard.keys import ZERO
from ..wireguard.model import Device, Peer, Settings
from ..wireguard.model import label as peer_label
from .apply import Prepared, read
from .execute import act, remove_link
from .plan import Current, Plan

T = TypeVar("T", bound=Keyed)

# In the order in which they stand on each other. To set a link up takes the port, which is one of the settings.
_KINDS = ("link", "peers", "link", "addresses", "routes", "sysctls", "files")
_LABELS: dict[str, Callable[[Any], str]] = {
    "peers": lambda peer: f"peer {peer_label(peer.public_key)}",
    "link": lambda link: f"interface (mtu {link.mtu}, {'up' if link.up else 'down'}, alias {link.alias or 'none'})",
    "addresses": lambda one: f"address {one.address}",
    "routes": lambda route: f"route {route.destination}",
    "sysctls": lambda parameter: f"sysctl {parameter.path} = {parameter.value}",
    "files": lambda file: file.path,
}


def plan_back(now: Current, before: Current, done: Plan) -> Plan:
    """Return the operations by which an interface becomes again what it was, where another plan has touched it. Pure.

    An interface that was not there is nothing to plan for: it is removed. An interface that was set up or down, or was
    removed, has lost more than was asked for, so all that was read of it comes back.
    """
    files = _touched(now.files, before.files, done.files)
    sysctls = [one for one in _touched(now.sysctls, before.sysctls, done.sysctls) if one.after is not None]
    if before.link is None or before.device is None:
        return Plan(done.name, sysctls=tuple(sysctls), files=tuple(files))
    gone = now.link is None
    device = now.device or Device(done.name, Settings(ZERO, 0, 0), ZERO)
    whole = bool(done.link)
    return Plan(
        done.name,
        (Operation(now.link, before.link),) if whole and now.link != before.link else (),
        _settings(device.settings, before.device.settings, None if gone else done.settings),
        tuple(_peers(device.peers, before.device.peers, done, whole=gone)),
        tuple(_touched(now.addresses, before.addresses, done.addresses, whole=whole)),
        tuple(_touched(now.routes, before.routes, done.routes, whole=whole)),
        tuple(sysctls),
        tuple(files),
    )


def _touched(
    now: Iterable[T], before: Iterable[T], done: Sequence[Operation[T]], *, whole: bool = False
) -> list[Operation[T]]:
    was = by_key(before)
    keys = {operation.key() for operation in done} | (set(was) if whole else set())
    return reconcile(
        [item for item in now if item.key() in keys], [item for key, item in was.items() if key in keys], absent=keys
    )


def _settings(now: Settings, before: Settings, done: Settings | None) -> Settings:
    """Return the settings to set again: of those that were changed, or of all, what is not as it was."""
    changed = {
        one.name: getattr(before, one.name)
        for one in fields(Settings)
        if (done is None or getattr(done, one.name) is not None) and getattr(now, one.name) != getattr(before, one.name)
    }
    return Settings(**changed)


def _peers(now: Iterable[Peer], before: Iterable[Peer], done: Plan, *, whole: bool) -> list[Operation[Peer]]:
    given = {operation.key(): operation.after.endpoint for operation in done.peers if operation.after is not None}
    there = by_key(now)

    def as_it_was(peer: Peer) -> Peer:
        """An endpoint that is not the one it was given was learned since, and stays."""
        held: Peer | None = there.get(peer.public_key)  # type: ignore[assignment]
        learned = held is not None and held.endpoint != given.get(peer.public_key)
        return replace(peer, endpoint=held.endpoint) if held is not None and learned else peer

    found: list[Operation[Peer]] = []
    for operation in _touched(there.values(), map(as_it_was, before), done.peers, whole=whole):  # type: ignore[type-var]
        held, after = operation.before, operation.after
        if held is not None and after is not None and held.endpoint is not None and after.endpoint is None:
            # No message clears an endpoint. Without one there is no session that could be lost.
            found += [Operation(held, None), Operation(None, after)]
        else:
            found.append(operation)
    return found


def back_of_interface(prepared: Prepared, made: Collection[str]) -> Back:
    """Return the way back; ``made`` has the interface's name where this run made it."""
    before, done, name = prepared.before, prepared.outcome.plan, prepared.name
    was_userspace = before.link is not None and before.link.kind == links.TUN
    # The addresses of a plan back are its own, and it says itself what is there.
    wanted = replace(
        prepared.wanted, present=True, addresses=None, userspace=was_userspace or prepared.wanted.userspace
    )

    def pending() -> Plan:
        with ways.open_connection() as fib:
            return plan_back(read(fib, prepared.wanted), before, done)

    def carry_out(plan: Plan) -> None:
        with ways.open_connection() as fib:
            act(fib, wanted, plan, set())

    def make() -> None:
        try:
            carry_out(pending())
        except Exception:  # at once is quick, and one by one is what gets by a refusal
            for kind in _KINDS:
                for part in _parts(pending(), kind):
                    with suppress(Exception):  # what is left is read, and named
                        carry_out(part)

    def remove() -> None:
        if name in made:
            with ways.open_connection() as fib:
                remove_link(fib, name)

    def left() -> list[str]:
        found = _left(pending())
        with ways.open_connection() as fib:
            stays = name in made and links.read(fib, name) is not None
        return [*found, *([f"{name}: remove interface"] if stays else [])]

    return Back(bool(pending()) or name in made, make, remove, left)


def _parts(plan: Plan, kind: str) -> list[Plan]:
    """Return the plans for the single objects of a kind; settings and peers are one request."""
    if kind == "peers":
        return [Plan(plan.name, settings=plan.settings, peers=plan.peers)]
    parts: list[dict[str, Any]] = [{kind: (operation,)} for operation in getattr(plan, kind)]
    return [Plan(plan.name, **part) for part in parts]


def _left(plan: Plan) -> list[str]:
    changed = [one.name for one in fields(Settings) if getattr(plan.settings, one.name) is not None]
    texts = [f"change back {setting.replace('_', ' ')}" for setting in changed]
    for kind, label in _LABELS.items():
        texts += [to_do(operation, label) for operation in getattr(plan, kind)]
    return [f"{plan.name}: {text}" for text in texts]
