# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The requests to the servers in three rounds, and the result.

The rounds, each limited by the timeout: every server; the other address of a server with two (RFC 5780 section 4.3);
unsolicited answers (section 4.4). The last round uses a fresh port, because packets to the other address, also those of
an earlier run, have opened the NAT for its answers.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from typing import Any, NamedTuple

from .._wireguard.endpoint import Endpoint
from .behaviour import Observation, Unsolicited, behind_nat, filtering, mapping
from .channel import Channel, open_raw, open_udp
from .exchange import ANSWERED, TIMEOUT, UNREACHABLE, Reply, Request, exchange
from .message import CHANGE_ADDRESS, CHANGE_PORT
from .options import FAMILIES, Target

UNRESOLVED = "unresolved"


class Port(NamedTuple):
    """The source port, 0 for any; whether an interface holds it; the firewall mark of its packets."""

    number: int = 0
    held: bool = False
    mark: int = 0


class Reference(NamedTuple):
    """A server with a second address and port, and its answers of the second and third round."""

    target: Target
    other: Endpoint
    alternates: tuple[Reply, ...] = ()  # of its other address, on both ports, sent from the port itself
    port_open: bool | None = None
    unsolicited: Unsolicited = Unsolicited(None, None)


class Finding(NamedTuple):
    """Replies of one address family in the order of the targets, and the further answers of one server."""

    replies: tuple[tuple[Target, Reply], ...] = ()
    reference: Reference | None = None


def query(targets: Sequence[Target], port: Port, timeout: float) -> dict[int, Finding]:
    """Query the targets and return the findings by address family. Raises OSError where a port cannot be used."""
    with ExitStack() as stack:
        channels: dict[int, Channel] = {}
        fresh: dict[int, Channel] = {}
        for family in sorted({target.family for target in targets}):
            try:
                channel = (open_raw if port.held else open_udp)(family, port.number, port.mark)
                stack.enter_context(closing(channel.link))
                fresh[family] = open_udp(family, mark=port.mark)
                stack.enter_context(closing(fresh[family].link))
                channels[family] = channel
            except OSError as exc:
                if exc.errno != errno.EAFNOSUPPORT:  # a host without this family
                    raise
        able = [target for target in targets if target.family in channels]
        replies = exchange([_plain(channels[one.family], one, one.endpoint) for one in able], timeout)
        known = dict(zip(able, replies))
        missing = Reply(UNREACHABLE, "this host does not have the address family")
        findings = {}
        for family in {target.family for target in targets}:
            pairs = tuple((one, known.get(one, missing)) for one in targets if one.family == family)
            findings[family] = Finding(pairs, _reference(pairs))
        return _look_closer(findings, channels, fresh, timeout)


def _plain(channel: Channel, target: Target, destination: Endpoint) -> Request:
    return Request(channel, destination, destination, target.scope)


def _reference(replies: Sequence[tuple[Target, Reply]]) -> Reference | None:
    """Return the first server with a usable second address."""
    for target, reply in replies:
        other = reply.answer.other if reply.outcome == ANSWERED and reply.answer else None
        if other is not None and is_usable(target.endpoint, other):
            return Reference(target, other)
    return None


def is_usable(asked: Endpoint, other: Endpoint) -> bool:
    """Return whether a server's other address may be queried: another address and port, of the same family and scope.

    The server chooses this address: a server on the internet must not make this host send into private networks.
    """
    here, there = ipaddress.ip_address(asked.host), ipaddress.ip_address(other.host)
    return (
        here.version == there.version
        and here != there
        and asked.port != other.port
        and not there.is_multicast
        and not there.is_unspecified
        and not (there.version == 4 and there.is_reserved)
        and there.is_loopback == here.is_loopback
        and there.is_link_local == here.is_link_local
        and (here.is_private or not there.is_private)
    )


def _look_closer(
    findings: Mapping[int, Finding], channels: Mapping[int, Channel], fresh: Mapping[int, Channel], timeout: float
) -> dict[int, Finding]:
    """Return the findings with the answers of the second and third round."""
    references = {family: one.reference for family, one in findings.items() if one.reference is not None}
    second: list[Request] = []
    third: list[Request] = []
    for family, reference in references.items():
        second += _second_round(reference, channels[family], fresh[family])
        third += _third_round(reference, channels[family], fresh[family])
    replies, unsolicited = exchange(second, timeout), exchange(third, timeout)
    closer = {
        family: _with_replies(
            findings[family], reference, replies[3 * at : 3 * at + 3], unsolicited[3 * at : 3 * at + 3]
        )
        for at, (family, reference) in enumerate(references.items())
    }
    return {**findings, **closer}


def _second_round(reference: Reference, channel: Channel, fresh: Channel) -> list[Request]:
    """Return the requests that show the mapping of the port, and one that opens the NAT for the fresh port."""
    target, other = reference.target, reference.other
    same_port = Endpoint(other.host, target.endpoint.port)
    return [_plain(channel, target, same_port), _plain(channel, target, other), _plain(fresh, target, target.endpoint)]


def _third_round(reference: Reference, channel: Channel, fresh: Channel) -> list[Request]:
    """Return the requests that show the filtering.

    Answers come from the other address and port to the fresh port, from the other port of the queried address to the
    fresh port, and from there to the port itself.
    """
    asked, other = reference.target.endpoint, reference.other
    both = Request(fresh, asked, other, reference.target.scope, CHANGE_ADDRESS | CHANGE_PORT)
    port = both._replace(answered_by=Endpoint(asked.host, other.port), change=CHANGE_PORT)
    return [both, port, port._replace(channel=channel)]


def _with_replies(
    finding: Finding, reference: Reference, replies: Sequence[Reply], unsolicited: Sequence[Reply]
) -> Finding:
    """Return a finding with the replies of the second and third round, each in the order of its requests."""
    same_port, other_port, opened = replies
    changed, changed_port, main_changed_port = unsolicited
    alive = other_port.outcome == ANSWERED
    # If this port of the server is a target too, its answer may be to that request.
    from_port = Endpoint(reference.target.endpoint.host, reference.other.port)
    is_target = any(target.endpoint == from_port for target, _reply in finding.replies)
    closer = reference._replace(
        alternates=(same_port, other_port), port_open=None if is_target else was_received(main_changed_port, alive)
    )
    if opened.outcome == ANSWERED:
        closer = closer._replace(
            unsolicited=Unsolicited(was_received(changed, alive), was_received(changed_port, alive))
        )
    return finding._replace(reference=closer)


def was_received(reply: Reply, alive: bool) -> bool | None:
    """Return whether an unsolicited answer was received, None if its absence proves nothing.

    Absence counts only if the server's other address is alive and the server supports CHANGE-REQUEST.
    """
    if reply.outcome == ANSWERED:
        return True
    return False if reply.outcome == TIMEOUT and alive else None


def observations(finding: Finding) -> list[Observation]:
    """Return the answers of a family in the order of the servers, then those of a server's other address."""
    asked = [(target.endpoint, reply) for target, reply in finding.replies]
    if finding.reference is not None:
        target, other = finding.reference.target, finding.reference.other
        asked += zip((Endpoint(other.host, target.endpoint.port), other), finding.reference.alternates)
    return [
        Observation(remote, reply.local, reply.mapped)
        for remote, reply in asked
        if reply.outcome == ANSWERED and reply.local is not None and reply.mapped is not None
    ]


def describe_family(finding: Finding) -> dict[str, Any]:
    """Return the module's result for one family."""
    seen = observations(finding)
    reference = finding.reference
    return {
        "local": _describe(seen[0].local if seen else None),
        "mapped": _describe(seen[0].mapped if seen else None),
        "behind_nat": behind_nat(seen),
        "nat": mapping(seen),
        "filtering": filtering(reference.unsolicited if reference else Unsolicited(None, None)),
        "port_open": reference.port_open if reference else None,
    }


def describe_servers(servers: Sequence[Endpoint], findings: Mapping[int, Finding]) -> list[dict[str, Any]]:
    """Return each server's answer, or why there is none: one entry per queried address."""
    names = {number: name for name, number in FAMILIES.items()}
    asked = [pair for family in FAMILIES.values() for pair in findings.get(family, Finding()).replies]
    described = []
    for position, server in enumerate(servers):
        mine = [(target, reply) for target, reply in asked if target.server == position]
        for target, reply in mine:
            described.append(
                {
                    "server": str(server),
                    "family": names[target.family],
                    "address": target.endpoint.host,
                    "port": target.endpoint.port,
                    "outcome": reply.outcome,
                    "detail": reply.detail,
                    "local": _describe(reply.local),
                    "mapped": _describe(reply.mapped),
                    "other_address": _describe(reply.answer.other if reply.answer else None),
                    "software": reply.answer.software if reply.answer else "",
                }
            )
        if not mine:
            blank = dict.fromkeys(("family", "address", "local", "mapped", "other_address"))
            detail = "the name has no address in the requested families"
            described.append(
                {
                    "server": str(server),
                    **blank,
                    "port": server.port,
                    "outcome": UNRESOLVED,
                    "detail": detail,
                    "software": "",
                }
            )
    return described


def _describe(endpoint: Endpoint | None) -> dict[str, Any] | None:
    return None if endpoint is None else {"address": endpoint.host, "port": endpoint.port}
