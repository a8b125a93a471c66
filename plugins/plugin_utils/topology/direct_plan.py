# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Direct tunnels between spokes, put into the plan of hubs and spokes: who has the device, which pairs, what is said.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.direct_model import DirectPair, DirectPlan
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.direct_pairs import (
    Decision,
    DirectSpoke,
    Stage,
    State,
    decide_all,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.direct_spokes import (
    DirectSources,
    direct_host,
    direct_spokes,
    has_device,
    is_hub_of,
    revoked_keys,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import FleetPlan

_WORDS = {State.DIRECT: "direct", State.TRIAL: "to be tried", State.HUB: "through the hub"}


@dataclass(frozen=True)
class DirectRun:
    """How far a run is with direct tunnels, its hosts, and those that are worked on now."""

    stage: Stage = Stage.PLAN
    play: frozenset[str] = frozenset()
    batch: frozenset[str] = frozenset()


def with_direct_tunnels(
    plan: FleetPlan, sources: DirectSources, stage: Stage, excluded: Iterable[str]
) -> tuple[FleetPlan, dict[str, Any] | None]:
    """Return a plan with direct tunnels, and what a role needs to know to make and report them, None for no part in it.

    excluded: the names that are revoked.
    """
    spokes = direct_spokes(sources)
    retired = [
        name
        for name in sources.inputs
        if name not in spokes and not is_hub_of(sources, name) and name in plan.hosts and has_device(sources, name)
    ]
    if not spokes and not retired:
        return plan, None
    decisions = decide_all(spokes, stage)
    notes = _notes(spokes, decisions)
    direct = DirectPlan(
        sources.interface,
        {name: direct_host(spoke, sources, notes[name]) for name, spoke in spokes.items()},
        tuple(_pairs(decisions, stage)),
        tuple(retired),
    )
    revoked = {**plan.revoked, **revoked_keys(sources, frozenset(excluded))}
    return replace(plan, direct=direct, revoked=revoked), _summary(sources.interface, spokes, decisions)


def _pairs(decisions: Iterable[Decision], stage: Stage) -> Iterable[DirectPair]:
    for decision in decisions:
        routed = decision.state is State.DIRECT
        if routed or (decision.state is State.TRIAL and stage is Stage.TRY):
            yield DirectPair(decision.names, decision.endpoints, routed)


def _notes(spokes: Mapping[str, DirectSpoke], decisions: Iterable[Decision]) -> dict[str, dict[str, str]]:
    """Return what each spoke is to remember of pairs that have failed; what is old stays while the pair is no other."""
    notes: dict[str, dict[str, str]] = {name: {} for name in spokes}
    for decision in decisions:
        for name, other in (decision.names, decision.names[::-1]):
            text = decision.note or spokes[name].notes.get(other, "")
            if text and decision.state is not State.DIRECT:
                notes[name][other] = text
    return notes


def _summary(interface: str, spokes: Mapping[str, DirectSpoke], decisions: Iterable[Decision]) -> dict[str, Any]:
    tries: dict[str, list[dict[str, Any]]] = {}
    states = Counter(decision.state for decision in decisions)
    for decision in decisions:
        if decision.state is State.TRIAL:
            for name, other in (decision.names, decision.names[::-1]):
                tries.setdefault(name, []).append(_peer(spokes[other]))
    counted = (f"{states[state]} {words}" for state, words in _WORDS.items() if states[state])
    return {
        "interface": interface,
        "tries": dict(sorted(tries.items())),
        "observe": [_peer(spokes[name]) for name in sorted(tries)],
        "report": [_line(decision) for decision in decisions],
        "summary": ", ".join(counted) or "no pair of spokes wants a direct tunnel",
    }


def _peer(spoke: DirectSpoke) -> dict[str, Any]:
    return {"name": spoke.name, "public_key": spoke.public_key}


def _line(decision: Decision) -> str:
    pair = " and ".join(decision.names)
    if decision.state is State.DIRECT:
        return f"{pair}: direct" + (f" ({decision.reason}; it was made anew)" if decision.reason else "")
    if decision.state is State.TRIAL:
        return f"{pair}: through the hub, to be tried" + (f" ({decision.reason})" if decision.reason else "")
    return f"{pair}: through the hub, because {decision.reason}"
