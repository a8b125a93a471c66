# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""IPsec between nodes: states and their traffic by direction, and echo replies of other nodes.

This module is private to the collection.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .._ip.prefix import Prefix
from .._probe.echo_loop import Question, ask_all
from .._probe.size_search import SizeSearch
from .._probe.sockets import Destination
from .._xfrm import kernel
from .._xfrm.boot_facts import wear
from .._xfrm.model import Address, State
from .._xfrm.ownership import Reqids
from .counters import Node

# The host's routes and policies choose the path, as they do for every packet.
_ANY_INTERFACE = ""


class EchoTarget(NamedTuple):
    """An address reached through IPsec: name of its node, address, and the packet size that should pass (bytes)."""

    name: str
    host: Prefix
    mtu: int | None


@dataclass(frozen=True)
class WantedIpsec:
    """The reqids of the reported states, and the addresses to send echo requests to."""

    reqids: Reqids
    targets: tuple[EchoTarget, ...]


class Direction(NamedTuple):
    """From one node to another (their names), between two addresses of the underlay."""

    source: str
    destination: str
    ends: tuple[Address, Address]


def probe(wanted: WantedIpsec, seconds: float) -> list[SizeSearch]:
    """Send echo requests to all targets for a time in seconds. Raises OSError where no socket can be opened."""
    questions = [Question(Destination(one.host.family, one.host.packed), one.mtu, True) for one in wanted.targets]
    return ask_all(_ANY_INTERFACE, questions, seconds) if questions else []


def read(wanted: WantedIpsec) -> list[State]:
    """Return the states with the wanted reqids. Raises OSError."""
    with kernel.open_connection() as connection:
        return [state for state in kernel.read_states(connection) if state.reqid in wanted.reqids]


def by_direction(states: Iterable[State], nodes: Iterable[Node]) -> dict[Direction, list[State]]:
    """Return the states between nodes by direction; all other states are left out. Pure."""
    names = {(own.family, own.packed): node.name for node in nodes for own in node.addresses}
    found: dict[Direction, list[State]] = {}
    for state in states:
        source, destination = names.get(state.source), names.get(state.destination)
        if source is not None and destination is not None:
            found.setdefault(Direction(source, destination, (state.source, state.destination)), []).append(state)
    return found


def describe(
    before: Iterable[State], after: Iterable[State], nodes: Sequence[Node], now: float
) -> list[dict[str, Any]]:
    """Return one entry per direction; a node may have several states to receive, the sender uses one. Pure.

    before, after: the states at the start and the end of the capture. now: seconds since 1970.
    """
    counters_before = {state.key(): (state.packet_count, sum(state.failed)) for state in before}

    def growth(states: Iterable[State], which: int) -> int:
        """Return the growth of a counter; a state created meanwhile started at zero."""
        pairs = (
            (counters_before.get(state.key(), (0, 0)), (state.packet_count, sum(state.failed))) for state in states
        )
        return sum(max(0, new[which] - old[which]) for old, new in pairs)

    return [
        {
            "source": direction.source,
            "destination": direction.destination,
            "src": str(direction.ends[0]),
            "dst": str(direction.ends[1]),
            "spis": [f"{state.spi:#010x}" for state in sorted(states, key=State.key)],
            "packets": sum(state.packet_count for state in states),
            "bytes": sum(state.byte_count for state in states),
            "meanwhile": growth(states, 0),
            "failed": growth(states, 1),
            **wear(states, now),
        }
        for direction, states in sorted(by_direction(after, nodes).items())
    ]


def answers(wanted: WantedIpsec, searches: Iterable[SizeSearch]) -> list[dict[str, Any]]:
    """Return one entry per target: whether it replied, round-trip time, largest size that passed. Pure."""
    return [
        {
            "name": one.name,
            "address": socket.inet_ntop(one.host.family, one.host.packed),
            "replied": search.replied,
            "rtt_ms": round(min(search.trips) * 1000, 3) if search.trips else None,
            "mtu": search.largest,
            "wanted_mtu": one.mtu,
        }
        for one, search in zip(wanted.targets, searches)
    ]


def result(
    wanted: WantedIpsec, searches: Iterable[SizeSearch], before: Iterable[State], nodes: Sequence[Node]
) -> dict[str, Any]:
    """Return the key `ipsec` of the module's result, with the current states. Raises OSError."""
    return {
        "answers": answers(wanted, searches),
        "states": describe(before, read(wanted), nodes, time.time()),
    }
