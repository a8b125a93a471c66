# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A STUN server that records its requests: a program without code of the collection, and how to run it.

As a program it gets the description of a server as JSON, and prints `ready`, and then a line for each request.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nat import Node

COOKIE = bytes.fromhex("2112a442")
PORTS = (3478, 3479)


@dataclass(frozen=True)
class Seen:
    """A request: source, destination, and its CHANGE-REQUEST flags."""

    source: tuple[str, int]
    destination: tuple[str, int]
    change: int


@contextmanager
def stun_server(node: Node, *addresses: str, ports: Sequence[int] = PORTS, mode: str = "plain") -> Iterator[list[Seen]]:
    """Run a server in a node; its requests are available when the context is left.

    Modes: `plain` answers, and refuses CHANGE-REQUEST; `discovery` has the two addresses and ports of RFC 5780;
    `dead_other` claims so, without a server at the other address; `stubborn` claims so, and answers CHANGE-REQUEST from the
    queried address; `old` implements RFC 3489; `garbage` answers with invalid messages; `silent` does not answer.
    """
    argv = (sys.executable, str(Path(__file__)), json.dumps({"addresses": addresses, "ports": ports, "mode": mode}))
    seen: list[Seen] = []
    with node.start(*argv, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield seen
        finally:
            process.terminate()
            lines = process.stdout.read().splitlines() if process.stdout else []
            for line in lines:
                source, destination, change = json.loads(line)
                seen.append(Seen((source[0], source[1]), (destination[0], destination[1]), change))


def serve(addresses: Sequence[str], ports: Sequence[int], mode: str) -> None:
    """Answer requests until the process is killed."""
    sockets: dict[tuple[int, int], socket.socket] = {}
    for row, address in enumerate(addresses):
        for column, port in enumerate(ports):
            if mode == "dead_other" and (row, column) != (0, 0):
                continue
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sockets[row, column] = socket.socket(family, socket.SOCK_DGRAM)
            sockets[row, column].bind((address, port))
    print("ready", flush=True)
    places = {link: place for place, link in sockets.items()}
    while True:
        for link in select.select(list(places), [], [])[0]:
            row, column = places[link]
            data, source = link.recvfrom(2048)
            change = struct.unpack("!I", data[24:28])[0] if data[20:22] == b"\0\3" else 0
            print(json.dumps([source[:2], (addresses[row], ports[column]), change]), flush=True)
            if mode == "silent" or (mode == "dead_other" and change):
                continue
            other = (addresses[row ^ 1], ports[column ^ 1]) if len(addresses) > 1 and mode != "plain" else None
            by = sockets[row ^ bool(change & 4), column ^ bool(change & 2)] if mode in ("discovery", "old") else link
            by.sendto(answer(data[8:20], source, other, change, mode), source)


def answer(transaction: bytes, source: Any, other: tuple[str, int] | None, change: int, mode: str) -> bytes:
    """Return the message that a server of this mode answers."""
    if mode == "garbage":
        return b"\1\1\0\10" + COOKIE + transaction + bytes.fromhex("00200400 ffffffff")
    if change and mode == "plain":
        error = b"\0\0\4\24Unknown Attribute"
        body = attribute(0x0009, error) + attribute(0x000A, b"\0\3")
        return struct.pack("!HH", 0x0111, len(body)) + COOKIE + transaction + body
    if mode == "old":
        body = attribute(0x0001, address_value(source))
        body += attribute(0x0005, address_value(other)) if other else b""
    else:
        plain = address_value(source)
        port = bytes(a ^ b for a, b in zip(plain[2:4], COOKIE[:2]))
        host = bytes(a ^ b for a, b in zip(plain[4:], COOKIE + transaction))
        body = attribute(0x8022, b"tests") + attribute(0x0020, plain[:2] + port + host)
        body += attribute(0x802C, address_value(other)) if other else b""
    return struct.pack("!HH", 0x0101, len(body)) + COOKIE + transaction + body


def address_value(address: Any) -> bytes:
    """Return the value of MAPPED-ADDRESS."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    kind = 2 if family == socket.AF_INET6 else 1
    return struct.pack("!BBH", 0, kind, address[1]) + socket.inet_pton(family, address[0])


def attribute(kind: int, value: bytes) -> bytes:
    """Return an attribute with its padding."""
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    serve(wanted["addresses"], wanted["ports"], wanted["mode"])
