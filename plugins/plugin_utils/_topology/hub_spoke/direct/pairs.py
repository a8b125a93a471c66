# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decide which pairs of spokes have a direct tunnel, and why the others have none: a pure function of both spokes.

A pair is probed unless it is known to fail. It becomes direct when both ends have completed a handshake.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from .....module_utils._wireguard.endpoint import Endpoint
from ...fleet.endpoints import BOTH, NAME, kind_of

# Seconds after a handshake at which WireGuard stops using the session (REJECT_AFTER_TIME, WireGuard paper, section 6.1).
SESSION_SECONDS = 180
# Kinds of NAT that map a spoke to a different port for each destination, as `stun_info` names them.
SYMMETRIC = ("address_dependent", "address_and_port_dependent", "dependent")


class ProbeStage(Enum):
    """The stage of a run: before pairs are probed, while they are probed, and after the probe."""

    PLAN = "plan"
    PROBE = "probe"
    DECIDE = "decide"


class PairState(Enum):
    """How a pair is connected: by a direct tunnel, through the hub until it is probed, or through the hub."""

    DIRECT = "direct"
    PROBE = "probe"
    HUB = "hub"


class Session(NamedTuple):
    """A peer of a device: its last known endpoint, and the seconds since the last handshake."""

    endpoint: Endpoint | None
    age: int

    @property
    def is_alive(self) -> bool:
        """Whether WireGuard still uses it."""
        return self.age < SESSION_SECONDS


@dataclass(frozen=True)
class DirectSpoke:
    """A spoke with its interface for direct tunnels.

    partners: the spokes it wants tunnels to, None for all. reported: whether its facts are of this run. in_batch:
    whether the current batch has it, so that its pairs can be probed. declared: its endpoints by kind, from the
    inventory. own: its underlay addresses. seen: by hub, the endpoint that the hub sees; is_new: no hub has it as a
    peer yet. nats: kind of NAT by address family. peers: key and last endpoint of its peers, by name. sessions: its
    sessions by public key before the probe, None if not gathered; probed: the same after the probe.
    """

    name: str
    public_key: str | None
    partners: frozenset[str] | None = None
    reported: bool = True
    in_batch: bool = True
    declared: Mapping[str, Endpoint] = field(default_factory=dict)
    own: frozenset[str] = frozenset()
    seen: Mapping[str, Endpoint] = field(default_factory=dict)
    is_new: bool = False
    nats: Mapping[str, str] = field(default_factory=dict)
    peers: Mapping[str, tuple[str, Endpoint | None]] = field(default_factory=dict)
    sessions: Mapping[str, Session] | None = None
    probed: Mapping[str, Session] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    retry: bool = False

    def wants(self, other: str) -> bool:
        """Return whether this spoke wants a direct tunnel to another one."""
        return self.partners is None or other in self.partners


class Decision(NamedTuple):
    """The state of a pair, with the reason for the hub. endpoints: as in `DirectPair`; note: stored on both spokes."""

    names: tuple[str, str]
    state: PairState
    reason: str = ""
    endpoints: tuple[Endpoint | None, Endpoint | None] = (None, None)
    note: str = ""


def wanted_pairs(spokes: Mapping[str, DirectSpoke]) -> Iterator[tuple[DirectSpoke, DirectSpoke]]:
    """Yield the pairs that both ends want, in the order of names; linear in the pairs and in the lists of partners."""
    all_hosts = sorted(spokes)
    for place, name in enumerate(all_hosts):
        one = spokes[name]
        others = all_hosts[place + 1 :] if one.partners is None else sorted(one.partners & spokes.keys())
        for other in others:
            if other > name and spokes[other].wants(name):
                yield one, spokes[other]


def decide_all(spokes: Mapping[str, DirectSpoke], stage: ProbeStage) -> list[Decision]:
    """Return a decision for each pair with at least one end that reported facts in this run."""
    return [decide(one, other, stage) for one, other in wanted_pairs(spokes) if one.reported or other.reported]


def decide(one: DirectSpoke, other: DirectSpoke, stage: ProbeStage) -> Decision:
    """Return the decision for a pair.

    A tunnel that works is kept, whatever the other facts. A failed pair is not probed again between the same two public
    addresses, unless `direct_retry` is set. Ports are not compared, because a symmetric NAT changes them constantly.
    """
    names = (one.name, other.name)
    unknown = [spoke.name for spoke in (one, other) if spoke.public_key is None]
    if unknown:
        return Decision(names, PairState.HUB, f"the public key of {_listed(unknown)} is unknown")
    if _is_established(one, other):
        return Decision(names, PairState.DIRECT, endpoints=(_last_endpoint(other, one), _last_endpoint(one, other)))
    lost = _lost(one, other)
    absent = [spoke.name for spoke in (one, other) if not (spoke.reported and spoke.in_batch)]
    if absent:
        return Decision(names, PairState.HUB, lost or f"{_listed(absent)} took no part in this run")
    kind, endpoints = _endpoints(one, other)
    if endpoints is None:
        if stage is ProbeStage.PLAN and (one.is_new or other.is_new):
            return Decision(names, PairState.PROBE, lost)
        return Decision(names, PairState.HUB, _unreachable(one, other))
    failure, measured = _certain_failure(one, other, kind, endpoints)
    between = " ".join(endpoint.host for endpoint in endpoints)
    if failure:
        return Decision(names, PairState.HUB, failure, note=f"{between}: {failure}" if measured else "")
    failed = "" if one.retry or other.retry else _failed_before(one, other, between)
    if failed:
        return Decision(names, PairState.HUB, failed)
    if stage is not ProbeStage.DECIDE:
        return Decision(names, PairState.PROBE, lost, endpoints)
    silent = _silent(one, other)
    if not silent:
        return Decision(names, PairState.DIRECT, lost, endpoints)
    reason = f"{silent}, at {endpoints[0]} and {endpoints[1]}; {_probable_cause(endpoints)}"
    return Decision(names, PairState.HUB, reason, note=f"{between}: {reason}")


def _listed(names: Iterable[str]) -> str:
    return " and ".join(names)


def _knows(spoke: DirectSpoke, other: DirectSpoke) -> bool:
    return other.name in spoke.peers and spoke.peers[other.name][0] == other.public_key


def _last_endpoint(spoke: DirectSpoke, other: DirectSpoke) -> Endpoint | None:
    return spoke.peers[other.name][1] if spoke.reported and other.name in spoke.peers else None


def _is_alive(spoke: DirectSpoke, other: DirectSpoke) -> bool:
    if spoke.sessions is None or other.public_key is None:
        return True
    session = spoke.sessions.get(other.public_key)
    return session is not None and session.is_alive


def _is_established(one: DirectSpoke, other: DirectSpoke) -> bool:
    """Return whether the ends that reported have a working tunnel; an end that did not report keeps its tunnel."""
    ends = [(end, far) for end, far in ((one, other), (other, one)) if end.reported]
    if not all(_knows(end, far) for end, far in ends):
        return False
    return len(ends) < 2 or all(_is_alive(end, far) for end, far in ends)


def _lost(one: DirectSpoke, other: DirectSpoke) -> str:
    """Return how a pair lost its direct tunnel, empty if it had none."""
    ends = [(end, far) for end, far in ((one, other), (other, one)) if end.reported]
    if not all(_knows(end, far) for end, far in ends):
        return ""
    dead = [end.name for end, far in ends if not _is_alive(end, far)]
    return f"the direct tunnel is dead: no handshake for {SESSION_SECONDS} seconds on {_listed(dead)}"


def _reached_at(spoke: DirectSpoke, kind: str) -> Endpoint | None:
    """Return the endpoint of a spoke in an address family: that of the inventory, else the one a hub sees."""
    declared = spoke.declared.get(kind) or spoke.declared.get(NAME)
    return declared or next((seen for seen in spoke.seen.values() if kind_of(seen.host) == kind), None)


def _endpoints(one: DirectSpoke, other: DirectSpoke) -> tuple[str, tuple[Endpoint, Endpoint] | None]:
    for kind in BOTH:
        near, far = _reached_at(one, kind), _reached_at(other, kind)
        if near and far:
            return kind, (near, far)
    return "", None


def _unreachable(one: DirectSpoke, other: DirectSpoke) -> str:
    unseen = [spoke.name for spoke in (one, other) if not (spoke.seen or spoke.declared)]
    if unseen:
        return f"no hub in this run has a session with the interface for direct tunnels of {_listed(unseen)}"
    return "one spoke is reached by IPv4 and the other by IPv6"


def _symmetric(spoke: DirectSpoke, kind: str) -> str:
    """Return how a spoke is known to be behind a symmetric NAT, empty if it is not."""
    if spoke.nats.get(kind) in SYMMETRIC:
        return f"{spoke.name} is behind a symmetric NAT ({spoke.nats[kind]})"
    seen = sorted({str(seen) for seen in spoke.seen.values() if kind_of(seen.host) == kind})
    if len(seen) > 1 and not spoke.declared:
        return f"{spoke.name} is behind a symmetric NAT (hubs see {_listed(seen)})"
    return ""


def _is_open(spoke: DirectSpoke, endpoint: Endpoint) -> bool:
    return bool(spoke.declared) or endpoint.host in spoke.own


def _certain_failure(
    one: DirectSpoke, other: DirectSpoke, kind: str, endpoints: tuple[Endpoint, Endpoint]
) -> tuple[str, bool]:
    """Return why a probe of a pair would fail, empty if it may succeed, and whether that was measured and is to be noted.

    A spoke behind a symmetric NAT can have a tunnel to a spoke without NAT.
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


def _probable_cause(endpoints: tuple[Endpoint, Endpoint]) -> str:
    if endpoints[0].host == endpoints[1].host:
        return (
            f"both have the public address {endpoints[0].host}, and their router does not send packets to it back inside "
            "(hairpinning)"
        )
    return "a symmetric NAT or a firewall blocks it"


def _silent(one: DirectSpoke, other: DirectSpoke) -> str:
    """Return the ends without a handshake in the probe, empty if both have one."""
    silent = []
    for end, far in ((one, other), (other, one)):
        session = end.probed.get(far.public_key or "")
        if session is None or not session.is_alive:
            silent.append(end.name)
    return f"no handshake on {_listed(silent)}" if silent else ""
