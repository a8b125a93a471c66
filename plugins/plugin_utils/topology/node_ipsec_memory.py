# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nodes remember of their IPsec, and what follows for the next document: indexes that never move, and epochs.

Each node has a record of its own, and the roster of all nodes as it was applied last. So indexes and epochs are still
known while a node cannot be asked, and after it was installed anew; and a run that was cut short is resumed from there.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Optional

from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem, host_list
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec import INDEXES, Phase, Slots

FEW_EPOCHS = 2

Facts = Mapping[str, Optional[Mapping[str, Any]]]
"""By node what overlay_facts told of its IPsec (``ipsec``), None for one that could not be asked."""


class Indexes(NamedTuple):
    """The index of each node, and what stands against it."""

    by_name: dict[str, int]
    problems: list[Problem]


def indexes(names: Iterable[str], facts: Facts, explicit: Mapping[str, int], variable: str) -> Indexes:
    """Return an index for each node: the explicit one, else the one that is remembered, else the lowest free one.

    One that a node has had stays with it, because the others' states have it in their SPIs. ``variable`` is the name of
    the variable that sets it.
    """
    wanted = list(names)
    remembered = _remembered(facts, "index")
    found: dict[str, int] = {}
    owners: dict[int, str] = {}
    problems: list[Problem] = []
    claims = [(name, explicit[name]) for name in wanted if name in explicit]
    claims += [(name, max(remembered[name])) for name in wanted if name in remembered and name not in explicit]
    for name, index in claims:
        if index not in INDEXES:
            problems.append(Problem(name, variable, f"{index} is not a number from 1 to {INDEXES[-1]}"))
        elif index in owners:
            text = f"{index} is the index of host {host_list([owners[index]])} too; give one of them another"
            problems.append(Problem(name, variable, text))
        else:
            found[name] = index
            owners[index] = name
    for name in wanted:
        if name not in explicit and len(remembered.get(name, ())) > 1:
            said = " and ".join(str(index) for index in sorted(remembered[name]))
            problems.append(Problem(name, variable, f"the nodes remember {said} for it; set the right one"))
    taken = {*owners, *(index for said in remembered.values() for index in said)}
    free = (index for index in INDEXES if index not in taken)
    for name in wanted:
        if name in found or any(problem.host == name for problem in problems):
            continue
        index = next(free, 0)
        if not index:
            problems.append(Problem(name, variable, f"all {len(INDEXES)} indexes are taken"))
            continue
        found[name] = index
    return Indexes(found, problems)


def epochs(names: Iterable[str], facts: Facts, fresh: int) -> dict[str, int]:
    """Return the epoch of each node, without those that could not be asked and that nobody remembers.

    fresh: for a node without a record, a number that is larger than any before, such as the seconds since 1970: a node
    that was installed anew must not begin again where it once began. A node whose record is of another boot has not
    been started by its program, and one that lost states it sent by cannot make them again under their key: both go on
    with the next epoch, for which the others have states already.
    """
    remembered = _remembered(facts, "epoch")
    found = {}
    for name in names:
        known = max(remembered.get(name, ()), default=None)
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
    """Return how far a node remembers to have come with each, itself among them.

    All nodes have to be done with one phase before any begins the next, so each has the phase before for certain.
    """
    roster = (fact or {}).get("roster") or {}
    return {name: Phase(min(int(entry.get("phase", Phase.STRICT)), Phase.STRICT)) for name, entry in roster.items()}


def furthest_phases(facts: Facts) -> dict[str, Phase]:
    """Return the furthest phase that anybody remembers of each node."""
    found: dict[str, Phase] = {}
    for fact in facts.values():
        for name, phase in phases(fact).items():
            found[name] = max(phase, found.get(name, Phase.ABSENT))
    return found


def held_slots(facts: Facts) -> dict[str, Slots]:
    """Return the slots that nodes hold states of; nodes without states, or that could not be asked, are left out."""
    found = {}
    for name, fact in facts.items():
        slots = (fact or {}).get("slots") or {}
        if slots.get("send") or slots.get("receive"):
            found[name] = Slots(tuple(slots.get("receive") or ()), tuple(slots.get("send") or ()))
    return found


def warnings(facts: Facts) -> list[str]:
    """Name the nodes that have keys for fewer than two further boots."""
    few = [
        name
        for name, fact in facts.items()
        if fact and fact.get("record") and int(fact.get("epochs_left") or 0) < FEW_EPOCHS
    ]
    if not few:
        return []
    return [
        f"hosts {host_list(few)}: keys are left for fewer than {FEW_EPOCHS} reboots; this run gives them new ones, but "
        "a node that boots once more without a run in between stays closed: run more often, or raise epochs_ahead"
    ]


def _remembered(facts: Facts, what: str) -> dict[str, set[int]]:
    """Return what anybody remembers of each node, its own word alone where it has one."""
    found: dict[str, set[int]] = {}
    for fact in facts.values():
        for name, entry in ((fact or {}).get("roster") or {}).items():
            found.setdefault(name, set()).add(int(entry[what]))
    for name, fact in facts.items():
        record = (fact or {}).get("record")
        if record is not None and record.get(what) is not None:
            found[name] = {int(record[what])}
    return found
