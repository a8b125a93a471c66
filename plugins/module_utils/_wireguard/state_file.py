# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The state file of an interface: what a host stores about its tunnel between runs. Nothing in it is secret.

It holds what the kernel does not: the inventory host of each peer, so that any host can restore the facts of the
others; the endpoint that was configured last, so that roaming differs from a change in the inventory; revoked keys;
and notes of the planner for its next run.

This module is private to the collection.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from .._host import files

DIRECTORY = "/var/lib/wirewright.overlay"
_VERSION = 1
_ALWAYS, _OPTIONAL = ("name", "addresses", "endpoint"), ("endpoint_family", "endpoint_address")


@dataclass(frozen=True)
class KnownPeer:
    """A peer as configured last: inventory name ("" outside of the inventory), addresses, endpoint text or "".

    Of an endpoint with a name: the only family that its address may have, "" for both, and then the address that was set.
    """

    name: str = ""
    addresses: tuple[str, ...] = ()
    endpoint: str = ""
    endpoint_family: str = ""
    endpoint_address: str = ""


@dataclass(frozen=True)
class StateFile:
    """The content of one file. Peers and revoked keys are by public key in base64. Notes belong to the planner."""

    inventory_name: str = ""
    public_key: str = ""
    addresses: tuple[str, ...] = ()
    peers: Mapping[str, KnownPeer] = field(default_factory=dict)
    revoked: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


class CorruptStateFile(ValueError):
    """A state file that does not parse, or has an unknown version."""

    def __init__(self, path: str, remedy: str = "remove it, and the next run writes a new one") -> None:
        super().__init__(f"{path} is damaged: {remedy}")


def path_of(interface: str) -> str:
    """Return the path of an interface's state file."""
    return os.path.join(DIRECTORY, interface + ".json")


def interfaces() -> list[str]:
    """Return the names of the interfaces that have a state file, sorted. Raises UnsafeFile."""
    files.refuse_unsafe_directories(path_of("any"))
    try:
        names = os.listdir(DIRECTORY)
    except FileNotFoundError:
        return []
    return sorted(name[: -len(".json")] for name in names if name.endswith(".json"))


def load(interface: str) -> StateFile:
    """Return an interface's state; an empty one without a file. Raises CorruptStateFile and UnsafeFile."""
    path = path_of(interface)
    try:
        text = files.read_text(path)
        return StateFile() if text is None else parse(text)
    except files.UnsafeFile:
        raise
    except (ValueError, TypeError, AttributeError, KeyError):
        raise CorruptStateFile(path) from None


def parse(text: str) -> StateFile:
    """Return the state in a file's text. Raises ValueError, TypeError, AttributeError or KeyError."""
    stored = json.loads(text)
    if stored["version"] != _VERSION:
        raise ValueError("unknown version")
    return StateFile(
        stored["inventory_name"],
        stored["public_key"],
        tuple(stored["addresses"]),
        {
            key: KnownPeer(
                peer["name"], tuple(peer["addresses"]), peer["endpoint"], *(peer.get(name, "") for name in _OPTIONAL)
            )
            for key, peer in stored["peers"].items()
        },
        dict(stored["revoked"]),
        dict(stored.get("notes", {})),
    )


def dump(state: StateFile) -> str:
    """Return the file's text: sorted, one peer per line, so that it diffs well."""
    peers = [
        f"    {json.dumps(key)}: "
        + json.dumps({name: value for name, value in vars(p).items() if value or name in _ALWAYS})
        for key, p in sorted(state.peers.items(), key=lambda item: (item[1].name, item[0]))
    ]
    # Left out where there are none, so that files without notes do not change.
    notes = f'  "notes": {json.dumps(dict(sorted(state.notes.items())))},\n' if state.notes else ""
    return (
        "{\n"
        f'  "version": {_VERSION},\n'
        f'  "inventory_name": {json.dumps(state.inventory_name)},\n'
        f'  "public_key": {json.dumps(state.public_key)},\n'
        f'  "addresses": {json.dumps(state.addresses)},\n' + notes + '  "peers": {\n' + ",\n".join(peers) + "\n  },\n"
        f'  "revoked": {json.dumps(dict(sorted(state.revoked.items())))}\n'
        "}\n"
    )
