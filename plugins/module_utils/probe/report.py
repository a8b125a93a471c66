# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a probe found, as overlay_probe returns it and as people read it.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..wireguard.keys import encode_key
from .run import Finding, Way
from .verdicts import OK, advice, age

_NAMED = 5  # peers that the summary names for each verdict
_EXPLAINED = 20  # peers that a failure explains


def result(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the module's result: the peers, and one line of summary."""
    return {"peers": [_peer(finding) for finding in findings], "summary": summary(findings)}


def summary(findings: Sequence[Finding]) -> str:
    """Return how many peers have which verdict, and who those are that do not work: `3 peers: 2 ok, 1 stale (beta)`."""
    labels: dict[str, list[str]] = {}
    for finding in findings:
        labels.setdefault(finding.worst.verdict, []).append(finding.subject.label)
    parts = [f"{len(labels[OK])} ok"] if OK in labels else []
    for reason, names in labels.items():
        if reason != OK:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            parts.append(f"{len(names)} {reason} ({', '.join(names[:_NAMED])}{more})")
    count = f"{len(findings)} peer{'' if len(findings) == 1 else 's'}"
    return f"{count}: {', '.join(parts)}" if parts else count


def failure(findings: Sequence[Finding]) -> str | None:
    """Return the message of a probe that must not go well, with each peer and what to look at; None if all is well."""
    lines = [
        f"{finding.subject.label}: {finding.worst.verdict}: {advice(finding.worst.verdict, finding.worst.seen)}"
        for finding in findings
        if finding.worst.verdict != OK
    ]
    if not lines:
        return None
    more = [f"and {len(lines) - _EXPLAINED} more"] if len(lines) > _EXPLAINED else []
    return "\n".join([summary(findings), *lines[:_EXPLAINED], *more])


def _peer(finding: Finding) -> dict[str, Any]:
    worst = finding.worst
    return {
        "name": finding.subject.name,
        "public_key": encode_key(finding.subject.public_key),
        "endpoint": worst.seen.endpoint,
        "handshake_age": age(worst.seen.after, worst.seen.now) if worst.seen.after else None,
        **_way(worst),
        "advice": advice(worst.verdict, worst.seen),
        "addresses": [_way(way) for way in finding.ways if way.seen.address],
    }


def _way(way: Way) -> dict[str, Any]:
    return {
        "address": way.seen.address,
        "verdict": way.verdict,
        # The first answer may have waited for a handshake.
        "rtt_ms": round(min(way.trips) * 1000, 3) if way.trips else None,
        "mtu": way.seen.largest,
    }
