# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""WireGuard devices of a userspace implementation (wireguard-go), over its UNIX socket.

The protocol is the cross-platform userspace configuration protocol: lines of key=value, keys in hexadecimal, an
answer that ends with errno=N and an empty line (https://www.wireguard.com/xplatform/).

This module is private to the collection.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence

from .._ip.prefix import Prefix
from .endpoint import Endpoint
from .keys import ZERO, public_key
from .model import Device, Peer, PeerChange, Settings
from .uapi_socket import connect, is_running

PROGRAM = "wireguard-go"

# The end of a complete answer.
_ANSWER_END = re.compile(r"(?:\A|\n)errno=(-?[0-9]{1,9})\n\n\Z")

_START_SECONDS = 10.0
_STOP_SECONDS = 10.0


class UserspaceError(OSError):
    """The userspace implementation refused a request, did not start, or sent an incomplete answer."""


def installed() -> str | None:
    """Return the path of wireguard-go, None if it is not installed."""
    return shutil.which(PROGRAM)


def start(name: str) -> None:
    """Start wireguard-go for an interface and return when its socket answers. Raises UserspaceError.

    All three standard streams go to /dev/null: with LOG_LEVEL set the daemon would keep its caller's pipes open for
    ever. It runs in a session of its own, so that it outlives the task that started it.
    """
    program = installed()
    if program is None:
        raise UserspaceError(errno.ENOENT, "wireguard-go is not installed")
    environment = {key: value for key, value in os.environ.items() if key != "LOG_LEVEL"}
    process = subprocess.Popen(
        [program, name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd="/",
        start_new_session=True,
    )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        # The program forks a daemon and returns 0 when the daemon listens.
        try:
            code = process.wait(timeout=max(deadline - time.monotonic(), 0.01))
        except subprocess.TimeoutExpired:
            break
        if code == 0 and is_running(name):
            # The socket accepts connections before the device and its MTU are set up: wait for an answer.
            _exchange(name, "get=1\n")
            return
        raise UserspaceError(errno.EIO, f"wireguard-go could not serve {name} (exit status {code})")
    process.kill()
    process.wait()
    raise UserspaceError(errno.ETIMEDOUT, f"wireguard-go did not serve {name} within {_START_SECONDS:.0f} seconds")


def wait_until_gone(name: str) -> None:
    """Wait until no process serves the interface. The process exits when its interface is removed.

    Until then no other can be started for an interface of this name. Raises UserspaceError where it goes on.
    """
    deadline = time.monotonic() + _STOP_SECONDS
    while is_running(name):
        if time.monotonic() > deadline:
            raise UserspaceError(errno.ETIMEDOUT, f"the process of {name} still runs after {_STOP_SECONDS:.0f} s")
        time.sleep(0.01)


class Userspace:
    """Backend for interfaces that a userspace process serves."""

    def read(self, name: str) -> Device | None:
        """Return the device, None where no process serves an interface of this name."""
        try:
            lines = _exchange(name, "get=1\n")
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        try:
            return decode_device(name, lines)
        except (ValueError, IndexError):
            text = "the userspace WireGuard process answered what its protocol does not know"
            raise UserspaceError(errno.EPROTO, text) from None

    def write(self, name: str, settings: Settings, changes: Sequence[PeerChange]) -> int:
        """Send all changes in one request."""
        _exchange(name, encode_set(settings, changes))
        return 1


def _exchange(name: str, request: str) -> list[tuple[str, str]]:
    """Send a request, return the answer's (key, value) lines. Raises UserspaceError."""
    with connect(name) as link:
        link.sendall(request.encode() + b"\n")
        parts: list[bytes] = []
        # The answer ends with an empty line; the connection stays open for another request.
        while not (parts and (parts[-1].endswith(b"\n\n") or b"".join(parts[-2:]).endswith(b"\n\n"))):
            part = link.recv(1 << 18)
            if not part:
                break
            parts.append(part)
    return _answer(b"".join(parts).decode(errors="replace"))


def _answer(text: str) -> list[tuple[str, str]]:
    end = _ANSWER_END.search(text)
    if end is None:
        raise UserspaceError(errno.EPROTO, "the userspace WireGuard process sent an incomplete answer")
    code = abs(int(end[1]))
    if code:
        raise UserspaceError(code, os.strerror(code))
    return [line.partition("=")[::2] for line in text[: end.start()].split("\n") if line]


def encode_set(settings: Settings, changes: Sequence[PeerChange]) -> str:
    """Return the set request: the device's settings, then each peer."""
    lines = ["set=1"]
    if settings.private_key is not None:
        lines.append("private_key=" + settings.private_key.hex())
    if settings.listen_port is not None:
        lines.append(f"listen_port={settings.listen_port}")
    if settings.fwmark is not None:
        lines.append(f"fwmark={settings.fwmark}")
    for change in changes:
        lines.extend(_peer_lines(change))
    return "\n".join(lines) + "\n"


def _peer_lines(change: PeerChange) -> Iterator[str]:
    yield "public_key=" + change.public_key.hex()
    if change.remove:
        yield "remove=true"
        return
    if change.update_only:
        yield "update_only=true"
    if change.preshared_key is not None:
        yield "preshared_key=" + change.preshared_key.hex()
    if change.endpoint is not None:
        yield "endpoint=" + str(change.endpoint)
    if change.persistent_keepalive is not None:
        yield f"persistent_keepalive_interval={change.persistent_keepalive}"
    if change.replace_allowed_ips:
        yield "replace_allowed_ips=true"
    for prefix in change.allowed_ips:
        yield "allowed_ip=" + str(prefix)


def decode_device(name: str, lines: Sequence[tuple[str, str]]) -> Device:
    """Return the device that a get answer describes; its public key is derived, because the protocol does not carry it.

    Raises ValueError, IndexError or OSError for what is no such answer.
    """
    own: dict[str, str] = {}
    peers: list[dict[str, str]] = []
    prefixes: list[list[Prefix]] = []
    fields = own
    for key, value in lines:
        if key == "allowed_ip":
            prefixes[-1].append(_decode_prefix(value))
            continue
        if key == "public_key":
            fields = {}
            peers.append(fields)
            prefixes.append([])
        fields[key] = value
    private_key = bytes.fromhex(own.get("private_key", "")) or ZERO
    settings = Settings(private_key, int(own.get("listen_port", 0)), int(own.get("fwmark", 0)))
    return Device(
        name,
        settings,
        public_key(private_key) if private_key != ZERO else ZERO,
        tuple(_decode_peer(peer, allowed) for peer, allowed in zip(peers, prefixes)),
    )


def _decode_peer(fields: dict[str, str], allowed_ips: list[Prefix]) -> Peer:
    endpoint = fields.get("endpoint")
    return Peer(
        bytes.fromhex(fields["public_key"]),
        bytes.fromhex(fields.get("preshared_key", "")) or ZERO,
        _decode_endpoint(endpoint) if endpoint else None,
        int(fields.get("persistent_keepalive_interval", 0)),
        frozenset(allowed_ips),
        int(fields.get("last_handshake_time_sec", 0)),
        int(fields.get("rx_bytes", 0)),
        int(fields.get("tx_bytes", 0)),
    )


def _decode_endpoint(text: str) -> Endpoint:
    host, _colon, port = text.rpartition(":")
    return Endpoint(host.strip("[]"), int(port))


def _decode_prefix(text: str) -> Prefix:
    host, _slash, length = text.partition("/")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return Prefix(int(family), socket.inet_pton(family, host), int(length))
