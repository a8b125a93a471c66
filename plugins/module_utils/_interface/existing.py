# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""An interface that others made: what runs of it, and what their files say, as one value.

What runs comes first, and files add what does not run. Of an endpoint the configured text counts, because the kernel
knows no names, and holds endpoints that were learned by roaming.

This module is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._ip.prefix import Address, Prefix, parse_address, parse_prefix
from .._wireguard.endpoint import Endpoint, parse_endpoint
from .._wireguard.keys import ZERO, clamp, decode_public_key, encode_key
from .._wireguard.keys import public_key as public_key_of
from .._wireguard.model import Device
from .boot_files import NETWORKD, WG_QUICK
from .configured import ConfiguredInterface, ConfiguredPeer, Finding

DEFAULT_MTU = 1420  # of the kernel
_FIELDS = 6  # of a peer's line; the last one has marks
_MARKS = ("has_preshared_key", "runs", "learned")
_DIGITS = re.compile(r"[0-9]{1,5}")
# Bounds on a fact: peers, and characters of their lines; entries of another list, and characters of a finding.
_PEERS, _PEER_LENGTH, _PEERS_LENGTH = 20000, 100_000, 8_000_000
_ENTRIES, _TEXT_LENGTH = 5000, 500


@dataclass(frozen=True)
class ExistingPeer:
    """A peer. runs: whether the device has it; False for a peer of files only.

    learned: whether the endpoint may have been learned by roaming, because no file has it.
    """

    public_key: bytes
    name: str = ""
    endpoint: Endpoint | None = None
    allowed_ips: frozenset[Prefix] = frozenset()
    persistent_keepalive: int = 0
    preshared_key: bytes = field(default=ZERO, repr=False)
    has_preshared_key: bool = False
    runs: bool = False
    learned: bool = False


@dataclass(frozen=True)
class ExistingInterface:
    """An interface that others made. mtu: None for that of the kernel or of wg-quick. paths: the files of others.

    unread: whether only its existence is known, because nobody asked for more. table: that to which rules of its program lead
    all packets but its own, as for a full tunnel; 0 without such rules. profile: the profile of NetworkManager that makes the
    interface at the next boot, "" without one.
    """

    name: str
    runs: bool = False
    method: str = ""
    public_key: bytes = ZERO
    private_key: bytes = field(default=ZERO, repr=False)
    listen_port: int = 0
    port_is_configured: bool = False
    fwmark: int = 0
    mtu: int | None = None
    addresses: tuple[Address, ...] = ()
    peers: tuple[ExistingPeer, ...] = ()
    routes: bool | None = None
    paths: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    unread: bool = False
    table: int = 0
    profile: str = ""

    @property
    def allowed_ips(self) -> frozenset[Prefix]:
        """The allowed IPs of all peers."""
        return frozenset(prefix for peer in self.peers for prefix in peer.allowed_ips)


def combine(
    name: str,
    device: Device | None,
    addresses: Sequence[Address],
    mtu: int | None,
    configured: Sequence[ConfiguredInterface],
) -> ExistingInterface:
    """Return the running interface and those of files as one. device: None where none runs."""
    settings = device.settings if device else None
    keys = [one.private_key for one in configured if one.private_key]
    running_key = (settings.private_key if settings else None) or ZERO
    own_key = running_key if any(running_key) else clamp(keys[0]) if keys else ZERO
    public = public_key_of(own_key) if any(own_key) else ZERO
    findings = [finding for one in configured for finding in one.findings]
    findings += _other_keys(configured, own_key, public)
    ports = [one.listen_port for one in configured if one.listen_port]
    marks = [one.fwmark for one in configured if one.fwmark]
    sizes = [one.mtu for one in configured if one.mtu]
    if not configured and device is not None and mtu != DEFAULT_MTU and mtu:
        sizes = [mtu]
    found = tuple(dict.fromkeys(address for one in configured for address in one.addresses))
    held = {address.packed for address in addresses}
    return ExistingInterface(
        name=name,
        runs=device is not None,
        method=configured[0].method if configured else "",
        public_key=public,
        private_key=own_key,
        listen_port=(settings.listen_port if settings else None) or (ports[0] if ports else 0),
        port_is_configured=bool(ports) or not configured,
        fwmark=(settings.fwmark if settings else None) or (marks[0] if marks else 0),
        mtu=sizes[0] if sizes else None,
        addresses=(*addresses, *(address for address in found if address.packed not in held)),
        # A device lists its peers in any order.
        peers=tuple(sorted(_peers(device, configured, public), key=lambda peer: peer.public_key)),
        routes=next((one.routes for one in configured if one.routes is not None), None),
        paths=tuple(dict.fromkeys(path for one in configured for path in one.paths)),
        findings=tuple(findings),
        profile=next((one.paths[0] for one in configured if one.connects_itself), ""),
    )


def _other_keys(configured: Iterable[ConfiguredInterface], own_key: bytes, public: bytes) -> list[Finding]:
    """Return the files with another private key than the one that counts: their host would boot with another key."""
    return [
        Finding(
            one.paths[0],
            0,
            f"has the private key of {encode_key(public_key_of(one.private_key))}, and the interface runs with that of "
            f"{encode_key(public)}: write the right one to the file, or restart the interface from the file",
        )
        for one in configured
        if one.private_key and clamp(one.private_key) != own_key
    ]


def _peers(device: Device | None, configured: Sequence[ConfiguredInterface], own: bytes) -> Iterable[ExistingPeer]:
    written: dict[bytes, ConfiguredPeer] = {}
    for one in configured:
        for peer in one.peers:
            written.setdefault(peer.public_key, peer)
    written.pop(own, None)  # the kernel skips it too
    for running in device.peers if device else ():
        learned = running.public_key not in written
        line = written.pop(running.public_key, ConfiguredPeer(running.public_key, endpoint=running.endpoint))
        secret = running.preshared_key or ZERO
        secret = secret if any(secret) else line.preshared_key or ZERO
        yield ExistingPeer(
            running.public_key,
            line.name,
            line.endpoint,
            frozenset(running.allowed_ips or ()) | frozenset(line.allowed_ips),
            running.persistent_keepalive or line.persistent_keepalive,
            secret,
            any(secret),
            True,
            learned and line.endpoint is not None,
        )
    for peer in written.values():
        secret = peer.preshared_key or ZERO
        yield ExistingPeer(
            peer.public_key,
            peer.name,
            peer.endpoint,
            frozenset(peer.allowed_ips),
            peer.persistent_keepalive,
            secret,
            any(secret),
        )


def to_fact(existing: ExistingInterface) -> dict[str, Any]:
    """Return the interface as a fact, without secrets. Peers are lines, because their number is quadratic in a fleet."""
    return {
        "runs": existing.runs,
        "method": existing.method,
        "public_key": encode_key(existing.public_key) if any(existing.public_key) else "",
        "listen_port": existing.listen_port,
        "port_is_configured": existing.port_is_configured,
        "fwmark": existing.fwmark,
        "mtu": existing.mtu,
        "addresses": list(map(str, existing.addresses)),
        "routes": existing.routes,
        "peers": "\n".join(map(_line, existing.peers)),
        "findings": list(map(str, existing.findings)),
        "table": existing.table,
        "profile": existing.profile,
    }


def _line(peer: ExistingPeer) -> str:
    fields = (
        encode_key(peer.public_key),
        peer.name,
        str(peer.endpoint or ""),
        ",".join(map(str, sorted(peer.allowed_ips))),
        str(peer.persistent_keepalive),
        ",".join(mark for mark in _MARKS if getattr(peer, mark)),
    )
    return "\t".join(fields)


def from_fact(name: str, fact: Mapping[str, Any]) -> ExistingInterface:
    """Return the interface of a fact. A fact is hostile input: values of a wrong form are left out."""
    findings = fact.get("findings")
    routes = fact.get("routes")
    return ExistingInterface(
        name=name,
        runs=fact.get("runs") is True,
        method=str(fact["method"]) if fact.get("method") in (WG_QUICK, NETWORKD) else "",
        public_key=next(iter(_each(decode_public_key, [fact.get("public_key")])), ZERO),
        listen_port=_number(fact.get("listen_port"), 0xFFFF),
        port_is_configured=fact.get("port_is_configured") is True,
        fwmark=_number(fact.get("fwmark"), 0xFFFFFFFF),
        mtu=_number(fact.get("mtu"), 0xFFFF) or None,
        addresses=tuple(_each(parse_address, fact.get("addresses"))),
        peers=tuple(_peers_of(fact.get("peers"))),
        routes=routes if isinstance(routes, bool) else None,
        unread=fact.get("unread") is True,
        table=_number(fact.get("table"), 0xFFFFFFFF),
        profile=_path(fact.get("profile")),
        findings=tuple(
            Finding("", 0, text[:_TEXT_LENGTH])
            for text in findings[:_ENTRIES]
            if isinstance(text, str) and text.isprintable()
        )
        if isinstance(findings, list)
        else (),
    )


def _peers_of(value: object) -> Iterable[ExistingPeer]:
    for line in value[:_PEERS_LENGTH].split("\n", _PEERS)[:_PEERS] if isinstance(value, str) else ():
        fields = line.split("\t", _FIELDS)
        if len(fields) != _FIELDS or len(line) > _PEER_LENGTH:
            continue
        key, name, endpoint, allowed, keepalive, marks = fields
        try:
            peer = ExistingPeer(decode_public_key(key))
        except ValueError:
            continue
        (found,) = _each(parse_endpoint, [endpoint]) or [None]
        yield replace(
            peer,
            name=name if name.isprintable() else "",
            endpoint=found,
            allowed_ips=frozenset(_each(parse_prefix, allowed.split(",", _ENTRIES))),
            persistent_keepalive=_number(int(keepalive) if _DIGITS.fullmatch(keepalive) else 0, 0xFFFF),
            has_preshared_key="has_preshared_key" in marks.split(","),
            runs="runs" in marks.split(","),
            learned="learned" in marks.split(","),
        )


def _each(parse: Any, values: object) -> list[Any]:
    found = []
    for value in values[:_ENTRIES] if isinstance(values, (list, tuple)) else ():
        try:
            found.append(parse(value))
        except (ValueError, TypeError, AttributeError):
            continue
    return found


def _path(value: object) -> str:
    return value if isinstance(value, str) and value.isprintable() and len(value) <= _TEXT_LENGTH else ""


def _number(value: object, highest: int) -> int:
    plain = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= highest
    return int(value) if plain else 0  # type: ignore[call-overload]
