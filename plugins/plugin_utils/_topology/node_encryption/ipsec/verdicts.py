# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Evaluate whether two nodes have matching IPsec states, and the results of the probes through them.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..traffic_report import EchoAnswer, Ends, ProbedPeer, StatesOfDirection, TrafficReport

NO_STATE, NO_ANSWER, MTU, OK = "no_state", "no_answer", "mtu", "ok"


@dataclass(frozen=True)
class Evidence:
    """What nodes reported, by name and for quick access. addresses: of all nodes; the rest: of those with a result.

    states: by source and destination address. answers: the results of probes, by the name of the probed node.
    """

    addresses: Mapping[str, Sequence[str]]
    states: Mapping[str, Mapping[Ends, StatesOfDirection]]
    answers: Mapping[str, Mapping[str, Sequence[EchoAnswer]]]


def evidence(reports: Mapping[str, TrafficReport], wire: Mapping[str, Any]) -> Evidence:
    """Return what is evaluated for each pair. reports: by name. wire: as in `verdicts.judge`."""
    return Evidence(
        {node["name"]: node["addresses"] for node in wire.get("nodes", ())},
        {name: report.states for name, report in reports.items()},
        {name: report.answers for name, report in reports.items()},
    )


@dataclass(frozen=True)
class Direction:
    """From one node to another in one family, between the addresses src and dst.

    spis: of the source's states for sending. sent, received: packets during the capture, as counted by each node; None for
    a node without a result. failed: packets that the destination could not decrypt. key_age_days, sequence_percent: of the
    source. fault: empty if there is none.
    """

    source: str
    destination: str
    src: str
    dst: str
    spis: tuple[str, ...] = ()
    sent: int | None = None
    received: int | None = None
    failed: int = 0
    key_age_days: int | None = None
    sequence_percent: int | None = None
    fault: str = ""


def directions_between(pair: tuple[str, str], known: Evidence) -> list[Direction]:
    """Return both directions between two nodes, for each family in which both have addresses."""
    addresses = known.addresses
    found = []
    for source, destination in (pair, (pair[1], pair[0])):
        for src in addresses.get(source, ()):
            for dst in addresses.get(destination, ()):
                if (":" in src) == (":" in dst):
                    found.append(_direction(source, destination, src, dst, known))
    return found


def _direction(source: str, destination: str, src: str, dst: str, known: Evidence) -> Direction:
    sending, receiving = (known.states.get(name, {}).get((src, dst)) for name in (source, destination))
    spis = sending.spis if sending else ()
    fault = ""
    if source in known.states and not spis:
        fault = f"{source} has no state for sending to {destination}, from {src} to {dst}"
    elif destination in known.states:
        known_there = frozenset(receiving.spis if receiving else ())
        missing = [spi for spi in spis if spi not in known_there]
        if missing:
            fault = f"{source} sends by {', '.join(missing)} from {src} to {dst}, and {destination} has no such state"
        elif not receiving:
            fault = f"{destination} has no state for receiving from {source}, from {src} to {dst}"
    return Direction(
        source,
        destination,
        src,
        dst,
        spis,
        (sending.meanwhile if sending else 0) if source in known.states else None,
        (receiving.meanwhile if receiving else 0) if destination in known.states else None,
        receiving.failed if receiving else 0,
        sending.key_age_days if sending else None,
        sending.sequence_percent if sending else None,
        fault,
    )


def probe_result(prober: str, other: str, known: Evidence, directions: list[Direction]) -> ProbedPeer | None:
    """Return the result of probing a node, with the verdicts of `probe_info`; None if no address was probed.

    The first address that fails gives the verdict. Otherwise the smallest MTU and the longest RTT count.
    """
    families = {":" in direction.src for direction in directions}
    replies = [entry for entry in known.answers[prober].get(other, ()) if (":" in entry.address) in families]
    if not replies:
        return None
    verdict, advice = next(_failures(prober, other, replies, directions), (OK, ""))
    return ProbedPeer(
        verdict,
        advice,
        rtt_ms=max((entry.rtt_ms for entry in replies if entry.rtt_ms is not None), default=None),
        mtu=min((entry.mtu for entry in replies if entry.mtu is not None), default=None),
    )


def _failures(
    prober: str, other: str, replies: list[EchoAnswer], directions: list[Direction]
) -> Iterator[tuple[str, str]]:
    for entry in replies:
        address, size, wanted = entry.address, entry.mtu, entry.wanted_mtu
        of_family = {one.source: one for one in reversed(directions) if (":" in one.src) == (":" in address)}
        there, back = of_family[prober], of_family[other]
        if not entry.replied:
            yield NO_ANSWER, f"{address} does not reply: {_where(there, back)}"
        elif wanted is not None and (size or 0) < wanted:
            passed = f"of {size} bytes pass and larger ones" if size else "of this host's usual size"
            yield (
                MTU,
                f"packets {passed} are lost on the path to {address}, up to the expected {wanted}: check for a link with a "
                "smaller MTU between the nodes, and for a filter that drops large packets",
            )


def _where(there: Direction, back: Direction) -> str:
    """Return where packets were lost, from the counters of both nodes, and what to check."""
    if not there.sent:
        return f"{there.source} sent nothing through its states; check `ip xfrm policy` and the packet filter there"
    for one in (there, back):
        if one.sent and one.received == 0:
            if one.failed:
                return (
                    f"{one.destination} cannot decrypt packets of {one.source}; check that both have the same "
                    "node_encryption_ipsec_master"
                )
            return (
                f"ESP from {one.src} does not arrive at {one.dst}; accept IP protocol 50 there, and check the error "
                "counters in /proc/net/xfrm_stat, such as XfrmInError"
            )
    return f"{there.destination} decrypts packets of {there.source}; check the packet filter there"
