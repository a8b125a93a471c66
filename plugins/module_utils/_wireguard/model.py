# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""WireGuard devices and peers as values, and plans from current to wanted ones.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from .._engine.reconcile import Operation, by_key, reconcile, replay
from .._ip.prefix import Prefix
from .endpoint import Endpoint
from .keys import ZERO, clamp


@dataclass(frozen=True)
class Peer:
    """A peer of a device, wanted or current.

    In a wanted peer None keeps the current value. A preshared key of 32 zero bytes, a keepalive of 0 and an empty set of
    allowed IPs clear it. An endpoint cannot be cleared, only changed: the kernel has no message for it.
    """

    public_key: bytes
    preshared_key: bytes | None = field(default=None, repr=False)
    endpoint: Endpoint | None = None
    persistent_keepalive: int | None = None
    allowed_ips: frozenset[Prefix] | None = None
    latest_handshake: int = field(default=0, compare=False)  # seconds since the epoch, 0 for never
    rx_bytes: int = field(default=0, compare=False)
    tx_bytes: int = field(default=0, compare=False)

    def key(self) -> bytes:
        """The public key, which identifies the peer."""
        return self.public_key

    def describe(self) -> dict[str, object]:
        """Return the peer without secrets; of a preshared key only whether there is one."""
        return {
            "endpoint": str(self.endpoint) if self.endpoint else "",
            "persistent_keepalive": self.persistent_keepalive or 0,
            "allowed_ips": sorted_texts(self.allowed_ips or ()),
            "preshared_key": "set" if self.preshared_key not in (None, ZERO) else "",
        }


def sorted_texts(prefixes: Iterable[Prefix]) -> list[str]:
    """Return prefixes as text, IPv4 before IPv6, by number."""
    return [str(prefix) for prefix in sorted(prefixes)]


@dataclass(frozen=True)
class Settings:
    """The device's own attributes; None in a wanted one keeps the current value."""

    private_key: bytes | None = field(default=None, repr=False)
    listen_port: int | None = None
    fwmark: int | None = None


@dataclass(frozen=True)
class Device:
    """A device as read from the kernel or from a userspace implementation."""

    name: str
    settings: Settings
    public_key: bytes
    peers: tuple[Peer, ...] = ()


@dataclass(frozen=True)
class PeerChange:
    """One peer's part of a set request: only what differs. None stands for "not sent"."""

    public_key: bytes
    remove: bool = False
    update_only: bool = False
    preshared_key: bytes | None = field(default=None, repr=False)
    endpoint: Endpoint | None = None
    persistent_keepalive: int | None = None
    replace_allowed_ips: bool = False
    allowed_ips: tuple[Prefix, ...] = ()


def settle(before: Peer | None, wanted: Peer) -> Peer:
    """Return the peer after an update: attributes that the wanted one leaves open keep their current values."""
    if (
        before is not None
        and wanted.preshared_key in (None, before.preshared_key)
        and wanted.endpoint in (None, before.endpoint)
        and wanted.persistent_keepalive in (None, before.persistent_keepalive)
        and wanted.allowed_ips in (None, before.allowed_ips)
    ):
        return before
    base = before or Peer(wanted.public_key, ZERO, None, 0, frozenset())
    return Peer(
        wanted.public_key,
        base.preshared_key if wanted.preshared_key is None else wanted.preshared_key,
        base.endpoint if wanted.endpoint is None else wanted.endpoint,
        base.persistent_keepalive if wanted.persistent_keepalive is None else wanted.persistent_keepalive,
        base.allowed_ips if wanted.allowed_ips is None else wanted.allowed_ips,
        base.latest_handshake,
        base.rx_bytes,
        base.tx_bytes,
    )


def change_of(operation: Operation[Peer]) -> PeerChange:
    """Return the smallest change for an operation.

    Added allowed IPs are sent alone. If one is removed, the whole list is sent with the replace flag, because the flag
    that removes a single one needs Linux 6.16.
    """
    before, after = operation.before, operation.after
    if after is None:
        return PeerChange(operation.before.public_key, remove=True)  # type: ignore[union-attr]
    have = (before.allowed_ips if before else None) or frozenset()
    want = after.allowed_ips or frozenset()
    lost = bool(have - want)
    new_key = after.preshared_key != (before.preshared_key if before else ZERO)
    new_endpoint = after.endpoint is not None and (before is None or after.endpoint != before.endpoint)
    new_keepalive = after.persistent_keepalive != (before.persistent_keepalive if before else 0)
    return PeerChange(
        after.public_key,
        update_only=before is not None,
        preshared_key=after.preshared_key if new_key else None,
        endpoint=after.endpoint if new_endpoint else None,
        persistent_keepalive=after.persistent_keepalive if new_keepalive else None,
        replace_allowed_ips=lost,
        allowed_ips=tuple(sorted(want if lost else want - have)),
    )


def changed_settings(current: Settings, wanted: Settings) -> Settings:
    """Return the wanted settings that differ from the current ones.

    A wanted listen port of 0 accepts the port that the kernel chose. Private keys are compared clamped,
    as the kernel stores them.
    """
    key = wanted.private_key
    if key is not None and key != ZERO:
        key = clamp(key)
    return Settings(
        private_key=None if key == current.private_key else key,
        listen_port=None if wanted.listen_port in (0, current.listen_port) else wanted.listen_port,
        fwmark=None if wanted.fwmark == current.fwmark else wanted.fwmark,
    )


def plan_peers(
    current: Iterable[Peer], wanted: Iterable[Peer], *, absent: Iterable[bytes] = (), purge: bool = False
) -> list[Operation[Peer]]:
    """Return the operations on a device's peers; see reconcile() for order and errors.

    An allowed IP belongs to one peer of a device: the kernel moves it silently. A peer that loses one, although no allowed
    IPs are wanted for it, is updated too, so that the plan shows the result.
    """
    current, wanted, absent = list(current), list(wanted), frozenset(absent)
    ours = (lambda _peer: True) if purge else None
    operations = reconcile(current, wanted, absent=absent, purge=ours, settle=settle)
    losing = _losing(replay(current, operations).values(), operations) if operations else []
    if not losing:
        return operations
    desired = {**by_key(wanted), **by_key(losing)}
    return reconcile(current, desired.values(), absent=absent, purge=ours, settle=settle)


def _losing(peers: Iterable[Peer], operations: Iterable[Operation[Peer]]) -> list[Peer]:
    """Return the peers from which operations take allowed IPs for another one, without these."""
    taken: dict[Prefix, bytes] = {}
    for operation in operations:
        before, after = operation.before, operation.after
        if after is not None:
            had = (before.allowed_ips if before else None) or frozenset()
            taken.update(dict.fromkeys((after.allowed_ips or frozenset()) - had, after.public_key))
    losing = []
    for peer in peers:
        held = peer.allowed_ips or frozenset()
        kept = frozenset(prefix for prefix in held if taken.get(prefix, peer.public_key) == peer.public_key)
        if kept != held:
            losing.append(replace(peer, allowed_ips=kept))
    return losing
