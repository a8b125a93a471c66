# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""An interface as configuration files of others describe it: wg-quick(8) files, units of systemd-networkd, profiles of
NetworkManager. Pure.

Peers and values that are wrong, and lines that this collection does not support, are findings and no errors. No finding
quotes a value that may be secret.

This module is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from .._ip.prefix import Address, Prefix, masked, parse_address, parse_prefix
from .._wireguard.endpoint import Endpoint, parse_endpoint
from .._wireguard.keys import decode_key, decode_public_key

T = TypeVar("T")

# Too short for a key: a comment can hold one.
_NAME = re.compile(
    r"(?:(?:friendly_)?name\s*[=:]\s*|(?:client|peer|begin(?:_peer)?)(?:\s*:\s*|\s+))?"
    r"(?!(?:begin|end)(?:_peer)?$)([A-Za-z0-9_][A-Za-z0-9_.@+-]{0,39})(?:\s*\([^()]*\))?",
    re.IGNORECASE,
)
# A line that is a key alone reads as an assignment to most of it.
_PLAIN_WORD = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,30}")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10}")


class Entry(NamedTuple):
    """One assignment of a file: section and key as written, value, and where it is."""

    section: str
    key: str
    value: str
    path: str
    line: int


class Finding(NamedTuple):
    """What of a file is not taken over: where, and why, with the remedy."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.text}" if self.line else f"{self.path}: {self.text}"


@dataclass(frozen=True)
class ConfiguredPeer:
    """A peer of a file. name: that of a comment, "" for none."""

    public_key: bytes
    name: str = ""
    endpoint: Endpoint | None = None
    allowed_ips: tuple[Prefix, ...] = ()
    persistent_keepalive: int = 0
    preshared_key: bytes | None = field(default=None, repr=False)
    preshared_key_file: str = ""


@dataclass(frozen=True)
class ConfiguredInterface:
    """An interface of files; None for what they do not set.

    routes: whether its program adds routes for allowed IPs. method: a persistence method, or that of a profile of NetworkManager.
    paths: its files. connects_itself: whether it is such a profile, and makes the interface at the next boot.
    """

    name: str
    method: str
    paths: tuple[str, ...]
    private_key: bytes | None = field(default=None, repr=False)
    private_key_file: str = ""
    listen_port: int | None = None
    fwmark: int | None = None
    mtu: int | None = None
    addresses: tuple[Address, ...] = ()
    peers: tuple[ConfiguredPeer, ...] = ()
    routes: bool | None = None
    findings: tuple[Finding, ...] = ()
    connects_itself: bool = False


class Values:
    """Converts the values of a file; a wrong one is a finding that names its key only, and counts as not set."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def note(self, entry: Entry, text: str) -> None:
        """Add a finding about an entry, by its key."""
        key = entry.key if _PLAIN_WORD.fullmatch(entry.key) else "a key"
        self.findings.append(Finding(entry.path, entry.line, f"{key} {text}"))

    def read(self, entry: Entry, convert: Callable[[str], T], value: str | None = None) -> T | None:
        """Return the converted value, None with a finding where it is wrong."""
        try:
            return convert(entry.value if value is None else value)
        except ValueError:
            self.note(entry, "has a value that cannot be read: correct it")
            return None

    def each(self, entry: Entry, convert: Callable[[str], T], separator: str = r"[,\s]+") -> list[T]:
        """Return the converted words of a value; none of them if one is wrong, because the others may be of another setting."""
        words = [word for word in re.split(separator, entry.value) if word]
        found = [self.read(entry, convert, word) for word in words]
        return [one for one in found if one is not None] if None not in found else []


def number(text: str) -> int:
    """Return a number in decimal or hexadecimal, 0 for `off`. Raises ValueError."""
    if text.lower() == "off":
        return 0
    if not _NUMBER.fullmatch(text):
        raise ValueError("no number")
    return int(text, 0) if text[:2].lower() == "0x" else int(text)


def up_to(highest: int) -> Callable[[str], int]:
    """Return the converter of a number up to a bound."""

    def convert(text: str) -> int:
        found = number(text)
        if found > highest:
            raise ValueError("too large")
        return found

    return convert


port = up_to(0xFFFF)
mark = up_to(0xFFFFFFFF)


def allowed_ip(text: str) -> Prefix:
    """Return an allowed IP; wg(8) clears host bits. Raises ValueError."""
    if "/" not in text:
        return parse_prefix(text)
    host, _slash, length = text.partition("/")
    whole = parse_prefix(host)
    bits = up_to(whole.length)(length)
    return Prefix(whole.family, masked(whole.packed, bits), bits)


def address(text: str) -> Address:
    """Return an interface address. Raises ValueError."""
    return parse_address(text)


def private_key(text: str) -> bytes:
    """Return a private or preshared key. Raises ValueError, which does not quote it."""
    return decode_key(text)


def peer_name(comments: Iterable[str]) -> str:
    """Return the name in the comments of a peer, "" without one."""
    for comment in comments:
        found = _NAME.fullmatch(comment.strip("#; \t"))
        if found:
            return found[1]
    return ""


def read_peer(
    values: Values,
    found: Mapping[str, Entry],
    comments: Iterable[str],
    allowed: Iterable[Prefix],
    secret_file: str = "",
) -> ConfiguredPeer | None:
    """Return the peer of a section, None where its public key is wrong.

    found: the entries by key in lower case: publickey, endpoint, persistentkeepalive, presharedkey.
    """
    own = values.read(found["publickey"], decode_public_key)
    if own is None:
        return None
    endpoint, keepalive, secret = (found.get(key) for key in ("endpoint", "persistentkeepalive", "presharedkey"))
    return ConfiguredPeer(
        own,
        peer_name(comments),
        values.read(endpoint, parse_endpoint) if endpoint else None,
        unique(allowed),
        (values.read(keepalive, port) or 0) if keepalive else 0,
        values.read(secret, private_key) if secret else None,
        secret_file,
    )


def merged_peers(peers: Iterable[ConfiguredPeer]) -> tuple[ConfiguredPeer, ...]:
    """Return peers once each, in order; of two sections with one key the last counts, as for the kernel."""
    return tuple({peer.public_key: peer for peer in peers}.values())


def unique(values: Iterable[T]) -> tuple[T, ...]:
    """Return values once each, in order."""
    return tuple(dict.fromkeys(values))


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file with their numbers, without line ends and a byte order mark."""
    for position, line in enumerate(text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")):
        yield position + 1, line
