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

from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec import Slots


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
