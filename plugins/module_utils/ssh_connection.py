# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The SSH connection by which this process was started: what must not be cut, and where the controller is.

This module is private to the collection.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from typing import NamedTuple

_VARIABLE = b"SSH_CONNECTION="
_MAPPED = bytes(10) + b"\xff\xff"  # RFC 4291 section 2.5.5.2
_MOST_ANCESTORS = 32


class SshConnection(NamedTuple):
    """Both ends as this host sees them. Addresses are packed; scope is the interface of a link-local client, or ""."""

    family: int
    client: bytes
    client_port: int
    server: bytes
    server_port: int
    scope: str = ""

    @property
    def client_text(self) -> str:
        """The controller's address, without its scope."""
        return socket.inet_ntop(self.family, self.client)


def parse(text: str) -> SshConnection | None:
    """Return what SSH_CONNECTION says, "client port server port" (sshd(8)); None where it says nothing of use."""
    words = text.split()
    if len(words) != 4 or not words[1].isdecimal() or not words[3].isdecimal():
        return None
    host, _percent, scope = words[0].partition("%")
    family = int(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        client, server = (socket.inet_pton(family, word) for word in (host, words[2].partition("%")[0]))
    except (OSError, ValueError):
        return None
    if client.startswith(_MAPPED) and server.startswith(_MAPPED):
        family, client, server = int(socket.AF_INET), client[12:], server[12:]
    return SshConnection(family, client, int(words[1]), server, int(words[3]), scope)


def find(environment: Mapping[str, str]) -> SshConnection | None:
    """Return the connection that the environment tells of, or that of the nearest ancestor of this process.

    sudo and su take the variable out of the environment of what they run; those they came from still have it.
    """
    told = environment.get("SSH_CONNECTION")
    return parse(_told_to_ancestors(os.getppid()) if told is None else told)


def _told_to_ancestors(process: int) -> str:
    for _generation in range(_MOST_ANCESTORS):
        try:
            with open(f"/proc/{process}/environ", "rb") as file:
                entries = file.read().split(b"\0")
            with open(f"/proc/{process}/status", "rb") as file:
                parent = re.search(rb"^PPid:\s*(\d+)", file.read(), re.MULTILINE)
        except OSError:
            break
        for entry in entries:
            if entry.startswith(_VARIABLE):
                return entry[len(_VARIABLE) :].decode(errors="replace")
        process = int(parent[1]) if parent else 0
        if not process:
            break
    return ""
