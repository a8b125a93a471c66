# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a node tells of its IPsec, so that the next document can be planned: epoch, index, slots, what is lost.

This module is private to the collection.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection, Iterable
from typing import Any

from ..host.facts import boot_id
from . import boot_files, kernel
from .values import FLAG_ESN, State

_SECONDS_A_DAY = 86400


def gather() -> dict[str, Any]:
    """Return the facts; no key is among them. Raises OSError, and ValueError for damaged records.

    record: epoch, boot and index of this node, null where it has none. epochs_left: for how many more boots it has
    keys. roster: index and epoch of all nodes, as they were applied last. slots: those of its states. lost: how many
    states it sent by in this epoch are gone, though nobody of us removed them. key_age_days, sequence_percent: of those
    that are there, the age of the oldest, and how much of its sequence numbers the one that has sent most has used.
    """
    record, remembered = boot_files.read_record(), boot_files.read_roster()
    boot = boot_id()
    facts: dict[str, Any] = {
        "boot_id": boot,
        "record": None,
        "epochs_left": 0,
        "roster": remembered.get("roster") or {},
        "slots": remembered.get("slots") or {},
        "lost": 0,
        "key_age_days": 0,
        "sequence_percent": 0,
    }
    if record is not None:
        facts["record"] = {**record._asdict(), "index": remembered.get("index")}
        there = set(boot_files.epochs_there())
        following = itertools.count(record.epoch + 1)
        facts["epochs_left"] = sum(1 for _epoch in itertools.takewhile(there.__contains__, following))
        # What was made in an earlier boot is gone by right.
        if record.boot_id == boot:
            sends = set((remembered.get("sends") or {}).get(str(record.epoch)) or ())
            facts.update(_told_by_states(sends) if sends else {})
    return facts


def _told_by_states(sends: Collection[str]) -> dict[str, int]:
    with kernel.open_connection() as connection:
        found = {boot_files.place_of(state): state for state in kernel.read_states(connection)}
    used = [found[place] for place in sends if place in found]
    return {"lost": len(sends) - len(used), **wear(used, time.time())}


def wear(sending: Iterable[State], now: float) -> dict[str, int]:
    """Return the age of the oldest of some states in whole days, and the percentage of sequence numbers used at most.

    now: seconds since 1970. Without ESN there are 2**32 numbers, and behind the last the kernel sends nothing more
    (RFC 4303 section 3.3.3); with it there are 2**64.
    """
    states = list(sending)
    ages = (now - state.added for state in states if state.added)
    shares = (state.sequence[0] * 100 // (2**64 if state.flags & FLAG_ESN else 2**32) for state in states)
    return {
        "key_age_days": max(0, int(max(ages, default=0)) // _SECONDS_A_DAY),
        "sequence_percent": max(shares, default=0),
    }
