# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which pairs of spokes have a direct tunnel, and why the others have none: a pure choice from what is known of both.

A pair is tried where nothing says that it is hopeless, and stays where both ends have shaken hands.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.endpoint import parse_endpoint
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.endpoints import BOTH, NAME, kind_of

# The latest age at which WireGuard still uses a session (REJECT_AFTER_TIME of its paper), in seconds.
SESSION_SECONDS = 180
# Kinds of NAT that give a spoke another port for each one it talks to, as `stun_info` names them.
SYMMETRIC = ("address_dependent", "address_and_port_dependent", "dependent")


class Stage(Enum):
    """How far a run is: before anything was tried, while it is, and when it is known what came of it."""

    PLAN = "plan"
    TRY = "try"
    SETTLE = "settle"


class State(Enum):
    """What becomes of a pair: a direct tunnel, one to be tried, or the way through the hub."""

    DIRECT = "direct"
    TRIAL = "trial"
    HUB = "hub"


class Session(NamedTuple):
    """A peer of a device: where it was heard from last, and the seconds since the last handshake."""

    endpoint: str
    age: int

    @property
    def is_alive(self) -> bool:
        """Whether WireGuard still uses it."""
        return self.age < SESSION_SECONDS


@dataclass(frozen=True)
class DirectSpoke:
    """What is known of a spoke's device for direct tunnels.

    partners: whom it wants, None for all. heard: whether it said what follows, in this run. batch: whether it is
    worked on now, so that something can be tried. declared: its endpoints by kind, of the inventory. own: its underlay
    addresses. seen: by hub, the endpoint where that hub hears it; is_new: no hub knows the device yet.
    nats: kind of NAT by address family. peers: by name the key and endpoint that it remembers. sessions, tried: its
    sessions by public key before anything was tried, None where it was not asked, and after.
    """

    name: str
    public_key: str | None
    partners: frozenset[str] | None = None
    heard: bool = True
    batch: bool = True
    declared: Mapping[str, str] = field(default_factory=dict)
    own: frozenset[str] = frozenset()
    seen: Mapping[str, str] = field(default_factory=dict)
    is_new: bool = False
    nats: Mapping[str, str] = field(default_factory=dict)
    peers: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    sessions: Mapping[str, Session] | None = None
    tried: Mapping[str, Session] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    retry: bool = False

    def wants(self, other: str) -> bool:
        """Return whether this spoke would talk to another one directly."""
        return self.partners is None or other in self.partners


class Decision(NamedTuple):
    """What becomes of a pair, and why it stays on the hub; endpoints as in `DirectPair`; note: to be remembered."""

    names: tuple[str, str]
    state: State
    reason: str = ""
    endpoints: tuple[str, str] = ("", "")
    note: str = ""


def wanted_pairs(spokes: Mapping[str, DirectSpoke]) -> Iterator[tuple[DirectSpoke, DirectSpoke]]:
    """Yield the pairs that both ends want, in the order of names; the cost is that of the shorter wish of the two."""
    everybody = sorted(spokes)
    for place, name in enumerate(everybody):
        one = spokes[name]
        others = everybody[place + 1 :] if one.partners is None else sorted(one.partners & spokes.keys())
        for other in others:
            if other > name and spokes[other].wants(name):
                yield one, spokes[other]


def decide_all(spokes: Mapping[str, DirectSpoke], stage: Stage) -> list[Decision]:
    """Return what becomes of the pairs that at least one end of was heard from."""
    return [decide(one, other, stage) for one, other in wanted_pairs(spokes) if one.heard or other.heard]


def decide(one: DirectSpoke, other: DirectSpoke, stage: Stage) -> Decision:
    """Return what becomes of a pair.

    One that works stays, whatever else is known. Nothing is tried again that has failed between the same two public
    addresses, unless somebody asks for it: a symmetric NAT gives new ports all the time.
    """
    names = (one.name, other.name)
    unknown = [spoke.name for spoke in (one, other) if spoke.public_key is None]
    if unknown:
        return Decision(names, State.HUB, f"the key of {_listed(unknown)} is not known")
    if _is_established(one, other):
        return Decision(names, State.DIRECT, endpoints=(_remembered(other, one), _remembered(one, other)))
    lost = _lost(one, other)
    absent = [spoke.name for spoke in (one, other) if not (spoke.heard and spoke.batch)]
    if absent:
        return Decision(names, State.HUB, lost or f"{_listed(absent)} took no part in this run")
    kind, endpoints = _way(one, other)
    if not kind:
        if stage is Stage.PLAN and (one.is_new or other.is_new):
            return Decision(names, State.TRIAL, lost)
        return Decision(names, State.HUB, _without_way(one, other))
    hopeless, measured = _hopeless(one, other, kind, endpoints)
    between = " ".join(parse_endpoint(text).host for text in endpoints)
    if hopeless:
        return Decision(names, State.HUB, hopeless, note=f"{between}: {hopeless}" if measured else "")
    failed = "" if one.retry or other.retry else _failed_before(one, other, between)
    if failed:
        return Decision(names, State.HUB, failed)
    if stage is not Stage.SETTLE:
        return Decision(names, State.TRIAL, lost, endpoints)
    silent = _silent(one, other)
    if not silent:
        return Decision(names, State.DIRECT, lost, endpoints)
    reason = f"{silent}, at {endpoints[0]} and {endpoints[1]}; a symmetric NAT or a firewall is in the way"
    return Decision(names, State.HUB, reason, note=f"{between}: {reason}")


def _listed(names: Iterable[str]) -> str:
    return " and ".join(names)


def _knows(spoke: DirectSpoke, other: DirectSpoke) -> bool:
    return other.name in spoke.peers and spoke.peers[other.name][0] == other.public_key


def _remembered(spoke: DirectSpoke, other: DirectSpoke) -> str:
    return spoke.peers[other.name][1] if spoke.heard and other.name in spoke.peers else ""


def _is_alive(spoke: DirectSpoke, other: DirectSpoke) -> bool:
    if spoke.sessions is None or other.public_key is None:
        return True
    session = spoke.sessions.get(other.public_key)
    return session is not None and session.is_alive


def _is_established(one: DirectSpoke, other: DirectSpoke) -> bool:
    """Return whether the ends that were heard from have a tunnel that works; nobody else's tunnel is taken away."""
    ends = [(end, far) for end, far in ((one, other), (other, one)) if end.heard]
    if not all(_knows(end, far) for end, far in ends):
        return False
    return len(ends) < 2 or all(_is_alive(end, far) for end, far in ends)


def _lost(one: DirectSpoke, other: DirectSpoke) -> str:
    """Return that a pair was direct and is not any more, empty if it was not."""
    ends = [(end, far) for end, far in ((one, other), (other, one)) if end.heard]
    if not all(_knows(end, far) for end, far in ends):
        return ""
    dead = [end.name for end, far in ends if not _is_alive(end, far)]
    return f"the direct tunnel is dead: no handshake for {SESSION_SECONDS} seconds on {_listed(dead)}"


def _called_at(spoke: DirectSpoke, kind: str) -> str:
    """Return where a spoke can be called in an address family: what the inventory says, else where a hub hears it."""
    declared = spoke.declared.get(kind) or spoke.declared.get(NAME)
    return declared or next((text for text in spoke.seen.values() if _kind(text) == kind), "")


def _kind(endpoint: str) -> str:
    return kind_of(parse_endpoint(endpoint).host)


def _way(one: DirectSpoke, other: DirectSpoke) -> tuple[str, tuple[str, str]]:
    for kind in BOTH:
        endpoints = (_called_at(one, kind), _called_at(other, kind))
        if all(endpoints):
            return kind, endpoints
    return "", ("", "")


def _without_way(one: DirectSpoke, other: DirectSpoke) -> str:
    nowhere = [spoke.name for spoke in (one, other) if not (spoke.seen or spoke.declared)]
    if nowhere:
        return f"no hub in this run hears {_listed(nowhere)} on the device for direct tunnels"
    return "one is reached by IPv4 and the other by IPv6"


def _symmetric(spoke: DirectSpoke, kind: str) -> str:
    """Return why a spoke is known to be behind a symmetric NAT, empty where it is not."""
    if spoke.nats.get(kind) in SYMMETRIC:
        return f"{spoke.name} is behind a symmetric NAT ({spoke.nats[kind]})"
    seen = sorted({text for text in spoke.seen.values() if _kind(text) == kind})
    if len(seen) > 1 and not spoke.declared:
        return f"{spoke.name} is behind a symmetric NAT (hubs see {_listed(seen)})"
    return ""


def _is_open(spoke: DirectSpoke, endpoint: str) -> bool:
    return bool(spoke.declared) or parse_endpoint(endpoint).host in spoke.own


def _hopeless(one: DirectSpoke, other: DirectSpoke, kind: str, endpoints: tuple[str, str]) -> tuple[str, bool]:
    """Return why a pair need not be tried, empty where it may work, and whether that was measured and is worth a note.

    A symmetric NAT works with an end that is not behind any.
    """
    reasons = [_symmetric(one, kind), _symmetric(other, kind)]
    for place, far in enumerate((other, one)):
        if reasons[place] and (reasons[1 - place] or not _is_open(far, endpoints[1 - place])):
            measured = any(spoke.nats.get(kind) in SYMMETRIC for spoke in (one, other))
            return _listed(filter(None, reasons)), measured
    return "", False


def _failed_before(one: DirectSpoke, other: DirectSpoke, between: str) -> str:
    for note in (one.notes.get(other.name, ""), other.notes.get(one.name, "")):
        where, _colon, reason = note.partition(": ")
        if where == between:
            return reason
    return ""


def _silent(one: DirectSpoke, other: DirectSpoke) -> str:
    """Return who has not shaken hands when the pair was tried, empty where both have."""
    silent = []
    for end, far in ((one, other), (other, one)):
        session = end.tried.get(far.public_key or "")
        if session is None or not session.is_alive:
            silent.append(end.name)
    return f"no handshake on {_listed(silent)}" if silent else ""
