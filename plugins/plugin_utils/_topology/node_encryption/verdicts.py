# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Evaluate, from the captures and probes of all nodes, whether the traffic of each pair is encrypted.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from .coverage_report import coverage_of, coverage_table
from .ipsec.verdicts import NO_STATE, Direction, directions_between, evidence, probe_result
from .traffic_report import ProbedPeer, TrafficReport, TrafficReports

OK, PLAINTEXT, NOT_PROBED, NO_REPORT = "ok", "plaintext", "not_probed", "no_report"

_SHOWN = 60  # pairs in a table, failed ones first
_NAMED = 5  # pairs that the summary names for each verdict
_HEADINGS = ("pair", "verdict", "handshake", "RTT", "MTU", "encrypted", "plain pods", "plain nodes")
_IPSEC_HEADINGS = ("pair", "verdict", "states", "keys", *_HEADINGS[3:])


@dataclass(frozen=True)
class PairVerdict:
    """Two nodes. reasons: causes and remedies. handshake_age in seconds, rtt_ms in milliseconds, mtu in bytes.

    encrypted, plaintext_pod, plaintext_host: packets between the two in both directions. The other figures are those of the
    worse side. states: IPsec, by direction.
    """

    nodes: tuple[str, str]
    verdict: str
    reasons: tuple[str, ...] = ()
    handshake_age: int | None = None
    rtt_ms: float | None = None
    mtu: int | None = None
    encrypted: int = 0
    plaintext_pod: int = 0
    plaintext_host: int = 0
    states: tuple[Direction, ...] = ()

    @property
    def label(self) -> str:
        """The pair's name."""
        return " - ".join(self.nodes)


def judge(reports: TrafficReports, wire: Mapping[str, Any]) -> list[PairVerdict]:
    """Return the verdict of every pair of nodes that should encrypt and of which at least one has a result.

    wire: the expected traffic, as `expected_traffic.wire` returns it.
    """
    checked, with_result = reports.by_node, reports.keys()
    counts = _counts(checked.values())
    known = evidence(checked, wire)
    found = []
    for pair in combinations(sorted(wire["encrypting"]), 2):
        if with_result.isdisjoint(pair):
            continue
        both = [(one, other) for one, other in (pair, (pair[1], pair[0])) if one in checked]
        directions = directions_between(pair, known) if wire.get("by_pair") else []
        if wire.get("ipsec"):
            # A node without an address to probe is evaluated from its states and captures alone.
            probed = [(one, other, probe_result(one, other, known, directions)) for one, other in both]
            answers: list[Any] = [answer for answer in probed if answer[2] is not None]
        else:
            answers = [(one, other, checked[one].peers.get(other)) for one, other in both]
        found.append(_judge(pair, counts.get(frozenset(pair), {}), answers, directions, reports, wire))
    return found


def _counts(reports: Iterable[TrafficReport]) -> dict[frozenset[str], dict[str, int]]:
    """Return by pair the packets of each kind. Both ends see the same packets, so the larger figure counts.

    That of a third node counts too: it may forward packets between two others.
    """
    directed: dict[tuple[str, str], dict[str, int]] = {}
    for report_of_node in reports:
        for entry in report_of_node.pairs:
            known = directed.setdefault((entry.source, entry.destination), {})
            for kind, count in entry.kinds.items():
                known[kind] = max(known.get(kind, 0), count)
    found: dict[frozenset[str], dict[str, int]] = {}
    for ends, counts in directed.items():
        both = found.setdefault(frozenset(ends), {})
        for kind, count in counts.items():
            both[kind] = both.get(kind, 0) + count
    return found


def _judge(
    pair: tuple[str, str],
    counts: Mapping[str, int],
    answers: Sequence[tuple[str, str, ProbedPeer | None]],
    directions: Sequence[Direction],
    reports: TrafficReports,
    wire: Mapping[str, Any],
) -> PairVerdict:
    reasons, words = [], []
    pods, hosts = counts.get("plaintext_pod", 0), counts.get("plaintext_host", 0)
    if pods:
        words.append(PLAINTEXT)
        reasons.append(f"{_packets(pods)} of pods in plaintext: check the rules, the routes and the pod networks")
    if hosts and wire["host_encryption"] and not set(pair) & set(wire["exempt_hosts"]):
        words.append(PLAINTEXT)
        reasons.append(f"{_packets(hosts)} of the nodes themselves in plaintext: check the rules and the routes")
    for name in pair:
        if name in reports.malformed:
            words.append(NO_REPORT)
            reasons.append(f"the result of {name} is malformed and is not used")
    for direction in directions:
        if direction.fault:
            words.append(NO_STATE)
            reasons.append(f"{direction.fault}: run the role on all nodes")
    for one, other, peer in answers:
        if peer is None:
            words.append(NOT_PROBED)
            reasons.append(f"from {one}: {_why_not_probed(other, reports.by_node[one], wire)}")
        elif peer.verdict != OK:
            words.append(peer.verdict)
            reasons.append(f"from {one}: {peer.verdict}: {peer.advice}")
    peers = [peer for _one, _other, peer in answers if peer is not None]
    return PairVerdict(
        pair,
        words[0] if words else OK,
        tuple(reasons),
        max((peer.handshake_age for peer in peers if peer.handshake_age is not None), default=None),
        max((peer.rtt_ms for peer in peers if peer.rtt_ms is not None), default=None),
        min((peer.mtu for peer in peers if peer.mtu is not None), default=None),
        counts.get("wireguard", 0) + counts.get("esp", 0),
        pods,
        hosts,
        tuple(directions),
    )


def _why_not_probed(other: str, seen: TrafficReport, wire: Mapping[str, Any]) -> str:
    if other in wire["keyless"]:
        return f"the public key of {other} is not known: run the role on it"
    return seen.refusal or "nothing was probed"


def _packets(count: int) -> str:
    return f"{count} packet" if count == 1 else f"{count} packets"


def report(
    pairs: list[PairVerdict], reports: TrafficReports, coverage: Sequence[Mapping[str, str]] = ()
) -> dict[str, Any]:
    """Return the verdicts as data and as text: whether all reports can be read and all pairs are ok, a summary line, and a table.

    coverage: of every node of the cluster, as in the result of overlay_plan.
    """
    failed = Counter(name for pair in pairs if pair.verdict != OK for name in pair.nodes)
    nodes = coverage_of(coverage, failed)
    return {
        "works": not reports.malformed and all(pair.verdict == OK for pair in pairs),
        "summary": summary(pairs),
        "table": [
            summary(pairs),
            *_table(pairs),
            *_reasons(pairs),
            *_malformed(reports),
            *_notes(reports),
            *coverage_table(nodes),
        ],
        "pairs": [_as_data(pair) for pair in pairs],
        "nodes": nodes,
    }


def _as_data(pair: PairVerdict) -> dict[str, Any]:
    states = [{**asdict(direction), "spis": list(direction.spis)} for direction in pair.states]
    return {**asdict(pair), "nodes": list(pair.nodes), "reasons": list(pair.reasons), "states": states}


def summary(pairs: list[PairVerdict]) -> str:
    """Return the number of pairs by verdict, with the names of those that failed: `3 pairs: 2 ok, 1 plaintext (n1 - n3)`."""
    labels: dict[str, list[str]] = {}
    for pair in pairs:
        labels.setdefault(pair.verdict, []).append(pair.label)
    parts = [f"{len(labels[OK])} ok"] if OK in labels else []
    for word in sorted(labels.keys() - {OK}):
        more = f" and {len(labels[word]) - _NAMED} more" if len(labels[word]) > _NAMED else ""
        parts.append(f"{len(labels[word])} {word} ({', '.join(labels[word][:_NAMED])}{more})")
    count = f"{len(pairs)} pair{'' if len(pairs) == 1 else 's'}"
    return f"{count}: {', '.join(parts)}" if parts else f"{count} of nodes that should encrypt"


def _table(pairs: list[PairVerdict]) -> list[str]:
    if not pairs:
        return []
    shown = sorted(pairs, key=lambda pair: pair.verdict == OK)[:_SHOWN]
    rows = [_IPSEC_HEADINGS, *map(_ipsec_row, shown)] if pairs[0].states else [_HEADINGS, *map(_row, shown)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip() for row in rows]
    return lines + ([f"and {len(pairs) - _SHOWN} more"] if len(pairs) > _SHOWN else [])


def _row(pair: PairVerdict) -> tuple[str, ...]:
    return (
        pair.label,
        pair.verdict,
        "-" if pair.handshake_age is None else f"{pair.handshake_age} s",
        *_figures(pair),
    )


def _ipsec_row(pair: PairVerdict) -> tuple[str, ...]:
    age = max((one.key_age_days for one in pair.states if one.key_age_days is not None), default=None)
    return (
        pair.label,
        pair.verdict,
        f"{sum(not direction.fault for direction in pair.states)} of {len(pair.states)}",
        "-" if age is None else f"{age} d",
        *_figures(pair),
    )


def _figures(pair: PairVerdict) -> tuple[str, ...]:
    return (
        "-" if pair.rtt_ms is None else f"{pair.rtt_ms:g} ms",
        "-" if pair.mtu is None else str(pair.mtu),
        str(pair.encrypted),
        str(pair.plaintext_pod),
        str(pair.plaintext_host),
    )


def _reasons(pairs: list[PairVerdict]) -> list[str]:
    lines = [f"{pair.label}: {reason}" for pair in pairs for reason in pair.reasons]
    return lines[:_SHOWN] + ([f"and {len(lines) - _SHOWN} more reasons"] if len(lines) > _SHOWN else [])


def _malformed(reports: TrafficReports) -> list[str]:
    lines = [
        f"{name}: the result of traffic_info is malformed: {text}. Check what answers on this host"
        for name, text in sorted(reports.malformed.items())
    ]
    return lines[:_SHOWN] + ([f"and {len(lines) - _SHOWN} more malformed results"] if len(lines) > _SHOWN else [])


def _notes(reports: TrafficReports) -> list[str]:
    """Return the limits of the captures, and IPsec error counters that increased."""
    lines = []
    for name, seen in sorted(reports.by_node.items()):
        if seen.lost:
            lines.append(f"{name}: {_packets(seen.lost)} were lost by the capture")
        if seen.full:
            lines.append(f"{name}: the capture reached its packet limit after {seen.seconds} s")
        lines.extend(f"{name}: {counter} grew by {count}" for counter, count in seen.xfrm_stat.items())
    return lines
