# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""New keys in three steps, each done on all nodes before the next begins, so that no packet meets a missing state.

The kernel sends by the newest state that fits, so neither policies nor anybody's clock are needed. Everything follows
from what the nodes hold, so a run that ended halfway is finished by the next one, and a run after that does nothing.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec import Slots

WORN_PERCENT = 50
"""Of its sequence numbers a state may have used so many; there is time to change it until all are."""


class Step(IntEnum):
    """What is done on all nodes before the next step begins anywhere."""

    RECEIVE_NEW = 1
    SEND_NEW = 2
    DROP_OLD = 3
    """After what was sent before has arrived."""


def is_due(held: Mapping[str, Slots], slot: int) -> bool:
    """Return whether any node holds states of another slot than the wanted one.

    held: what each node that has states told; the others do not count.
    """
    return any({*slots.receive, *slots.send} != {slot} for slots in held.values())


def are_worn(facts: Mapping[str, Any], max_age_days: Mapping[str, int]) -> bool:
    """Return whether a node sends by keys that are too old, or that have been counted too far.

    facts: by node what overlay_facts told of its IPsec. max_age_days: by node, 0 for any age.
    """
    return any(
        0 < max_age_days[name] <= _number(fact, "key_age_days") or _number(fact, "sequence_percent") >= WORN_PERCENT
        for name, fact in facts.items()
    )


def _number(fact: Mapping[str, Any], name: str) -> int:
    found = fact.get(name)
    return found if isinstance(found, int) else 0


def wanted_slot(least: int, held: Mapping[str, Slots], change: bool) -> int:
    """Return the slot that all nodes shall have: the newest that any has, or with ``change`` the one behind it.

    An earlier one never comes back, because its keys have been used. While nodes hold several, because a run was cut
    short, no further change is begun. least: what the inventory says.
    """
    in_use = {slot for slots in held.values() for slot in (*slots.receive, *slots.send)}
    following = 1 if change and len(in_use) == 1 else 0
    return max(least, max(in_use, default=least) + following)


def slots_of(step: Step, held: Mapping[str, Slots], name: str, slot: int) -> Slots:
    """Return what a node shall hold after a step; ``held`` is what the nodes held before the first one."""
    if step is Step.DROP_OLD:
        return Slots((slot,), (slot,))
    in_use = {slots.send[-1] for slots in held.values() if slots.send}
    receive = tuple(sorted({*in_use, slot}))
    own = held[name].send[-1:] if name in held else ()
    if step is Step.SEND_NEW:
        return Slots(receive, tuple(dict.fromkeys((*(one for one in own if one != slot), slot))))
    return Slots(receive, own or (slot,))
