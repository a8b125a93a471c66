# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What the answers of STUN servers say of the NAT in between (RFC 4787 sections 4 and 5, RFC 5780 section 4).

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from ..wireguard.endpoint import Endpoint

NONE = "none"
ENDPOINT_INDEPENDENT = "endpoint_independent"
ADDRESS_DEPENDENT = "address_dependent"
ADDRESS_AND_PORT_DEPENDENT = "address_and_port_dependent"
DEPENDENT = "dependent"
UNKNOWN = "unknown"


class Observation(NamedTuple):
    """Who was asked, where the request left from on this host, and where it came from when it arrived."""

    remote: Endpoint
    local: Endpoint
    mapped: Endpoint


def behind_nat(observations: Sequence[Observation]) -> bool | None:
    """Return whether anything translates addresses on the way; None where nobody answered."""
    return any(one.mapped != one.local for one in observations) if observations else None


def mapping(observations: Sequence[Observation]) -> str:
    """Return how the NAT maps this one port: on what of the destination the mapping depends.

    It does not matter whether the remotes are the four addresses of one server that offers RFC 5780, or several
    servers. Without two ports of one address nobody can tell whether the port counts; then it is `dependent`. One
    address alone says nothing of others: `unknown`.
    """
    if not observations:
        return UNKNOWN
    if not behind_nat(observations):
        return NONE
    pairs = list(combinations(observations, 2))
    same_address = [pair for pair in pairs if pair[0].remote.host == pair[1].remote.host]
    same_address = [pair for pair in same_address if pair[0].remote.port != pair[1].remote.port]
    if any(first.mapped != second.mapped for first, second in same_address):
        return ADDRESS_AND_PORT_DEPENDENT
    if any(first.mapped != second.mapped for first, second in pairs):
        return ADDRESS_DEPENDENT if same_address else DEPENDENT
    others = len({one.remote.host for one in observations}) > 1
    return ENDPOINT_INDEPENDENT if others else UNKNOWN


class Unasked(NamedTuple):
    """What came back to a fresh port after one server was asked: True, False, or None where nobody can tell.

    ``from_address`` is an answer from another address and port of the server, ``from_port`` one from the address
    that was asked and another port.
    """

    from_address: bool | None
    from_port: bool | None


def filtering(unasked: Unasked) -> str:
    """Return which packets the NAT, and firewalls on the way, let in to a port that has asked a server."""
    if unasked.from_address is None:
        return UNKNOWN
    if unasked.from_address:
        return ENDPOINT_INDEPENDENT
    if unasked.from_port is None:
        return UNKNOWN
    return ADDRESS_DEPENDENT if unasked.from_port else ADDRESS_AND_PORT_DEPENDENT
