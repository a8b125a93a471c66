# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The IPsec facts of a node from which the next document is planned: epoch, index, slots, lost states.

This module is private to the collection.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection, Iterable
from typing import Any

from .._host.facts import boot_id
from . import boot_files, kernel
from .model import FLAG_ESN, State

_SECONDS_A_DAY = 86400


def gather() -> dict[str, Any]:
    """Return the facts, without keys. Raises OSError, and ValueError for damaged records.

    record: epoch, boot and index of this node, or null. epochs_left: number of further boots with keys. nodes: index and
    epoch of all nodes, as last applied. slots: those of its states. hosts, ports: nodes with host encryption and the ports
    that are exempt from it, null if unknown. lost: number of its sending states of this epoch that
    are gone and were not removed by this collection. key_age_days, sequence_percent: the age of the oldest existing one,
    and the largest share of used sequence numbers.
    """
    record, stored = boot_files.read_record(), boot_files.read_nodes()
    boot = boot_id()
    facts: dict[str, Any] = {
        "boot_id": boot,
        "record": None,
        "epochs_left": 0,
        "nodes": stored.get("nodes") or {},
        "slots": stored.get("slots") or {},
        "hosts": stored.get("hosts"),
        "ports": stored.get("ports"),
        "lost": 0,
        "key_age_days": 0,
        "sequence_percent": 0,
    }
    if record is not None:
        facts["record"] = {**record._asdict(), "index": stored.get("index")}
        there = set(boot_files.epochs_there())
        following = itertools.count(record.epoch + 1)
        facts["epochs_left"] = sum(1 for _epoch in itertools.takewhile(there.__contains__, following))
        # States of an earlier boot are not lost.
        if record.boot_id == boot:
            sends = set((stored.get("sends") or {}).get(str(record.epoch)) or ())
            facts.update(_facts_of_states(sends) if sends else {})
    return facts


def _facts_of_states(sends: Collection[str]) -> dict[str, int]:
    with kernel.open_connection() as connection:
        found = {boot_files.place_of(state): state for state in kernel.read_states(connection)}
    used = [found[place] for place in sends if place in found]
    return {"lost": len(sends) - len(used), **wear(used, time.time())}


def wear(sending: Iterable[State], now: float) -> dict[str, int]:
    """Return the age of the oldest state in whole days, and the largest percentage of used sequence numbers.

    now: seconds since 1970. Without ESN there are 2**32 numbers, after which the kernel sends nothing more (RFC 4303
    section 3.3.3); with it there are 2**64.
    """
    states = list(sending)
    ages = (now - state.added for state in states if state.added)
    shares = (state.sequence[0] * 100 // (2**64 if state.flags & FLAG_ESN else 2**32) for state in states)
    return {
        "key_age_days": max(0, int(max(ages, default=0)) // _SECONDS_A_DAY),
        "sequence_percent": max(shares, default=0),
    }
