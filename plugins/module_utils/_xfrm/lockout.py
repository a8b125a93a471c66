# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The flows of the management connection, and whether a change of policies would cut it.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .._host.ssh_connection import Flow, SshConnection, flow_of
from .._ip.prefix import Prefix, parse_prefix
from .model import BLOCK, DIR_IN, DIR_OUT, Policy, Port, any_prefix


def flows(connection: SshConnection | None, addresses: Iterable[str] = (), tunnels: Iterable[Flow] = ()) -> list[Flow]:
    """Return the outgoing flows that must not be cut: of an SSH connection, and of further addresses or networks.

    tunnels: the outer packets of tunnels that carry the connection; their source is chosen when they are sent. Raises
    ValueError for text that is neither.
    """
    others = [parse_prefix(address) for address in addresses]
    found = [] if connection is None else [flow_of(connection)]
    found += [tunnel._replace(source=any_prefix(tunnel.family)) for tunnel in tunnels]
    return found + [Flow(any_prefix(other.family), other) for other in others]


def cut_by(
    before: Sequence[Policy], after: Sequence[Policy], management: Iterable[Flow]
) -> list[tuple[str, Policy | None]]:
    """Return the packets that a change of policies blocks, or moves into or out of IPsec, and the policy that decides.

    ``management`` has outgoing flows; the answers to each are checked too. A flow whose deciding policies do not change
    is never cut.
    """
    found: list[tuple[str, Policy | None]] = []
    both_ways = [
        (f"management {word} {outgoing.to} ({name})", direction, flow)
        for outgoing in management
        for word, name, direction, flow in (
            ("to", "out", DIR_OUT, outgoing),
            ("from", "in", DIR_IN, outgoing.reversed()),
        )
    ]
    for label, direction, flow in both_ways:
        had, has = deciding(before, direction, flow), deciding(after, direction, flow)
        if [_verdict(policy) for policy in had] == [_verdict(policy) for policy in has]:
            continue
        harmful = [policy for policy in has if not _lets_pass(policy)]
        if harmful:
            found.append((label, harmful[0]))
        elif any(not _lets_pass(policy) and policy.action != BLOCK for policy in had):
            found.append((label, has[0] if has else None))
    return found


def _verdict(policy: Policy) -> object:
    return (policy.key(), policy.action, policy.templates)


def _lets_pass(policy: Policy) -> bool:
    return policy.action != BLOCK and all(template.optional for template in policy.templates)


def deciding(policies: Iterable[Policy], direction: int, flow: Flow) -> list[Policy]:
    """Return the policies of the lowest priority number among those that may match a flow.

    Kernels differ in which of several equal ones wins, so all are returned, by key.
    """
    matching = [policy for policy in policies if policy.direction == direction and _may_match(policy, flow)]
    lowest = min((policy.priority for policy in matching), default=0)
    return sorted((policy for policy in matching if policy.priority == lowest), key=Policy.key)


def _may_match(policy: Policy, flow: Flow) -> bool:
    selector = policy.selector
    return (
        not policy.if_id
        and policy.mark.takes(0)
        and selector.protocol in (0, flow.protocol)
        and _may_hold(selector.source, flow.source)
        and _may_hold(selector.destination, flow.destination)
        and _may_be(selector.source_port, flow.source_port)
        and _may_be(selector.destination_port, flow.destination_port)
        and selector.family == flow.family
    )


def _may_hold(network: Prefix, address: Prefix) -> bool:
    return network.contains(address) or address.contains(network)


def _may_be(port: Port, number: int) -> bool:
    return not number or number & port.mask == port.number & port.mask
