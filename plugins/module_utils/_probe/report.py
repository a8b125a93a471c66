# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Findings of a probe as the result, the summary and the failure message of probe_info.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._wireguard.keys import encode_key
from .diagnosis import OK, advice, age
from .run import Finding, RouteToPeer

_NAMED = 5  # peers that the summary names for each verdict
_EXPLAINED = 20  # peers that a failure message explains


def result(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the module's result: the peers, and one line of summary."""
    return {"peers": [_peer(finding) for finding in findings], "summary": summary(findings)}


def summary(findings: Sequence[Finding]) -> str:
    """Return the number of peers per verdict, with the names of those that fail: `3 peers: 2 ok, 1 stale (beta)`."""
    labels: dict[str, list[str]] = {}
    for finding in findings:
        labels.setdefault(finding.worst.verdict, []).append(finding.target.label)
    parts = [f"{len(labels[OK])} ok"] if OK in labels else []
    for reason, names in labels.items():
        if reason != OK:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            parts.append(f"{len(names)} {reason} ({', '.join(names[:_NAMED])}{more})")
    count = f"{len(findings)} peer{'' if len(findings) == 1 else 's'}"
    return f"{count}: {', '.join(parts)}" if parts else count


def failure(findings: Sequence[Finding]) -> str | None:
    """Return the failure message with verdict and advice for each peer that fails, None if all are `ok`."""
    lines = [
        f"{finding.target.label}: {finding.worst.verdict}: {advice(finding.worst.verdict, finding.worst.seen)}"
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
        "name": finding.target.name,
        "public_key": encode_key(finding.target.public_key),
        "endpoint": worst.seen.endpoint,
        "handshake_age": age(worst.seen.after, worst.seen.now) if worst.seen.after else None,
        **_route(worst),
        "advice": advice(worst.verdict, worst.seen),
        "addresses": [_route(route) for route in finding.routes if route.seen.address],
    }


def _route(route: RouteToPeer) -> dict[str, Any]:
    return {
        "address": route.seen.address,
        "verdict": route.verdict,
        # The first reply may include the time of a handshake.
        "rtt_ms": round(min(route.trips) * 1000, 3) if route.trips else None,
        "mtu": route.seen.largest,
    }
