# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is the matter with a peer: one word for what was seen of it, and one sentence on what to look at.

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

# Seconds, of section 6.1 of WireGuard's paper. A session older than the first carries nothing any more.
REJECT_AFTER_TIME = 180
REKEY_TIMEOUT = 5
# Two tries of a handshake are a third of a second further apart at most, which is jitter (section 6.1).
_JITTER = 1

# Sizes of drivers/net/wireguard/messages.h: initiation, response, and two keepalives.
_OVERHEAD_BYTES = 148 + 92 + 2 * 32


class Counters(NamedTuple):
    """What a device tells of a peer: time of the last handshake (seconds since the epoch, 0 for never), bytes."""

    handshake: int
    rx_bytes: int
    tx_bytes: int


@dataclass(frozen=True)
class Observation:
    """What was seen of one address of a peer in a probe. Sizes are those of IP packets, in bytes."""

    interface: str
    before: Counters | None  # None where the device has no such peer
    after: Counters | None
    seconds: float  # from before to after
    now: float  # seconds since the epoch, at after
    endpoint: str  # "" for none
    wanted_endpoint: str  # a name that was asked for as endpoint when the peer was set, "" for an address or none
    device_mtu: int
    wanted: int | None  # size that should pass; None asks for small packets only
    address: str = ""  # "" where none is known
    family: int = 0
    is_allowed: bool = False  # the device's allowed IPs lead the address to this peer
    leaves_by: str | None = None  # the interface that the host's routes lead to, "" for none; None where not looked at
    replied: bool = False
    largest: int | None = None  # largest size that passed, among those asked for
    refused: bool = False  # the address sent an ICMP error, or UDP
    answered_bytes: int = 0  # part of what was received: the answers to all that was asked of this peer
    error: int | None = None  # errno, where the last packet could not be sent
    handshake_is_enough: bool = False  # nothing was to be sent


def verdict(seen: Observation) -> str:
    """Return what is the matter, `ok` if nothing is."""
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
    if _rx(seen) > 0:  # handshake initiations of the peer, whose answers do not arrive
        return ONE_WAY
    return STALE if seen.after and seen.after.handshake else NO_HANDSHAKE


def age(counters: Counters, now: float) -> int | None:
    """Return the seconds since the last handshake, None where there was none; 0 where the clock went back since."""
    return max(0, round(now - counters.handshake)) if counters.handshake else None


def has_session(seen: Observation) -> bool:
    """Return whether the last handshake is young enough for its keys to be in use."""
    since = age(seen.after, seen.now) if seen.after else None
    return since is not None and since <= REJECT_AFTER_TIME


def nothing_was_sent(seen: Observation) -> bool:
    """Return whether WireGuard sent the peer nothing, for longer than it ever waits before a handshake's next try."""
    return _tx(seen) <= 0 and seen.seconds > REKEY_TIMEOUT + _JITTER


def data_came_back(seen: Observation) -> bool:
    """Return whether more was received than the answers, and all handshakes and keepalives of that time, amount to."""
    return _rx(seen) - seen.answered_bytes > _OVERHEAD_BYTES * (1 + int(seen.seconds // REKEY_TIMEOUT))


def _tx(seen: Observation) -> int:
    return seen.after.tx_bytes - seen.before.tx_bytes if seen.before and seen.after else 0


def _rx(seen: Observation) -> int:
    return seen.after.rx_bytes - seen.before.rx_bytes if seen.before and seen.after else 0


def advice(reason: str, seen: Observation) -> str:
    """Return what to look at, in one sentence; nothing for `ok`."""
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
        road=f"leave by {seen.leaves_by}" if seen.leaves_by else "have no route",
    )


_ADVICE = {
    NO_PEER: "{interface} has no peer with this public key: apply the overlay to this host, or correct the key",
    NO_ADDRESS: "no address to ask is known, because none is given and no allowed IP of the peer is a /32 or /128: "
    "give its addresses",
    NO_ALLOWED_IP: "{interface} does not send packets for {address} to this peer: add the address to its allowed IPs "
    "on this host, or correct it",
    NO_ROUTE: "packets of this host for {address} {road}, and not by {interface}: add a route, or look at the rules",
    UNRESOLVED: "the endpoint {name} is not set, its name did not resolve: mend the name or the resolver, and apply the "
    "overlay to this host again",
    NO_ENDPOINT: "no endpoint is known and the peer has not called yet: let it begin, with a persistent keepalive there, "
    "or give it an endpoint here",
    NO_HANDSHAKE: "no handshake with {endpoint} was ever completed: look whether the peer is up and listens there, "
    "whether UDP passes both ways, and whether both have each other's public key and the same preshared key",
    STALE: "the last handshake is {age} s old and no new one succeeds: look whether the peer is up, is still found at "
    "{endpoint}, and whether UDP passes both ways",
    FILTERED: "the tunnel carries packets both ways, and {address} does not answer echo requests: look at the peer's "
    "firewall, and whether it has that address",
}


def _advice_on_size(seen: Observation) -> str:
    if seen.largest is None:
        least = min(FLOOR[seen.family], seen.wanted or 0)
        return (
            f"packets of {SMALL[seen.family]} bytes pass and none of {least}: look for a filter of large or fragmented "
            "packets between the hosts"
        )
    if seen.largest == seen.device_mtu:
        return (
            f"packets pass up to the MTU of {seen.interface}, {seen.largest}, and {seen.wanted} bytes are wanted: raise "
            "the MTU on both hosts, or want less"
        )
    return (
        f"packets of {seen.largest} bytes pass and larger ones are lost, up to the wanted {seen.wanted}: set the MTU of "
        f"{seen.interface} to {seen.largest} on both hosts, or let large packets and ICMP's fragmentation needed and "
        "packet too big pass between them"
    )


def _advice_on_sending(seen: Observation) -> str:
    if seen.error is not None:
        return (
            f"this host could not send to {seen.address} ({os.strerror(seen.error)}): look whether {seen.interface} is up "
            "and has an address of the same family, at the routes through it, and at the firewall for outgoing packets"
        )
    return (
        f"WireGuard has sent nothing to {seen.endpoint}: look on this host at the route to it, and at the firewall for "
        "outgoing packets"
    )


def _advice_on_one_way(seen: Observation) -> str:
    if not has_session(seen):
        return (
            f"handshakes of the peer arrive and none is completed, so what goes to {seen.endpoint} is lost: look at the "
            "firewalls for UDP between this host and there"
        )
    came = "only handshakes and keepalives come" if _rx(seen) > 0 else "nothing comes"
    return (
        f"a handshake succeeded {age(seen.after, seen.now) if seen.after else 0} s ago, packets leave for {seen.endpoint} "
        f"and {came} back: look there at the allowed IPs of this host, at the route back to it and at the firewall, and "
        "whether the peer is up at all"
    )
