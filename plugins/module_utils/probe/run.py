# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A probe from end to end: read the device, ask its peers, read it again, and judge.

This module is private to the collection.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..host import links
from ..netlink.connection import Connection
from ..netlink.generic import FamilyMissing
from ..netlink.messages import NetlinkError
from ..netlink.route import NETLINK_ROUTE, RTM_GETROUTE, decode_lookup, encode_lookup
from ..prefix import Prefix
from ..refusal import Refused
from ..wireguard import memory
from ..wireguard.backend import backend_for
from ..wireguard.model import Device, Peer
from .exchange import Question, ask_all
from .inquiry import Inquiry
from .options import Wanted
from .sockets import Destination, begin_handshakes
from .subjects import Subject, cryptokey_routing, own_addresses, subjects
from .verdicts import OK, REJECT_AFTER_TIME, Counters, Observation, age, verdict

# After so long a probe that waits reads the device anew; it is time enough for a handshake and for finding a size.
_ROUND_SECONDS = 8.0
_POLL_SECONDS = 1.0  # least time from one round to the next
# A peer that shall begin the handshake has tried twice in this time. If it still has a session that this host has lost,
# it does not try at all, and this host has to.
_THEIR_TURN_SECONDS = 7.0


class Way(NamedTuple):
    """What came of one address of a peer."""

    seen: Observation
    verdict: str
    trips: tuple[float, ...] = ()  # seconds


@dataclass(frozen=True)
class Finding:
    """A peer and its ways, at least one."""

    subject: Subject
    ways: tuple[Way, ...]

    @property
    def worst(self) -> Way:
        """The first way that does not work, or the first."""
        return next((way for way in self.ways if way.verdict != OK), self.ways[0])


class _Reading(NamedTuple):
    device: Device
    link: links.Link
    at: float  # of time.monotonic
    peers: Mapping[bytes, Peer]  # by public key
    owner: Callable[[Prefix], bytes | None]


def probe_all(wanted: Sequence[Wanted]) -> list[Finding]:
    """Return what was found of the peers of several interfaces, all asked at the same time. Raises as `probe` does."""
    with ThreadPoolExecutor(max_workers=len(wanted)) as pool:
        return [finding for findings in pool.map(probe, wanted) for finding in findings]


def probe(wanted: Wanted, clock: Callable[[], float] = time.time) -> list[Finding]:
    """Return what was found of each peer. The clock tells seconds since the epoch, as the device's handshakes do.

    Raises Refused where the interface is not there or not up, OSError where it cannot be read or no socket be had,
    UnreadableMemory.
    """
    until = time.monotonic() + wanted.deadline
    first = now = _read_ready(wanted, until)
    remembered = memory.load(wanted.interface)
    found: dict[Subject, Finding] = {}
    heard: dict[Subject, int] = {}  # bytes
    while True:
        begun = time.monotonic()
        asked = subjects(wanted, now.device, remembered, now.link.mtu or 0)
        left = [subject for subject in asked if subject not in found or found[subject].worst.verdict != OK]
        if wanted.handshake and begun - first.at >= _THEIR_TURN_SECONDS:
            begin_handshakes(wanted.interface, _owned(now, left))
        answers = _ask(wanted.interface, now, left, _round_seconds(wanted, until - begun), clock())
        before, now = now, _read(wanted.interface) or now
        for (subject, _host), answer in answers.items():
            heard[subject] = heard.get(subject, 0) + answer.inquiry.answered_bytes
        for subject in left:
            readings = (first, before, now)
            found[subject] = _judge(subject, answers, heard.get(subject, 0), readings, clock(), wanted.handshake)
        findings = [found[subject] for subject in asked]
        works = all(finding.worst.verdict == OK for finding in findings)
        if works or not wanted.wait or time.monotonic() >= until:
            return findings
        _sleep_until(min(begun + _POLL_SECONDS, until))


def _owned(reading: _Reading, asked: Sequence[Subject]) -> list[Destination]:
    """Return the addresses that the device sends to its peers for; link-local ones have a scope."""
    peers = [reading.peers[subject.public_key] for subject in asked if subject.public_key in reading.peers]
    return [
        _destination(host, reading.link.index)
        for peer in peers
        for host in own_addresses(peer)
        if reading.owner(host) == peer.public_key
    ]


def _round_seconds(wanted: Wanted, left: float) -> float:
    """Return how long to ask at most; the last round gets what would be too short for another one."""
    return _ROUND_SECONDS if wanted.wait and left > 2 * _ROUND_SECONDS else max(left, 0.0)


def _sleep_until(moment: float) -> None:
    time.sleep(max(moment - time.monotonic(), 0.0))


def _read_ready(wanted: Wanted, until: float) -> _Reading:
    """Return the device as soon as it is there and up, for which a probe that waits has time until then."""
    while True:
        reading = _read(wanted.interface)
        if reading is not None and reading.link.up:
            return reading
        if not wanted.wait or time.monotonic() >= until:
            break
        _sleep_until(min(time.monotonic() + _POLL_SECONDS, until))
    if reading is None:
        raise Refused(
            f"interface: this host has no WireGuard interface {wanted.interface}; `wg show` lists those it has"
        )
    raise Refused(f"interface: {wanted.interface} is down; set it up, or apply the overlay to this host")


def _read(interface: str) -> _Reading | None:
    try:
        device = backend_for(interface).read(interface)
    except FamilyMissing:
        return None
    with Connection(NETLINK_ROUTE) as connection:
        link = links.read(connection, interface)
    if device is None or link is None:
        return None
    peers = {peer.public_key: peer for peer in device.peers}
    return _Reading(device, link, time.monotonic(), peers, cryptokey_routing(device))


class _Answer(NamedTuple):
    inquiry: Inquiry
    leaves_by: str  # name of an interface, "" where no route leads on


_Answers = Mapping[tuple[Subject, Prefix], _Answer]


def _ask(interface: str, reading: _Reading, asked: Sequence[Subject], seconds: float, now: float) -> _Answers:
    """Ask every address that the device sends to its peer, where it knows an endpoint for it."""
    places: list[tuple[Subject, Prefix]] = []
    questions = []
    for subject in asked:
        peer = reading.peers.get(subject.public_key)
        if peer is None or peer.endpoint is None:
            continue
        since = age(_counters(peer), now)
        has_session = since is not None and since < REJECT_AFTER_TIME
        for host in subject.addresses:
            if reading.owner(host) == subject.public_key:
                places.append((subject, host))
                questions.append(Question(_destination(host, reading.link.index), subject.wanted, has_session))
    if not questions:
        return {}
    roads = _roads(interface, [host for _subject, host in places])
    return dict(zip(places, map(_Answer, ask_all(interface, questions, seconds), roads)))


def _destination(host: Prefix, index: int) -> Destination:
    return Destination(host.family, host.packed, index if _is_link_local(host) else 0)


def _is_link_local(host: Prefix) -> bool:
    return host.family == socket.AF_INET6 and host.packed[0] == 0xFE and host.packed[1] & 0xC0 == 0x80


def _roads(interface: str, hosts: Sequence[Prefix]) -> list[str]:
    """Return by which interface the host's own packets to each address leave, "" where no route leads on.

    The probe's packets are bound to the interface, and would go through it in any case.
    """
    found = []
    with Connection(NETLINK_ROUTE) as connection:
        for host in hosts:
            if _is_link_local(host):
                found.append(interface)
                continue
            try:
                (reply,) = connection.request(RTM_GETROUTE, encode_lookup(host.family, host.packed))
                found.append(socket.if_indextoname(decode_lookup(reply).interface_index))
            except NetlinkError:
                found.append("")
    return found


def _judge(
    subject: Subject,
    answers: _Answers,
    heard: int,
    readings: tuple[_Reading, _Reading, _Reading],
    now: float,
    handshake_is_enough: bool,
) -> Finding:
    """Return what was found of a peer, of which so many bytes of answers were heard.

    Readings are the first of all, the one before the last round, and the last. Counters are compared from the first on.
    """
    first, before, after = readings
    asked, last = before.peers.get(subject.public_key), after.peers.get(subject.public_key)
    begin = first.peers.get(subject.public_key, asked)
    # A handshake tells where the peer is; what was asked for went to where it was thought to be.
    located = last if handshake_is_enough else asked
    common = Observation(
        interface=after.device.name,
        before=_counters(begin) if begin and asked else None,
        after=_counters(last) if last else None,
        seconds=after.at - first.at,
        now=now,
        endpoint=str(located.endpoint) if located and located.endpoint else "",
        wanted_endpoint=subject.wanted_endpoint,
        device_mtu=before.link.mtu or 0,
        wanted=subject.wanted,
        answered_bytes=heard,
        handshake_is_enough=handshake_is_enough,
    )
    ways = []
    for host in subject.addresses:
        answer = answers.get((subject, host))
        text, is_allowed = socket.inet_ntop(host.family, host.packed), before.owner(host) == subject.public_key
        seen = replace(common, address=text, family=host.family, is_allowed=is_allowed)
        if answer is not None:
            seen = _with_answer(seen, answer)
        ways.append(Way(seen, verdict(seen), tuple(answer.inquiry.trips) if answer else ()))
    return Finding(subject, tuple(ways) or (Way(common, verdict(common)),))


def _with_answer(seen: Observation, answer: _Answer) -> Observation:
    inquiry = answer.inquiry
    return replace(
        seen,
        leaves_by=answer.leaves_by,
        replied=inquiry.replied,
        largest=inquiry.largest,
        refused=inquiry.refused,
        error=inquiry.error,
    )


def _counters(peer: Peer) -> Counters:
    return Counters(peer.latest_handshake, peer.rx_bytes, peer.tx_bytes)
