# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Find what moves between the interfaces of a run, and note it in their plans. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from .._engine.reconcile import CREATE, DELETE
from .._fib.link_routes import RouteKey
from .moves import Moves
from .options import WantedInterface
from .plan import Current, Plan


class Planned(NamedTuple):
    """An interface with its current state and its plan."""

    wanted: WantedInterface
    current: Current
    plan: Plan


def with_moves(interfaces: Sequence[Planned]) -> list[Plan]:
    """Return the plans, with what each interface gives to the others and takes from them.

    An interface that accepts any port gives its port to another one that needs it, and gets another port.
    """
    wants = {one.plan.settings.listen_port: one.wanted.name for one in interfaces if _binds(one)}
    given = {port: one.wanted.name for one in interfaces for port in _given_ports(one) if port in wants}
    made = {key: one.wanted.name for one in interfaces for key in _routes(one, CREATE)}
    gone = {key: one.wanted.name for one in interfaces for key in _routes(one, DELETE)}
    moving = {key for key in made if key in gone and made[key] != gone[key]}
    plans = []
    for one in interfaces:
        name, settings = one.wanted.name, one.plan.settings
        moves = Moves(
            gives_port=name in given.values(),
            takes_port=settings.listen_port in given,
            routes_given=frozenset(key for key in moving if gone[key] == name),
            routes_taken=frozenset(key for key in moving if made[key] == name),
        )
        if moves.gives_port and one.wanted.present and settings.listen_port is None:
            settings = replace(settings, listen_port=0)
        plans.append(replace(one.plan, settings=settings, moves=moves) if moves != Moves() else one.plan)
    return plans


def _binds(one: Planned) -> bool:
    return bool(one.plan.settings.listen_port) and one.wanted.up is not False


def _given_ports(one: Planned) -> Iterator[int]:
    """Yield the port that an interface has now and may lose: it is removed, gets another one, or accepts any."""
    port = one.current.device.settings.listen_port if one.current.device is not None else None
    if port and (not one.wanted.present or one.plan.settings.listen_port is not None or one.wanted.listen_port == 0):
        yield port


def _routes(one: Planned, action: str) -> Iterator[RouteKey]:
    if action == DELETE and not one.wanted.present:
        yield from (route.key() for route in one.current.routes)
    yield from (operation.key() for operation in one.plan.routes if operation.action == action)
