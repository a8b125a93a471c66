# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The files from which a node restores IPsec at boot, readable by root only.

`drop.batch` has the policies, `receive.batch` the states for receiving, and `send-EPOCH.batch` the states for sending,
one file for each of the next boots. A boot increments the number in `epoch`, loads the file of that number, and deletes
it: no key is used in two boots. `epoch` also has the boot ID of that number.

This module is private to the collection.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from .._host import files
from .._host.files import HEADER, BootFile
from .ip_batch import add_state, set_policy
from .model import Policy, State

DIRECTORY = "/etc/wirewright.overlay/ipsec"
NODES = "/var/lib/wirewright.overlay/ipsec/nodes.json"
EPOCH, DROP, RECEIVE = (f"{DIRECTORY}/{name}" for name in ("epoch", "drop.batch", "receive.batch"))
_SEND = re.compile(r"send-(\d+)\.batch")
_PRIVATE = 0o600
# What the files without our first line contain.
_RECORD, _NODES = re.compile(r"\d+ \S+\s*"), re.compile(r'\{\s.*"nodes".*\}\n', re.DOTALL)


class Record(NamedTuple):
    """The epoch of a node, and the boot ID that it belongs to."""

    epoch: int
    boot_id: str


class Ahead(NamedTuple):
    """What is written for the next boots: the record, the sending states of each epoch, and the stored node list."""

    record: Record
    sending: Mapping[int, Sequence[State]]
    node_list: Mapping[str, Any]


class WantedBoot(NamedTuple):
    """The desired boot files; none at all where ``present`` is false. ``sending`` has the states of each later epoch.

    ``outside`` has the names of nodes by address that the run does not change.
    """

    present: bool = False
    epoch: int = 0
    sending: Mapping[int, Sequence[State]] = {}
    node_list: Mapping[str, Any] = {}
    outside: Mapping[str, str] = {}


def place_of(state: State) -> str:
    """Return the text that records a state for sending."""
    return f"{state.destination} {state.spi:#010x}"


def send_path(epoch: int) -> str:
    """Return the path of the sending states of an epoch."""
    return f"{DIRECTORY}/send-{epoch}.batch"


def wanted(ahead: Ahead, policies: Sequence[Policy], receiving: Sequence[State]) -> list[BootFile]:
    """Return the files. Raises ValueError for states and policies that ip_batch cannot express."""
    batches = {
        DROP: [set_policy(policy) for policy in policies],
        RECEIVE: [add_state(state) for state in receiving],
        **{send_path(epoch): [add_state(state) for state in states] for epoch, states in ahead.sending.items()},
    }
    found = [
        BootFile(path, "\n".join([HEADER, *lines, ""]), _PRIVATE, secret=path != DROP)
        for path, lines in batches.items()
    ]
    found.append(BootFile(EPOCH, f"{ahead.record.epoch} {ahead.record.boot_id}\n", _PRIVATE, ours_by_path=True))
    nodes = json.dumps(ahead.node_list, indent=1, sort_keys=True) + "\n"
    return [*found, BootFile(NODES, nodes, _PRIVATE, ours_by_path=True)]


def current() -> list[BootFile]:
    """Return the existing files. Raises ForeignFile for an unmanaged one."""
    paths = [EPOCH, DROP, RECEIVE, NODES, *(send_path(epoch) for epoch in epochs_there())]
    found, forms = [], {EPOCH: _RECORD, NODES: _NODES}
    for path in paths:
        form = forms.get(path)
        file = files.read(path, secret=form is None and path != DROP)
        if file is not None and form is not None and form.fullmatch(file.content):
            file = replace(file, ours_by_path=True)
        files.refuse_foreign(file)
        found += [file] if file is not None else []
    return found


def epochs_there() -> list[int]:
    """Return the epochs that have files. Raises UnsafeFile."""
    files.refuse_unsafe_directories(EPOCH)
    try:
        names = os.listdir(DIRECTORY)
    except FileNotFoundError:
        return []
    return sorted(int(match.group(1)) for match in map(_SEND.fullmatch, names) if match)


def read_record() -> Record | None:
    """Return the record or None. Raises ValueError for a damaged one."""
    try:
        text = files.read_text(EPOCH)
        if text is None:
            return None
        epoch, boot_id = text.split()
        return Record(int(epoch), boot_id)
    except files.UnsafeFile:
        raise
    except ValueError:
        raise ValueError(f"{EPOCH} is damaged; write the number of the last epoch and a dash into it") from None


def read_nodes() -> dict[str, Any]:
    """Return the stored node list, empty without a file. Raises ValueError for a damaged one."""
    text = files.read_text(NODES)
    found = {} if text is None else json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"{NODES} is damaged; move it away")
    return found
