# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The management connection: the SSH connection that this process was started over, and its packets as a flow.

This module is private to the collection.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from typing import NamedTuple

from .._ip.prefix import Prefix, host_prefix

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


class Flow(NamedTuple):
    """Packets of one direction: of the management connection, or of a tunnel that carries it.

    source, destination: a /32 or /128, or the network that the address is known to be in. A tunnel's source is the
    unspecified address until its route is looked up. Port 0 stands for any. interface: the scope of a link-local
    destination.
    """

    source: Prefix
    destination: Prefix
    source_port: int = 0
    destination_port: int = 0
    interface: str | None = None
    protocol: int = int(socket.IPPROTO_TCP)
    mark: int = 0

    @property
    def family(self) -> int:
        """The address family of the packets."""
        return self.destination.family

    @property
    def to(self) -> str:
        """The destination address as text, without a prefix length."""
        return socket.inet_ntop(self.family, self.destination.packed)

    def reversed(self) -> Flow:
        """Return the flow of the answers."""
        return self._replace(
            source=self.destination,
            destination=self.source,
            source_port=self.destination_port,
            destination_port=self.source_port,
        )


def flow_of(ssh: SshConnection) -> Flow:
    """Return the packets that this host sends over an SSH connection."""
    server, client = host_prefix(ssh.server), host_prefix(ssh.client)
    return Flow(server, client, ssh.server_port, ssh.client_port, ssh.scope or None)


def parse(text: str) -> SshConnection | None:
    """Return the connection in the value of SSH_CONNECTION, "client port server port" (sshd(8)); None for any other."""
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
    """Return the connection in the environment, or in that of the nearest ancestor of this process.

    sudo and su remove the variable from the environment of their command. Their parent processes still have it.
    """
    value = environment.get("SSH_CONNECTION")
    return parse(_value_of_ancestors(os.getppid()) if value is None else value)


def _value_of_ancestors(process: int) -> str:
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
