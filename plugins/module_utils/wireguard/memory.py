# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a host remembers of its tunnels between runs, in one small file per interface. Nothing in it is secret.

It answers questions that the kernel cannot: which inventory host a peer is, so that any host can restore what
is known of the others; which endpoint was asked for last, so that one learned by roaming is told from a change in
the inventory; which keys were revoked; and what the planner wants to be told again next time.

This module is private to the collection.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

DIRECTORY = "/var/lib/wirewright.overlay"
_VERSION = 1


@dataclass(frozen=True)
class RememberedPeer:
    """A peer as last wanted: inventory name ("" for one outside the inventory), addresses, endpoint text or ""."""

    name: str = ""
    addresses: tuple[str, ...] = ()
    endpoint: str = ""


@dataclass(frozen=True)
class Memory:
    """What one interface's file holds. Peers and revoked keys go by public key in base64; notes are the planner's."""

    inventory_name: str = ""
    public_key: str = ""
    addresses: tuple[str, ...] = ()
    peers: Mapping[str, RememberedPeer] = field(default_factory=dict)
    revoked: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


class UnreadableMemory(ValueError):
    """The file is not one of ours, or was damaged."""

    def __init__(self, path: str, cure: str = "remove it, and the next run writes it anew") -> None:
        super().__init__(f"{path} is damaged: {cure}")


def path_of(interface: str) -> str:
    """Return where the memory of an interface lies."""
    return os.path.join(DIRECTORY, interface + ".json")


def interfaces() -> list[str]:
    """Return the names of the interfaces that have a memory."""
    try:
        names = os.listdir(DIRECTORY)
    except FileNotFoundError:
        return []
    return sorted(name[: -len(".json")] for name in names if name.endswith(".json"))


def load(interface: str) -> Memory:
    """Return an interface's memory; an empty one where there is no file. Raises UnreadableMemory."""
    path = path_of(interface)
    try:
        with open(path, encoding="utf-8") as file:
            return parse(file.read())
    except FileNotFoundError:
        return Memory()
    except (ValueError, TypeError, AttributeError, KeyError):
        raise UnreadableMemory(path) from None


def parse(text: str) -> Memory:
    """Return the memory in a file's text. Raises ValueError, TypeError, AttributeError or KeyError."""
    stored = json.loads(text)
    if stored["version"] != _VERSION:
        raise ValueError("unknown version")
    return Memory(
        stored["inventory_name"],
        stored["public_key"],
        tuple(stored["addresses"]),
        {
            key: RememberedPeer(peer["name"], tuple(peer["addresses"]), peer["endpoint"])
            for key, peer in stored["peers"].items()
        },
        dict(stored["revoked"]),
        dict(stored.get("notes", {})),
    )


def dump(memory: Memory) -> str:
    """Return the file's text: sorted, one peer a line, so that it reads and compares well."""
    peers = [
        f"    {json.dumps(key)}: " + json.dumps({"name": p.name, "addresses": p.addresses, "endpoint": p.endpoint})
        for key, p in sorted(memory.peers.items(), key=lambda item: (item[1].name, item[0]))
    ]
    # Only where there are any, so that a file without them stays what it was.
    notes = f'  "notes": {json.dumps(dict(sorted(memory.notes.items())))},\n' if memory.notes else ""
    return (
        "{\n"
        f'  "version": {_VERSION},\n'
        f'  "inventory_name": {json.dumps(memory.inventory_name)},\n'
        f'  "public_key": {json.dumps(memory.public_key)},\n'
        f'  "addresses": {json.dumps(memory.addresses)},\n' + notes + '  "peers": {\n' + ",\n".join(peers) + "\n  },\n"
        f'  "revoked": {json.dumps(dict(sorted(memory.revoked.items())))}\n'
        "}\n"
    )
