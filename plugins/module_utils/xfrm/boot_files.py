# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a node needs to come up with IPsec by itself, as files that only root can read.

`closed.batch` has the policies, `receive.batch` the states for what the others send, and `send-EPOCH.batch` the states
to send by, one file for each of the next boots. A boot raises the number in `epoch`, takes the file of that number, and
deletes it: no key is used in two boots. `epoch` also has the identifier of the boot that the number belongs to.

This module is private to the collection.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..host import files
from ..host.files import HEADER, BootFile
from .iproute2_words import add_state, set_policy
from .values import Policy, State

DIRECTORY = "/etc/wirewright.overlay/ipsec"
ROSTER = "/var/lib/wirewright.overlay/ipsec/roster.json"
EPOCH, CLOSED, RECEIVE = (f"{DIRECTORY}/{name}" for name in ("epoch", "closed.batch", "receive.batch"))
_SEND = re.compile(r"send-(\d+)\.batch")
_PRIVATE = 0o600


class Record(NamedTuple):
    """The epoch of a node, and the boot that it is the epoch of."""

    epoch: int
    boot_id: str


class Ahead(NamedTuple):
    """What is written for the next boots: the record, the states to send by in each epoch, and what is remembered."""

    record: Record
    sending: Mapping[int, Sequence[State]]
    remembered: Mapping[str, Any]


def place_of(state: State) -> str:
    """Return the text by which it is remembered that a node sends by a state."""
    return f"{state.destination} {state.spi:#010x}"


def send_path(epoch: int) -> str:
    """Return where the states are that a node sends by in an epoch."""
    return f"{DIRECTORY}/send-{epoch}.batch"


def wanted(ahead: Ahead, policies: Sequence[Policy], receiving: Sequence[State]) -> list[BootFile]:
    """Return the files. Raises ValueError for states and policies that cannot be written."""
    batches = {
        CLOSED: [set_policy(policy) for policy in policies],
        RECEIVE: [add_state(state) for state in receiving],
        **{send_path(epoch): [add_state(state) for state in states] for epoch, states in ahead.sending.items()},
    }
    found = [
        BootFile(path, "\n".join([HEADER, *lines, ""]), _PRIVATE, secret=path != CLOSED)
        for path, lines in batches.items()
    ]
    found.append(BootFile(EPOCH, f"{ahead.record.epoch} {ahead.record.boot_id}\n", _PRIVATE, ours_by_path=True))
    roster = json.dumps(ahead.remembered, indent=1, sort_keys=True) + "\n"
    return [*found, BootFile(ROSTER, roster, _PRIVATE, ours_by_path=True)]


def current() -> list[BootFile]:
    """Return the files that are there. Raises ForeignFile for one that somebody else wrote."""
    paths = [EPOCH, CLOSED, RECEIVE, ROSTER, *(send_path(epoch) for epoch in epochs_there())]
    found = []
    for path in paths:
        by_path = path in (EPOCH, ROSTER)
        file = files.read(path, ours_by_path=by_path, secret=not by_path and path != CLOSED)
        files.refuse_foreign(file)
        found += [file] if file is not None else []
    return found


def epochs_there() -> list[int]:
    """Return the epochs for which there are files."""
    try:
        names = os.listdir(DIRECTORY)
    except FileNotFoundError:
        return []
    return sorted(int(match.group(1)) for match in map(_SEND.fullmatch, names) if match)


def read_record() -> Record | None:
    """Return the record, None where there is none. Raises ValueError for a damaged one."""
    try:
        with open(EPOCH, encoding="ascii") as file:
            epoch, boot_id = file.read().split()
        return Record(int(epoch), boot_id)
    except FileNotFoundError:
        return None
    except ValueError:
        raise ValueError(f"{EPOCH} is damaged; write the number of the last epoch into it, and a dash") from None


def read_roster() -> dict[str, Any]:
    """Return what is remembered, nothing where there is none. Raises ValueError for a damaged one."""
    try:
        with open(ROSTER, encoding="utf-8") as file:
            found = json.load(file)
    except FileNotFoundError:
        return {}
    if not isinstance(found, dict):
        raise ValueError(f"{ROSTER} is damaged; move it out of the way")
    return found
