# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Derive mapping and filtering of a NAT from STUN answers (RFC 4787 sections 4 and 5, RFC 5780 section 4). Pure.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from .._wireguard.endpoint import Endpoint

NONE = "none"
ENDPOINT_INDEPENDENT = "endpoint_independent"
ADDRESS_DEPENDENT = "address_dependent"
ADDRESS_AND_PORT_DEPENDENT = "address_and_port_dependent"
DEPENDENT = "dependent"
UNKNOWN = "unknown"


class Observation(NamedTuple):
    """The queried server, the source of the request on this host, and its source on arrival."""

    remote: Endpoint
    local: Endpoint
    mapped: Endpoint


def behind_nat(observations: Sequence[Observation]) -> bool | None:
    """Return whether addresses are translated on the path, None without an answer."""
    return any(one.mapped != one.local for one in observations) if observations else None


def mapping(observations: Sequence[Observation]) -> str:
    """Return on which part of the destination the NAT's mapping of this port depends.

    The remotes may be the four addresses of one server (RFC 5780), or several servers. Without two ports of one address,
    the influence of the port is unknown: `dependent`. One address alone proves nothing: `unknown`.
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


class Unsolicited(NamedTuple):
    """Whether a fresh port received unsolicited answers after a request to one server, None if unknown.

    ``from_address``: from another address and port of the server. ``from_port``: from another port of the queried
    address.
    """

    from_address: bool | None
    from_port: bool | None


def filtering(unsolicited: Unsolicited) -> str:
    """Return which packets the NAT, and firewalls on the path, let in to a port that has sent a request."""
    if unsolicited.from_address is None:
        return UNKNOWN
    if unsolicited.from_address:
        return ENDPOINT_INDEPENDENT
    if unsolicited.from_port is None:
        return UNKNOWN
    return ADDRESS_DEPENDENT if unsolicited.from_port else ADDRESS_AND_PORT_DEPENDENT
