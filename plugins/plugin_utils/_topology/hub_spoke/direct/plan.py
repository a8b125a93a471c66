# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Add direct tunnels between spokes to the plan: the spokes with an interface for them, the pairs, and the report.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .....module_utils._wireguard.keys import key_identity
from ...._problems import Problem
from ...fleet.identity import replace_key
from ...plan_model.direct import DirectPair, DirectPlan
from ...plan_model.fleet import FleetPlan
from ..inputs import HubSpokeInputs
from ..settings import DIRECT_INTERFACE
from .pairs import Decision, DirectSpoke, PairState, ProbeStage, decide_all
from .spokes import DirectSources, direct_host, direct_spokes, refused_keys, retired_spokes

_LABELS = {
    PairState.DIRECT: "direct",
    PairState.PROBE: "to be probed",
    PairState.HUB: "through the hub",
}


@dataclass(frozen=True)
class DirectRun:
    """The stage of direct tunnels in a run, the hosts of the play, and those of the current batch."""

    stage: ProbeStage = ProbeStage.PLAN
    play: frozenset[str] = frozenset()
    batch: frozenset[str] = frozenset()


def with_direct_tunnels(
    plan: FleetPlan, inputs: HubSpokeInputs, run: DirectRun
) -> tuple[FleetPlan, dict[str, Any] | None]:
    """Return a plan with direct tunnels, and what the role needs to probe and report them, None without any."""
    names = (own.direct_interface for own in inputs.hub_spoke_settings.values() if own.direct)
    sources = DirectSources(inputs, next(names, DIRECT_INTERFACE), run.play, run.batch)
    spokes = direct_spokes(sources)
    retired = retired_spokes(sources, spokes)
    if not spokes and not retired:
        return plan, None
    decisions = decide_all(spokes, run.stage)
    notes = _notes(spokes, decisions)
    direct = DirectPlan(
        sources.interface,
        {name: direct_host(spoke, sources, notes[name]) for name, spoke in spokes.items()},
        tuple(_pairs(decisions, run.stage)),
        tuple(retired),
        run.stage is ProbeStage.PROBE,
    )
    plan = replace(plan, direct=direct, refusals=refused_keys(sources, spokes, plan.refusals))
    return plan, _summary(sources.interface, spokes, decisions)


def duplicate_keys(plan: FleetPlan, prefix: str) -> Iterator[Problem]:
    """Yield the spokes whose interface for direct tunnels has the key of another interface, as cloned machines have."""
    owners: dict[bytes, str] = {}
    for name, host in plan.hosts.items():
        for key in host.public_keys.values() if host.public_keys else [host.public_key]:
            if key is not None:
                owners.setdefault(key_identity(key), name)
    for name, direct in plan.direct.hosts.items() if plan.direct is not None else ():
        other = owners.setdefault(key_identity(direct.public_key), name) if direct.public_key is not None else name
        if other != name:
            text = (
                f"the interface for direct tunnels of this host has the same key as {other!r}, as cloned machines have; "
                f"{replace_key('on the clone', direct.private_key_file)}, and run again"
            )
            yield Problem(name, prefix + "direct_interface", text)


def _pairs(decisions: Iterable[Decision], stage: ProbeStage) -> Iterable[DirectPair]:
    for decision in decisions:
        routed = decision.state is PairState.DIRECT
        if routed or (decision.state is PairState.PROBE and stage is ProbeStage.PROBE):
            yield DirectPair(decision.names, decision.endpoints, routed)


def _notes(spokes: Mapping[str, DirectSpoke], decisions: Iterable[Decision]) -> dict[str, dict[str, str]]:
    """Return the notes of each spoke on failed pairs; older notes are kept until the pair is direct."""
    notes: dict[str, dict[str, str]] = {name: {} for name in spokes}
    for decision in decisions:
        for name, other in (decision.names, decision.names[::-1]):
            text = decision.note or spokes[name].notes.get(other, "")
            if text and decision.state is not PairState.DIRECT:
                notes[name][other] = text
    return notes


def _summary(interface: str, spokes: Mapping[str, DirectSpoke], decisions: Iterable[Decision]) -> dict[str, Any]:
    probes: dict[str, list[dict[str, Any]]] = {}
    states = Counter(decision.state for decision in decisions)
    for decision in decisions:
        if decision.state is PairState.PROBE:
            for name, other in (decision.names, decision.names[::-1]):
                probes.setdefault(name, []).append(_peer(spokes[other]))
    counted = (f"{states[state]} {label}" for state, label in _LABELS.items() if states[state])
    return {
        "interface": interface,
        "probes": dict(sorted(probes.items())),
        "discover": [_peer(spokes[name]) for name in sorted(probes)],
        "report": [_line(decision) for decision in decisions],
        "summary": ", ".join(counted) or "no pair of spokes wants a direct tunnel",
    }


def _peer(spoke: DirectSpoke) -> dict[str, Any]:
    return {"name": spoke.name, "public_key": spoke.public_key}


def _line(decision: Decision) -> str:
    pair = " and ".join(decision.names)
    if decision.state is PairState.DIRECT:
        return f"{pair}: direct" + (f", re-established ({decision.reason})" if decision.reason else "")
    if decision.state is PairState.PROBE:
        return f"{pair}: through the hub, to be probed" + (f" ({decision.reason})" if decision.reason else "")
    return f"{pair}: through the hub, because {decision.reason}"
