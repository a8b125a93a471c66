# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The IPsec records of nodes, and the indexes, epochs and phases that follow from them.

Each node stores its own record and the node list that was applied last (`nodes`). So indexes and epochs are known while a node
is unreachable and after it was reinstalled, and an interrupted run is resumed.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple, Optional

from ...._problems import Problem, host_list
from ...plan_model.ipsec import INDEXES, Phase, Slots

FEW_EPOCHS = 2
# Each boot of a node takes the next epoch. The first one is the time in seconds, so no node gets this far ahead of it.
_MOST_BOOTS = 100_000

Facts = Mapping[str, Optional[Mapping[str, Any]]]
"""By node, the part ``ipsec`` of the fact of overlay_prepare; None for a node without one."""


class Indexes(NamedTuple):
    """The index of each node, and problems."""

    by_name: dict[str, int]
    problems: list[Problem]


def indexes(names: Iterable[str], facts: Facts, explicit: Mapping[str, int], variable: str) -> Indexes:
    """Return an index for each node: the explicit one, else the recorded one, else the lowest free one.

    A node keeps its index, because it is part of the SPIs in the states of other nodes. ``variable`` is the name of the
    variable that sets it.
    """
    wanted = list(names)
    reports = _stored(facts, "index")
    stored = {name: set(reports[name]) for name in wanted if name in reports}
    found: dict[str, int] = {}
    owners: dict[int, str] = {}
    problems: list[Problem] = []
    claims = [(name, explicit[name]) for name in wanted if name in explicit]
    claims += [(name, max(stored[name])) for name in wanted if name in stored and name not in explicit]
    for name, index in claims:
        if index not in INDEXES:
            problems.append(Problem(name, variable, f"{index} is not a number from 1 to {INDEXES[-1]}"))
        elif index in owners:
            text = f"{index} is also the index of host {host_list([owners[index]])}; set another for one of them"
            problems.append(Problem(name, variable, text))
        else:
            found[name] = index
            owners[index] = name
    for name in wanted:
        if name not in explicit and len(stored.get(name, ())) > 1:
            listed = " and ".join(f"{index} by {host_list(reports[name][index])}" for index in sorted(stored[name]))
            text = f"the node does not report it, and others have recorded different ones: {listed}; set the right one"
            problems.append(Problem(name, variable, text))
    taken = {*owners, *(index for recorded in stored.values() for index in recorded)}
    # Those of nodes that have left come last: they may return, but one node could record all indexes for them.
    left = {index for by_index in reports.values() for index in by_index} - taken
    free = chain((index for index in INDEXES if index not in taken | left), sorted(left & set(INDEXES)))
    refused = {problem.host for problem in problems}
    for name in wanted:
        if name in found or name in refused:
            continue
        index = next(free, 0)
        if not index:
            problems.append(Problem(name, variable, f"all {len(INDEXES)} indexes are taken"))
            continue
        found[name] = index
    return Indexes(found, problems)


def epochs(names: Iterable[str], facts: Facts, fresh: int) -> dict[str, int]:
    """Return the epoch (generation) of each node, without unreachable nodes that no other node has recorded.

    fresh: the epoch of a node without a record, larger than any before, such as the seconds since 1970: a reinstalled node
    must not reuse an epoch. A record of another boot means that the boot program has not run. A node that lost states for
    sending cannot create them again with the same key. Both get the next epoch, for which the others have states already.
    Of an unreachable node the highest epoch counts that others have recorded, because an earlier one must not be used again;
    but none that no node can have reached.
    """
    members = list(names)
    reports = _stored(facts, "epoch")
    stored = {name: [epoch for epoch in by_epoch if epoch <= fresh + _MOST_BOOTS] for name, by_epoch in reports.items()}
    found = {}
    for name in members:
        known = max(stored.get(name, ()), default=None)
        fact = facts.get(name)
        record = fact.get("record") if fact else None
        if fact is None:
            if known is not None:
                found[name] = known
        elif record is None:
            found[name] = fresh if known is None else max(fresh, known + 1)
        elif record["boot_id"] == fact["boot_id"] and not fact.get("lost"):
            found[name] = int(record["epoch"])
        else:
            found[name] = int(record["epoch"]) + 1
    return found


def phases(fact: Mapping[str, Any] | None) -> dict[str, Phase]:
    """Return the phase that a node has recorded for each node, itself included.

    All nodes complete a phase before any starts the next, so each node has at least the phase before.
    """
    nodes = (fact or {}).get("nodes") or {}
    return {name: Phase(min(int(entry.get("phase", Phase.STRICT)), Phase.STRICT)) for name, entry in nodes.items()}


def furthest_phases(facts: Facts) -> dict[str, Phase]:
    """Return the furthest phase that is recorded of each node."""
    found: dict[str, Phase] = {}
    for fact in facts.values():
        for name, phase in phases(fact).items():
            found[name] = max(phase, found.get(name, Phase.ABSENT))
    return found


def held_slots(facts: Facts) -> dict[str, Slots]:
    """Return the SA slots of which nodes have states, without nodes that have none or are unreachable."""
    found = {}
    for name, fact in facts.items():
        slots = (fact or {}).get("slots") or {}
        if slots.get("send") or slots.get("receive"):
            found[name] = Slots(tuple(slots.get("receive") or ()), tuple(slots.get("send") or ()))
    return found


def credible_slots(held: Mapping[str, Slots], least: int) -> tuple[dict[str, Slots], list[str]]:
    """Return the SA slots that nodes hold, without a node that is ahead of all others by more than a rotation, and its name.

    All nodes change to the next slot before any changes to the one after. least: the minimum in the inventory, which may be
    far ahead. Else one node could exhaust the slots of all.
    """
    newest = sorted(((max((*slots.receive, *slots.send)), name) for name, slots in held.items()), reverse=True)
    if len(newest) < 2 or newest[0][0] <= max(least, newest[1][0] + 1):
        return dict(held), []
    name = newest[0][1]
    return {other: slots for other, slots in held.items() if other != name}, [name]


def warnings(facts: Facts, variable: str) -> Iterator[Problem]:
    """Yield the nodes with keys for fewer than two further boots. variable: the one that sets for how many there are."""
    text = (
        f"keys are left for fewer than {FEW_EPOCHS} reboots; this run provides new ones, but a node without keys drops its "
        "traffic to other nodes after a reboot: run more often, or raise this variable"
    )
    for name, fact in facts.items():
        if fact and fact.get("record") and int(fact.get("epochs_left") or 0) < FEW_EPOCHS:
            yield Problem(name, variable, text)


def stored_indexes(facts: Facts) -> dict[str, set[int]]:
    """Return the indexes of nodes as they have recorded them, else as others have."""
    return {name: set(found) for name, found in _stored(facts, "index").items()}


def _stored(facts: Facts, what: str) -> dict[str, dict[int, list[str]]]:
    """Return who has recorded which value of each node: the node itself, else other nodes."""
    found: dict[str, dict[int, list[str]]] = {}
    for reporter, fact in facts.items():
        for name, entry in ((fact or {}).get("nodes") or {}).items():
            found.setdefault(name, {}).setdefault(int(entry[what]), []).append(reporter)
    for name, fact in facts.items():
        record = (fact or {}).get("record")
        if record is not None and record.get(what) is not None:
            found[name] = {int(record[what]): [name]}
    return found
