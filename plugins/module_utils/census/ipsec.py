# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""IPsec between this node and others: which states there are for each way, what they carried, and who answers.

This module is private to the collection.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..prefix import Prefix
from ..probe.exchange import Question, ask_all
from ..probe.inquiry import Inquiry
from ..probe.sockets import Destination
from ..xfrm import kernel
from ..xfrm.boot_facts import wear
from ..xfrm.ownership import Reqids
from ..xfrm.values import Address, State
from .tally import Node

# The host's routes and policies choose the way, as they do for every packet.
_ANY_INTERFACE = ""


class Asked(NamedTuple):
    """An address that is reached by IPsec: the name of its node, the address, and the size that should pass."""

    name: str
    host: Prefix
    mtu: int | None


@dataclass(frozen=True)
class WantedIpsec:
    """What is told: the states of some reqids, and what came of asking."""

    reqids: Reqids
    asked: tuple[Asked, ...]


class Way(NamedTuple):
    """From one node to another, by names, between two addresses of the underlay."""

    source: str
    destination: str
    ends: tuple[Address, Address]


def ask(wanted: WantedIpsec, seconds: float) -> list[Inquiry]:
    """Ask all addresses, for so many seconds at most. Raises OSError where no socket is to be had."""
    places = [Destination(one.host.family, one.host.packed) for one in wanted.asked]
    questions = [Question(place, one.mtu, True) for place, one in zip(places, wanted.asked)]
    return ask_all(_ANY_INTERFACE, questions, seconds) if questions else []


def read(wanted: WantedIpsec) -> list[State]:
    """Return the states that are told of. Raises OSError."""
    with kernel.open_connection() as connection:
        return [state for state in kernel.read_states(connection) if state.reqid in wanted.reqids]


def by_way(states: Iterable[State], nodes: Iterable[Node]) -> dict[Way, list[State]]:
    """Return the states between nodes by way; those of others are left out. Pure."""
    names = {(own.family, own.packed): node.name for node in nodes for own in node.addresses}
    found: dict[Way, list[State]] = {}
    for state in states:
        source, destination = names.get(state.source), names.get(state.destination)
        if source is not None and destination is not None:
            found.setdefault(Way(source, destination, (state.source, state.destination)), []).append(state)
    return found


def describe(
    before: Iterable[State], after: Iterable[State], nodes: Sequence[Node], now: float
) -> list[dict[str, Any]]:
    """Return what is told of each way; a node receives by several states, of which the sender uses one. Pure.

    before, after: the states when counting began and ended. now: seconds since 1970.
    """
    begun = {state.key(): (state.packet_count, sum(state.failed)) for state in before}

    def grown(states: Iterable[State], which: int) -> int:
        """A state that was made meanwhile began with none."""
        pairs = ((begun.get(state.key(), (0, 0)), (state.packet_count, sum(state.failed))) for state in states)
        return sum(max(0, now_has[which] - had[which]) for had, now_has in pairs)

    return [
        {
            "source": way.source,
            "destination": way.destination,
            "src": str(way.ends[0]),
            "dst": str(way.ends[1]),
            "spis": [f"{state.spi:#010x}" for state in sorted(states, key=State.key)],
            "packets": sum(state.packet_count for state in states),
            "bytes": sum(state.byte_count for state in states),
            "meanwhile": grown(states, 0),
            "failed": grown(states, 1),
            **wear(states, now),
        }
        for way, states in sorted(by_way(after, nodes).items())
    ]


def answers(wanted: WantedIpsec, inquiries: Iterable[Inquiry]) -> list[dict[str, Any]]:
    """Return what came of asking, by address. Pure."""
    return [
        {
            "name": one.name,
            "address": socket.inet_ntop(one.host.family, one.host.packed),
            "replied": inquiry.replied,
            "rtt_ms": round(min(inquiry.trips) * 1000, 3) if inquiry.trips else None,
            "mtu": inquiry.largest,
            "wanted_mtu": one.mtu,
        }
        for one, inquiry in zip(wanted.asked, inquiries)
    ]


def result(
    wanted: WantedIpsec, inquiries: Iterable[Inquiry], before: Iterable[State], nodes: Sequence[Node]
) -> dict[str, Any]:
    """Return the part `ipsec` of the module's result, with the states as they are now. Raises OSError."""
    return {
        "answers": answers(wanted, inquiries),
        "states": describe(before, read(wanted), nodes, time.time()),
    }
