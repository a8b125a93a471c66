# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Probe peers: read the device, send echo requests to its peers, read the device again, and diagnose.

This module is private to the collection.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple

from .._engine.errors import Refused
from .._host import links
from .._ip.prefix import Prefix, is_link_local
from .._netlink.connection import Connection
from .._netlink.generic import FamilyMissing
from .._netlink.route import NETLINK_ROUTE
from .._netlink.route_lookup import output_interface
from .._wireguard import state_file
from .._wireguard.backend import backend_for
from .._wireguard.model import Device, Peer
from .diagnosis import OK, REJECT_AFTER_TIME, Counters, Observation, age, diagnose
from .echo_loop import Question, ask_all
from .options import Wanted
from .size_search import SizeSearch
from .sockets import Destination, initiate_handshakes
from .targets import Target, cryptokey_routing, own_addresses, targets

# With `wait`, the device is read again after this time: enough for a handshake and a search for the packet size.
_ROUND_SECONDS = 8.0
_POLL_SECONDS = 1.0  # least time from the start of one round to the next
# A peer that initiates has tried twice in this time. A peer that still has a session which this host has lost does not
# try at all, so this host has to initiate.
_INITIATE_AFTER_SECONDS = 7.0


class RouteToPeer(NamedTuple):
    """Result for one address of a peer."""

    seen: Observation
    verdict: str
    trips: tuple[float, ...] = ()  # seconds


@dataclass(frozen=True)
class Finding:
    """A peer and the results for its addresses, at least one."""

    target: Target
    routes: tuple[RouteToPeer, ...]

    @property
    def worst(self) -> RouteToPeer:
        """The first result that is not `ok`, else the first."""
        return next((route for route in self.routes if route.verdict != OK), self.routes[0])


class _Reading(NamedTuple):
    device: Device
    link: links.Link
    at: float  # of time.monotonic
    peers: Mapping[bytes, Peer]  # by public key
    owner: Callable[[Prefix], bytes | None]


def probe_all(wanted: Sequence[Wanted]) -> list[Finding]:
    """Probe several interfaces at the same time and return the findings in their order. Raises as `probe` does."""
    with ThreadPoolExecutor(max_workers=len(wanted)) as pool:
        return [finding for findings in pool.map(probe, wanted) for finding in findings]


def probe(wanted: Wanted, clock: Callable[[], float] = time.time) -> list[Finding]:
    """Return the finding for each peer. The clock returns seconds since 1970, as the handshake times of the device.

    Raises Refused where the interface is missing or down, OSError where it cannot be read or no socket can be opened,
    CorruptStateFile.
    """
    until = time.monotonic() + wanted.deadline
    first = now = _read_ready(wanted, until)
    known = state_file.load(wanted.interface)
    found: dict[Target, Finding] = {}
    answered_bytes: dict[Target, int] = {}
    while True:
        begin = time.monotonic()
        asked = targets(wanted, now.device, known, now.link.mtu or 0)
        left = [target for target in asked if target not in found or found[target].worst.verdict != OK]
        if wanted.handshake and begin - first.at >= _INITIATE_AFTER_SECONDS:
            initiate_handshakes(wanted.interface, _routed_addresses(now, left))
        answers = _send_requests(wanted.interface, now, left, _round_seconds(wanted, until - begin), clock())
        before, now = now, _read(wanted.interface) or now
        for (target, _host), answer in answers.items():
            answered_bytes[target] = answered_bytes.get(target, 0) + answer.search.answered_bytes
        for target in left:
            readings = (first, before, now)
            found[target] = _finding(
                target, answers, answered_bytes.get(target, 0), readings, clock(), wanted.handshake
            )
        findings = [found[target] for target in asked]
        works = all(finding.worst.verdict == OK for finding in findings)
        if works or not wanted.wait or time.monotonic() >= until:
            return findings
        _sleep_until(min(begin + _POLL_SECONDS, until))


def _routed_addresses(reading: _Reading, asked: Sequence[Target]) -> list[Destination]:
    """Return the addresses of peers that the device's allowed IPs lead to them."""
    peers = [reading.peers[target.public_key] for target in asked if target.public_key in reading.peers]
    return [
        _destination(host, reading.link.index)
        for peer in peers
        for host in own_addresses(peer)
        if reading.owner(host) == peer.public_key
    ]


def _round_seconds(wanted: Wanted, left: float) -> float:
    """Return the length of a round; the last round gets a remainder too short for another one."""
    return _ROUND_SECONDS if wanted.wait and left > 2 * _ROUND_SECONDS else max(left, 0.0)


def _sleep_until(moment: float) -> None:
    time.sleep(max(moment - time.monotonic(), 0.0))


def _read_ready(wanted: Wanted, until: float) -> _Reading:
    """Return the device when it exists and is up; a probe with `wait` waits for that."""
    while True:
        reading = _read(wanted.interface)
        if reading is not None and reading.link.up:
            return reading
        if not wanted.wait or time.monotonic() >= until:
            break
        _sleep_until(min(time.monotonic() + _POLL_SECONDS, until))
    if reading is None:
        raise Refused(
            f"interface: this host has no WireGuard interface {wanted.interface}; `wg show` lists those that exist"
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
    search: SizeSearch
    leaves_by: str  # name of an interface, "" without a route


_Answers = Mapping[tuple[Target, Prefix], _Answer]


def _send_requests(interface: str, reading: _Reading, asked: Sequence[Target], seconds: float, now: float) -> _Answers:
    """Send echo requests to every address that the allowed IPs lead to its peer, if the peer has an endpoint."""
    places: list[tuple[Target, Prefix]] = []
    questions = []
    for target in asked:
        peer = reading.peers.get(target.public_key)
        if peer is None or peer.endpoint is None:
            continue
        since = age(_counters(peer), now)
        has_session = since is not None and since < REJECT_AFTER_TIME
        for host in target.addresses:
            if reading.owner(host) == target.public_key:
                places.append((target, host))
                questions.append(Question(_destination(host, reading.link.index), target.wanted, has_session))
    if not questions:
        return {}
    outputs = _output_interfaces(interface, [host for _target, host in places])
    return dict(zip(places, map(_Answer, ask_all(interface, questions, seconds), outputs)))


def _destination(host: Prefix, index: int) -> Destination:
    return Destination(host.family, host.packed, index if is_link_local(host.packed) else 0)


def _output_interfaces(interface: str, hosts: Sequence[Prefix]) -> list[str]:
    """Return the interface by which this host's own packets to each address leave, "" without a route.

    Echo requests are bound to the probed interface, so they ignore the routes.
    """
    with Connection(NETLINK_ROUTE) as connection:
        return [
            interface if is_link_local(host.packed) else output_interface(connection, host.family, host.packed)
            for host in hosts
        ]


def _finding(
    target: Target,
    answers: _Answers,
    answered_bytes: int,
    readings: tuple[_Reading, _Reading, _Reading],
    now: float,
    handshake_is_enough: bool,
) -> Finding:
    """Return the finding for a peer. answered_bytes: size of all its echo replies, as WireGuard counts them.

    readings: the first, the one before the last round, and the last. Counters are compared with the first.
    """
    first, before, after = readings
    asked, last = before.peers.get(target.public_key), after.peers.get(target.public_key)
    begin = first.peers.get(target.public_key, asked)
    # A handshake sets the endpoint; echo requests went to the endpoint before it.
    located = last if handshake_is_enough else asked
    common = Observation(
        interface=after.device.name,
        before=_counters(begin) if begin and asked else None,
        after=_counters(last) if last else None,
        seconds=after.at - first.at,
        now=now,
        endpoint=str(located.endpoint) if located and located.endpoint else "",
        wanted_endpoint=target.wanted_endpoint,
        device_mtu=before.link.mtu or 0,
        wanted=target.wanted,
        answered_bytes=answered_bytes,
        handshake_is_enough=handshake_is_enough,
    )
    routes = []
    for host in target.addresses:
        answer = answers.get((target, host))
        text, is_allowed = socket.inet_ntop(host.family, host.packed), before.owner(host) == target.public_key
        seen = replace(common, address=text, family=host.family, is_allowed=is_allowed)
        if answer is not None:
            seen = _with_answer(seen, answer)
        routes.append(RouteToPeer(seen, diagnose(seen), tuple(answer.search.trips) if answer else ()))
    return Finding(target, tuple(routes) or (RouteToPeer(common, diagnose(common)),))


def _with_answer(seen: Observation, answer: _Answer) -> Observation:
    search = answer.search
    return replace(
        seen,
        leaves_by=answer.leaves_by,
        replied=search.replied,
        largest=search.largest,
        refused=search.refused,
        error=search.error,
    )


def _counters(peer: Peer) -> Counters:
    return Counters(peer.latest_handshake, peer.rx_bytes, peer.tx_bytes)
