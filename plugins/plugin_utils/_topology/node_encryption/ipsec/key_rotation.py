# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""New keys in three steps, each done on all nodes before the next begins, so that a state exists for every packet.

The kernel sends by the newest state that fits, so neither policies nor clocks are needed. Everything follows
from what the nodes hold, so a run that ended halfway is finished by the next one, and a run after that does nothing.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from ...plan_model.ipsec import Slots

ROTATE_AT_PERCENT = 50
"""The used sequence numbers at which keys are rotated, which leaves time until none are left."""


class Step(IntEnum):
    """A step of a key rotation, completed on all nodes before the next one starts."""

    RECEIVE_NEW = 1
    SEND_NEW = 2
    DROP_OLD = 3
    """When packets under the old keys have arrived."""


def rotation_due(held: Mapping[str, Slots], slot: int) -> bool:
    """Return whether a node has states of another SA slot than the desired one.

    held: the slots of each node that reported states.
    """
    return any({*slots.receive, *slots.send} != {slot} for slots in held.values())


def keys_exhausted(facts: Mapping[str, Any], max_age_days: Mapping[str, int]) -> bool:
    """Return whether a node sends with keys that are too old or have used too many sequence numbers.

    facts: by node, the IPsec part of the fact of overlay_prepare. max_age_days: by node, 0 for no limit.
    """
    return any(
        0 < max_age_days[name] <= _number(fact, "key_age_days")
        or _number(fact, "sequence_percent") >= ROTATE_AT_PERCENT
        for name, fact in facts.items()
    )


def _number(fact: Mapping[str, Any], name: str) -> int:
    found = fact.get(name)
    return found if isinstance(found, int) else 0


def wanted_slot(least: int, held: Mapping[str, Slots], change: bool) -> int:
    """Return the desired SA slot of all nodes: the newest that a node has, or with ``change`` the next one.

    An earlier slot is never used again, because its keys have been used. While nodes have several, after an interrupted run,
    no further rotation starts. least: the minimum in the inventory.
    """
    in_use = {slot for slots in held.values() for slot in (*slots.receive, *slots.send)}
    following = 1 if change and len(in_use) == 1 else 0
    return max(least, max(in_use, default=least) + following)


def slots_of(step: Step, held: Mapping[str, Slots], name: str, slot: int) -> Slots:
    """Return the desired SA slots of a node after a step. held: the slots of the nodes before the first step."""
    if step is Step.DROP_OLD:
        return Slots((slot,), (slot,))
    in_use = {slots.send[-1] for slots in held.values() if slots.send}
    receive = tuple(sorted({*in_use, slot}))
    own = held[name].send[-1:] if name in held else ()
    if step is Step.SEND_NEW:
        return Slots(receive, tuple(dict.fromkeys((*(one for one in own if one != slot), slot))))
    return Slots(receive, own or (slot,))
