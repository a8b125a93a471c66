# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Diagnose a peer: from an observation to a verdict, and from a verdict to one sentence of advice. Pure.

This module is private to the collection.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import NamedTuple

from .echo import FLOOR, SMALL

OK = "ok"
NO_PEER = "no_peer"
NO_ADDRESS = "no_address"
NO_ALLOWED_IP = "no_allowed_ip"
NO_ROUTE = "no_route"
UNRESOLVED = "unresolved"
NO_ENDPOINT = "no_endpoint"
NOT_SENT = "not_sent"
NO_HANDSHAKE = "no_handshake"
STALE = "stale"
ONE_WAY = "one_way"
FILTERED = "filtered"
MTU = "mtu"

# Seconds, WireGuard paper, section 6.1. A session older than the first no longer carries packets.
REJECT_AFTER_TIME = 180
REKEY_TIMEOUT = 5
# Jitter (section 6.1) delays the retry of a handshake by a third of a second at most.
_JITTER = 1

# Sizes of drivers/net/wireguard/messages.h: initiation, response, and two keepalives.
_OVERHEAD_BYTES = 148 + 92 + 2 * 32


class Counters(NamedTuple):
    """Counters of a peer: time of the last handshake (seconds since 1970, 0 for never), bytes."""

    handshake: int
    rx_bytes: int
    tx_bytes: int


@dataclass(frozen=True)
class Observation:
    """The observation of one address of a peer in a probe. Sizes are those of IP packets, in bytes."""

    interface: str
    before: Counters | None  # None if the device has no such peer
    after: Counters | None
    seconds: float  # from before to after
    now: float  # seconds since 1970, at after
    endpoint: str  # "" for none
    wanted_endpoint: str  # the desired endpoint if it is a name, "" for an address or none
    device_mtu: int
    wanted: int | None  # size that should pass, None for small packets only
    address: str = ""  # "" if none is known
    family: int = 0
    is_allowed: bool = False  # the device's allowed IPs lead the address to this peer
    leaves_by: str | None = None  # the interface of the host's route, "" without a route, None if not looked up
    replied: bool = False
    largest: int | None = None  # largest size that passed, among those tried
    refused: bool = False  # the address sent an ICMP error, or UDP
    answered_bytes: int = 0  # the part of the received bytes that replied to the probe
    error: int | None = None  # errno, if the last packet could not be sent
    handshake_is_enough: bool = False  # no echo request was sent


def diagnose(seen: Observation) -> str:
    """Return the verdict, `ok` if the peer works."""
    if seen.before is None or seen.after is None:
        return NO_PEER
    if seen.handshake_is_enough:
        return OK if has_session(seen) else _without_session(seen)
    if not seen.address:
        return NO_ADDRESS
    if not seen.is_allowed:
        return NO_ALLOWED_IP
    if seen.leaves_by not in (None, seen.interface):
        return NO_ROUTE
    if seen.replied:
        return OK if seen.wanted is None or (seen.largest or 0) >= seen.wanted else MTU
    if not seen.endpoint:
        return _without_session(seen)
    if seen.error is not None or nothing_was_sent(seen):
        return NOT_SENT
    if has_session(seen):
        return FILTERED if seen.refused or data_came_back(seen) else ONE_WAY
    return _without_session(seen)


def _without_session(seen: Observation) -> str:
    if not seen.endpoint:
        return UNRESOLVED if seen.wanted_endpoint else NO_ENDPOINT
    if _rx(seen) > 0:  # the peer's initiations arrive, this host's responses do not
        return ONE_WAY
    return STALE if seen.after and seen.after.handshake else NO_HANDSHAKE


def age(counters: Counters, now: float) -> int | None:
    """Return the seconds since the last handshake, None without one, 0 if the clock was set back since."""
    return max(0, round(now - counters.handshake)) if counters.handshake else None


def has_session(seen: Observation) -> bool:
    """Return whether the session of the last handshake is still valid."""
    since = age(seen.after, seen.now) if seen.after else None
    return since is not None and since <= REJECT_AFTER_TIME


def nothing_was_sent(seen: Observation) -> bool:
    """Return whether WireGuard sent the peer nothing for longer than its longest wait between handshake attempts."""
    return _tx(seen) <= 0 and seen.seconds > REKEY_TIMEOUT + _JITTER


def data_came_back(seen: Observation) -> bool:
    """Return whether more bytes arrived than replies to the probe, handshakes and keepalives account for."""
    return _rx(seen) - seen.answered_bytes > _OVERHEAD_BYTES * (1 + int(seen.seconds // REKEY_TIMEOUT))


def _tx(seen: Observation) -> int:
    return seen.after.tx_bytes - seen.before.tx_bytes if seen.before and seen.after else 0


def _rx(seen: Observation) -> int:
    return seen.after.rx_bytes - seen.before.rx_bytes if seen.before and seen.after else 0


def advice(reason: str, seen: Observation) -> str:
    """Return one sentence on what to check, "" for `ok`."""
    if reason == OK:
        return ""
    if reason == MTU:
        return _advice_on_size(seen)
    if reason == NOT_SENT:
        return _advice_on_sending(seen)
    if reason == ONE_WAY:
        return _advice_on_one_way(seen)
    return _ADVICE[reason].format(
        interface=seen.interface,
        address=seen.address,
        endpoint=seen.endpoint,
        name=seen.wanted_endpoint,
        age=age(seen.after, seen.now) if seen.after else None,
        path=f"leave by {seen.leaves_by}" if seen.leaves_by else "have no route",
    )


_ADVICE = {
    NO_PEER: "{interface} has no peer with this public key: apply the overlay to this host, or correct the key",
    NO_ADDRESS: "no address of the peer is known, because none is given and none of its allowed IPs is a /32 or /128: "
    "give its addresses",
    NO_ALLOWED_IP: "{interface} does not send packets for {address} to this peer: add the address to its allowed IPs "
    "on this host, or correct it",
    NO_ROUTE: "packets of this host to {address} {path}, not by {interface}: add a route, or check `ip rule`",
    UNRESOLVED: "the endpoint {name} is not set, its name did not resolve: correct the name or the resolver, and apply "
    "the overlay to this host again",
    NO_ENDPOINT: "no endpoint is known and the peer has not initiated a handshake yet: set a persistent keepalive on the "
    "peer, or give it an endpoint here",
    NO_HANDSHAKE: "no handshake with {endpoint} was ever completed: check that the peer is up and listens there, that UDP "
    "passes in both directions, and that both have each other's public key and the same preshared key",
    STALE: "the last handshake is {age} s old and no new one succeeds: check that the peer is up and still at {endpoint}, "
    "and that UDP passes in both directions",
    FILTERED: "the tunnel carries packets in both directions, but {address} does not answer echo requests: check the "
    "peer's firewall, and that it has this address",
}


def _advice_on_size(seen: Observation) -> str:
    if seen.largest is None:
        least = min(FLOOR[seen.family], seen.wanted or 0)
        return (
            f"packets of {SMALL[seen.family]} bytes pass and none of {least}: check for a filter of large or fragmented "
            "packets between the hosts"
        )
    if seen.largest == seen.device_mtu:
        return (
            f"packets pass up to the MTU of {seen.interface}, {seen.largest}, and {seen.wanted} bytes are wanted: raise "
            "the MTU on both hosts, or lower the wanted size"
        )
    return (
        f"packets of {seen.largest} bytes pass and larger ones are lost, up to the wanted {seen.wanted}: set the MTU of "
        f"{seen.interface} to {seen.largest} on both hosts, or let large packets and ICMP's fragmentation needed and "
        "packet too big pass between them"
    )


def _advice_on_sending(seen: Observation) -> str:
    if seen.error is not None:
        return (
            f"this host could not send to {seen.address} ({os.strerror(seen.error)}): check that {seen.interface} is up "
            "and has an address of the same family, its routes, and the firewall for outgoing packets"
        )
    return (
        f"WireGuard has sent nothing to {seen.endpoint}: check this host's route to it and the firewall for outgoing "
        "packets"
    )


def _advice_on_one_way(seen: Observation) -> str:
    if not has_session(seen):
        return (
            f"handshakes of the peer arrive and none is completed, so packets to {seen.endpoint} are lost: check the "
            "firewalls for UDP from this host to the peer"
        )
    returned = "only handshakes and keepalives return" if _rx(seen) > 0 else "nothing returns"
    return (
        f"a handshake succeeded {age(seen.after, seen.now) if seen.after else 0} s ago, packets leave for {seen.endpoint} "
        f"and {returned}: check on the peer the allowed IPs of this host, the route to it and the firewall, and that the "
        "peer is up"
    )
