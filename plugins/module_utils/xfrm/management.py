# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The connection over which this host is managed, and whether policies would cut it.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..prefix import Prefix, parse_prefix
from ..ssh_connection import SshConnection
from .values import BLOCK, DIR_IN, DIR_OUT, DIRECTIONS, Policy, Port, name_of

_TCP = 6


class Flow(NamedTuple):
    """The packets of one direction of a connection; None for what is not known and may be anything."""

    direction: int
    source: Prefix | None
    destination: Prefix | None
    source_port: int | None = None
    destination_port: int | None = None

    def __str__(self) -> str:
        there = self.source if self.direction == DIR_IN else self.destination
        host = str(there).partition("/")[0]
        way = "from" if self.direction == DIR_IN else "to"
        return f"management {way} {host} ({name_of(DIRECTIONS, self.direction)})"


def flows(connection: SshConnection | None, addresses: Iterable[str] = ()) -> list[Flow]:
    """Return the flows that must not be cut: those of an SSH connection, and those with further addresses.

    Raises ValueError for an address that is none.
    """
    found = []
    if connection is not None:
        bits = len(connection.client) * 8
        client = Prefix(connection.family, connection.client, bits)
        server = Prefix(connection.family, connection.server, bits)
        found += [
            Flow(DIR_OUT, server, client, connection.server_port, connection.client_port),
            Flow(DIR_IN, client, server, connection.client_port, connection.server_port),
        ]
    for address in addresses:
        other = parse_prefix(address)
        found += [Flow(DIR_OUT, None, other), Flow(DIR_IN, other, None)]
    return found


def cut_by(
    before: Sequence[Policy], after: Sequence[Policy], management: Iterable[Flow]
) -> list[tuple[Flow, Policy | None]]:
    """Return the flows that a change of policies cuts or puts into (or takes out of) IPsec, and the policy that
    decides then. A flow whose deciding policies stay the same is left alone: the connection lives under them."""
    found: list[tuple[Flow, Policy | None]] = []
    for flow in management:
        had, has = deciding(before, flow), deciding(after, flow)
        if [_verdict(policy) for policy in had] == [_verdict(policy) for policy in has]:
            continue
        harmful = [policy for policy in has if not _lets_pass(policy)]
        if harmful:
            found.append((flow, harmful[0]))
        elif any(not _lets_pass(policy) and policy.action != BLOCK for policy in had):
            found.append((flow, has[0] if has else None))
    return found


def _verdict(policy: Policy) -> object:
    return (policy.key(), policy.action, policy.templates)


def _lets_pass(policy: Policy) -> bool:
    return policy.action != BLOCK and all(template.optional for template in policy.templates)


def deciding(policies: Iterable[Policy], flow: Flow) -> list[Policy]:
    """Return the policies of the lowest priority number among those that may match a flow.

    Kernels differ in which of several equal ones wins, so all are returned, by key.
    """
    matching = [policy for policy in policies if policy.direction == flow.direction and _may_match(policy, flow)]
    lowest = min((policy.priority for policy in matching), default=0)
    return sorted((policy for policy in matching if policy.priority == lowest), key=Policy.key)


def _may_match(policy: Policy, flow: Flow) -> bool:
    selector = policy.selector
    return (
        not policy.if_id
        and policy.mark.takes(0)
        and selector.protocol in (0, _TCP)
        and _may_hold(selector.source, flow.source)
        and _may_hold(selector.destination, flow.destination)
        and _may_be(selector.source_port, flow.source_port)
        and _may_be(selector.destination_port, flow.destination_port)
        and selector.family == _family(flow)
    )


def _family(flow: Flow) -> int:
    known = flow.source or flow.destination
    return known.family if known is not None else 0


def _may_hold(network: Prefix, address: Prefix | None) -> bool:
    return address is None or network.contains(address) or address.contains(network)


def _may_be(port: Port, number: int | None) -> bool:
    return number is None or number & port.mask == port.number & port.mask
