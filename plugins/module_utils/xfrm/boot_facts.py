# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a node tells of its IPsec, so that the next document can be planned: epoch, index, slots, what is lost.

This module is private to the collection.
"""

from __future__ import annotations

import itertools
from typing import Any

from ..host.facts import boot_id
from . import boot_files, kernel


def gather() -> dict[str, Any]:
    """Return the facts; no key is among them. Raises OSError, and ValueError for damaged records.

    record: epoch, boot and index of this node, null where it has none. epochs_left: for how many more boots it has
    keys. roster: index and epoch of all nodes, as they were applied last. slots: those of its states. lost: how many
    states it sent by in this epoch are gone, though nobody of us removed them.
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
    }
    if record is not None:
        facts["record"] = {**record._asdict(), "index": remembered.get("index")}
        there = set(boot_files.epochs_there())
        following = itertools.count(record.epoch + 1)
        facts["epochs_left"] = sum(1 for _epoch in itertools.takewhile(there.__contains__, following))
        # What was made in an earlier boot is gone by right.
        if record.boot_id == boot:
            facts["lost"] = len(_lost((remembered.get("sends") or {}).get(str(record.epoch)) or []))
    return facts


def _lost(sends: list[str]) -> set[str]:
    if not sends:
        return set()
    with kernel.open_connection() as connection:
        return set(sends) - {boot_files.place_of(state) for state in kernel.read_states(connection)}
