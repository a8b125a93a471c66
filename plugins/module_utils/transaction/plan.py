# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""From what an interface is and what it shall be to the operations between: pure, and the same for check mode.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..fib.routes import PROTOCOL, Route, route
from ..fib.routes import plan as plan_routes
from ..host import threaded_napi
from ..host.addresses import InterfaceAddress
from ..host.addresses import plan as plan_addresses
from ..host.files import BootFile
from ..host.files import settle as settle_file
from ..host.links import OWNER_ALIAS, TUN, WIREGUARD, Link
from ..host.sysctls import Sysctl
from ..prefix import Prefix
from ..reconcile import DELETE, Operation, counts, reconcile, replay, summary
from ..refusal import Refused
from ..wireguard import memory as memories
from ..wireguard.endpoint import Endpoint
from ..wireguard.keys import ZERO, encode_key, public_key
from ..wireguard.memory import Memory, RememberedPeer
from ..wireguard.model import Device, Peer, Settings, changed_settings, plan_peers
from . import boot_files
from .desired import WantedInterface, WantedPeer

# Losing more than this many peers at once, and more than this share of all, is taken for a mistake.
_MASS_REMOVAL_COUNT, _MASS_REMOVAL_SHARE = 3, 0.3


@dataclass(frozen=True)
class Current:
    """All that is there of an interface."""

    link: Link | None = None
    device: Device | None = None
    addresses: tuple[InterfaceAddress, ...] = ()
    routes: tuple[Route, ...] = ()
    sysctls: tuple[Sysctl, ...] = ()
    files: tuple[BootFile, ...] = ()
    memory: Memory = field(default_factory=Memory)


@dataclass(frozen=True)
class Plan:
    """The operations on one interface, by kind, in the order in which they are safe."""

    name: str
    link: tuple[Operation[Link], ...] = ()
    settings: Settings = field(default_factory=Settings)
    peers: tuple[Operation[Peer], ...] = ()
    addresses: tuple[Operation[InterfaceAddress], ...] = ()
    routes: tuple[Operation[Route], ...] = ()
    sysctls: tuple[Operation[Sysctl], ...] = ()
    files: tuple[Operation[BootFile], ...] = ()
    own_key: bytes = field(default=ZERO, repr=False)
    device_before: Device | None = None

    def __bool__(self) -> bool:
        return bool(
            self.link
            or self.settings != Settings()
            or self.peers
            or self.addresses
            or self.routes
            or self.sysctls
            or self.files
        )

    def differences(self) -> list[str]:
        """Name what is to be done, for a message: kind and action, never a value that could be secret."""
        parts = [f"interface {operation.action}{_link_difference(operation)}" for operation in self.link]
        parts += [name for name, value in _named_settings(self.settings) if value is not None]
        for kind in ("peers", "addresses", "routes", "sysctls", "files"):
            operations = getattr(self, kind)
            if operations:
                parts.append(f"{kind} {summary(operations)}")
        return parts

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many objects of each kind are created, updated and deleted."""
        return {kind: counts(getattr(self, kind)) for kind in ("peers", "addresses", "routes", "files")}


def plan(
    current: Current,
    wanted: WantedInterface,
    private_key: bytes | None,
    *,
    systemd: bool = False,
    resolved: Mapping[Endpoint, Endpoint | None] | None = None,
) -> Plan:
    """Return the operations after which the interface is as wanted.

    ``private_key`` is what the wanted key file holds, None where no key is managed. ``resolved`` says which address a
    name in an endpoint stands for, None for one that does not resolve: its peer is then made without an endpoint.
    Raises Refused, and DuplicateKey for what validation did not see.
    """
    if not wanted.present:
        return _removal(current, wanted)
    _refuse_foreign_link(current, wanted)
    device = current.device or Device(wanted.name, Settings(ZERO, 0, 0), ZERO)
    own_key = public_key(private_key) if private_key else device.public_key
    peers = _plan_peers(device, current.memory, wanted, own_key, resolved or {})
    peers_after: dict[bytes, Peer] = replay(device.peers, peers)  # type: ignore[assignment]
    link_after = _link(current.link, wanted, has_peers=bool(peers_after))
    addresses: list[Operation[InterfaceAddress]] = []
    if wanted.addresses is not None:
        addresses = plan_addresses(current.addresses, wanted.addresses)
    address_state: dict[Any, InterfaceAddress] = replay(current.addresses, addresses)
    routes: list[Operation[Route]] = []
    route_state: list[Prefix] = []
    if wanted.routes and link_after.up:
        networks = {entry.address.network for entry in address_state.values()}
        unrouted = {item.peer.public_key for item in wanted.peers or () if not item.routed}
        route_state = routed_prefixes(
            (peer for key, peer in peers_after.items() if key not in unrouted),
            networks,
        )
        routes = plan_routes(
            current.routes, [route(prefix, wanted.name, wanted.route_metric) for prefix in route_state]
        )
    elif wanted.owns and wanted.peers is not None:
        routes = plan_routes(current.routes, [])
    sysctls = reconcile(current.sysctls, wanted.sysctls)
    settings = changed_settings(device.settings, Settings(private_key, wanted.listen_port, wanted.fwmark))
    files: list[Operation[BootFile]] = []
    if wanted.remembers:
        memory = _remember(current.memory, wanted, own_key, peers_after, resolved or {})
        boot = boot_files.BootInterface(
            name=wanted.name,
            private_key_file=wanted.private_key_file or "",
            listen_port=wanted.listen_port or 0,
            fwmark=wanted.fwmark or 0,
            mtu=wanted.mtu,
            addresses=tuple(entry.address for entry in address_state.values()),
            routes=tuple(route_state),
            route_protocol=PROTOCOL,
            route_metric=wanted.route_metric,
            peers=() if wanted.persistence == boot_files.NONE else _boot_peers(peers_after.values(), memory),
            sysctls=wanted.sysctls,
            threaded_napi=wanted.threaded_napi,
            private_key_text=encode_key(private_key) if private_key else "",
        )
        files = _plan_files(current, wanted, boot, memory, systemd=systemd)
    link = () if current.link == link_after else (Operation(current.link, link_after),)
    return Plan(
        wanted.name,
        link,
        settings,
        tuple(peers),
        tuple(addresses),
        tuple(routes),
        tuple(sysctls),
        tuple(files),
        own_key,
        current.device,
    )


def _refuse_foreign_link(current: Current, wanted: WantedInterface) -> None:
    link = current.link
    if link is None:
        if not wanted.creates:
            raise Refused(f"there is no interface {wanted.name}: make it with wg_interface first")
        return
    if current.device is None:
        raise Refused(
            f"{wanted.name} exists and is no WireGuard interface (kind {link.kind or 'unknown'}): choose another name"
        )
    if wanted.owns and not link.is_ours and not wanted.adopt:
        raise Refused(
            f"WireGuard interface {wanted.name} exists and was not made by this collection: "
            "choose another name, or set adopt to true to take it over with its peers"
        )


def _link(before: Link | None, wanted: WantedInterface, *, has_peers: bool) -> Link:
    napi = wanted.threaded_napi
    if before is None:
        kind = TUN if wanted.userspace else WIREGUARD
        made = Link(wanted.name, kind, wanted.mtu, wanted.up is not False, OWNER_ALIAS)
        return replace(made, threaded_napi=napi) if has_peers else made
    if napi is None or threaded_napi.obstacle(before, has_peers=has_peers):
        napi = before.threaded_napi
    return replace(
        before,
        mtu=before.mtu if wanted.mtu is None else wanted.mtu,
        up=before.up if wanted.up is None else wanted.up,
        alias=OWNER_ALIAS if wanted.owns else before.alias,
        threaded_napi=napi,
    )


def _plan_peers(
    device: Device,
    memory: Memory,
    wanted: WantedInterface,
    own_key: bytes,
    resolved: Mapping[Endpoint, Endpoint | None],
) -> list[Operation[Peer]]:
    if wanted.peers is None:
        return []
    if any(peer.peer.public_key == own_key for peer in wanted.peers):
        raise Refused(
            f"{wanted.name}: one of the peers has this host's own public key: two machines share one private key. "
            "Was one cloned from the other? Remove the key file on one of them, and a new key is made"
        )
    present = {peer.public_key: peer for peer in device.peers}
    peers = []
    for item in wanted.peers:
        endpoint = _endpoint(item, present.get(item.peer.public_key), memory, resolved)
        peers.append(item.peer if endpoint is None else replace(item.peer, endpoint=endpoint))
    # A peer with our new own key is dropped by the kernel when that key is set: say so.
    absent = {*wanted.absent_peers, own_key} | _to_remove(present, memory, wanted)
    operations = plan_peers(device.peers, peers, absent=absent)
    if not wanted.allow_mass_removal:
        _refuse_mass_removal(operations, memory, wanted, present.values())
    return operations


def _endpoint(
    item: WantedPeer, current: Peer | None, memory: Memory, resolved: Mapping[Endpoint, Endpoint | None]
) -> Endpoint | None:
    """Return the endpoint that has to be set, None to leave the current one: it may have been learned by roaming."""
    if item.endpoint is None:
        return None
    if current is not None and current.endpoint is not None:
        remembered = memory.peers.get(encode_key(item.peer.public_key))
        if remembered is not None and remembered.endpoint == str(item.endpoint):
            return None
    return item.endpoint if item.endpoint.is_address else resolved.get(item.endpoint)


def names_to_resolve(current: Current, wanted: WantedInterface) -> list[Endpoint]:
    """Return the wanted endpoints that are names and have to be set, so that somebody must look them up first."""
    present = {peer.public_key: peer for peer in (current.device.peers if current.device else ())}
    marker = Endpoint("", 0)
    return [
        item.endpoint
        for item in wanted.peers or ()
        if item.endpoint is not None
        and not item.endpoint.is_address
        and _endpoint(item, present.get(item.peer.public_key), current.memory, {item.endpoint: marker}) == marker
    ]


def _to_remove(present: Collection[bytes], memory: Memory, wanted: WantedInterface) -> set[bytes]:
    """Return the keys of peers that are to go.

    While the key of any inventory host is unknown, a peer that cannot be told to be another's may be that host's:
    then only those go that are remembered under a name that has left, or whose host has another key now.
    """
    revoked = {key for key in present if encode_key(key) in wanted.revoked}
    if not wanted.purge:
        return revoked
    wanted_keys = {item.peer.public_key for item in wanted.peers or ()}
    surplus = {key for key in present if key not in wanted_keys}
    if not wanted.unknown_peers:
        return surplus
    attributed = set()
    for key in surplus:
        remembered = memory.peers.get(encode_key(key))
        if remembered is not None and remembered.name and remembered.name not in wanted.unknown_peers:
            attributed.add(key)
    return attributed | revoked


def _refuse_mass_removal(
    operations: Iterable[Operation[Peer]], memory: Memory, wanted: WantedInterface, present: Iterable[Peer]
) -> None:
    # A peer that has neither allowed IPs nor an address carries nothing, and is no loss.
    carrying = {
        peer.public_key
        for peer in present
        if peer.allowed_ips or memory.peers.get(encode_key(peer.public_key), RememberedPeer("", ("",))).addresses
    }
    staying = {item.name for item in wanted.peers or () if item.name}
    lost = []
    for operation in operations:
        if operation.action != DELETE or operation.key() not in carrying:
            continue
        key = encode_key(operation.key())
        remembered = memory.peers.get(key, RememberedPeer())
        if remembered.name not in staying and key not in wanted.revoked:
            lost.append(remembered.name or key)
    if len(lost) >= _MASS_REMOVAL_COUNT and len(lost) > len(carrying) * _MASS_REMOVAL_SHARE:
        named = ", ".join(sorted(lost)[:5]) + (", ..." if len(lost) > 5 else "")
        raise Refused(
            f"{wanted.name}: {len(lost)} of {len(carrying)} peers would be removed ({named}): "
            "if that is meant, set allow_mass_removal to true"
        )


def routed_prefixes(peers: Iterable[Peer], networks: Collection[Prefix]) -> list[Prefix]:
    """Return the allowed IPs that need a route of their own: those outside the interface's on-link prefixes."""
    return sorted(
        prefix
        for peer in peers
        for prefix in peer.allowed_ips or ()
        if prefix.length and not any(network.contains(prefix) for network in networks)
    )


def _remember(
    before: Memory,
    wanted: WantedInterface,
    own_key: bytes,
    peers: Mapping[bytes, Peer],
    resolved: Mapping[Endpoint, Endpoint | None],
) -> Memory:
    remembered: dict[str, RememberedPeer] = {}
    wanted_by_key = {item.peer.public_key: item for item in wanted.peers or ()}
    for key in peers:
        text = encode_key(key)
        item = wanted_by_key.get(key)
        known = before.peers.get(text, RememberedPeer())
        if item is not None:
            asked = known.endpoint
            if item.endpoint is not None:
                # A name that did not resolve is asked for again by the next run, and before that by endpoint_refresh where
                # the peer has no endpoint. One that has an older endpoint must not pass for having the new one.
                unresolved = resolved.get(item.endpoint, item.endpoint) is None
                asked = "" if unresolved and peers[key].endpoint is not None else str(item.endpoint)
            now = (item.name or known.name, item.addresses or known.addresses, asked)
            same = now == (known.name, known.addresses, known.endpoint)
            remembered[text] = known if same else RememberedPeer(*now)
        elif text in before.peers:  # also one of which nothing is known: a call for another peer does not change that
            remembered[text] = known
    addresses = before.addresses if wanted.addresses is None else tuple(str(a) for a in sorted(wanted.addresses))
    return Memory(
        wanted.inventory_name or before.inventory_name,
        encode_key(own_key) if any(own_key) else "",
        addresses,
        remembered,
        {**before.revoked, **wanted.revoked},
        wanted.notes if wanted.inventory_name else before.notes,
    )


def _boot_peers(peers: Iterable[Peer], memory: Memory) -> tuple[boot_files.BootPeer, ...]:
    entries = []
    for peer in peers:
        known = memory.peers.get(encode_key(peer.public_key), RememberedPeer())
        # What does not resolve now would keep the whole interface from coming up at boot.
        entries.append(boot_files.BootPeer(peer, known.endpoint if peer.endpoint is not None else "", known.name))
    return tuple(entries)


def _plan_files(
    current: Current, wanted: WantedInterface, boot: boot_files.BootInterface, memory: Memory, *, systemd: bool
) -> list[Operation[BootFile]]:
    """Return the operations on files: the memory's always, those of the boot method where a key file is managed."""
    path = memories.path_of(wanted.name)
    kept = [file for file in current.files if file.path == path] if memory == current.memory else []
    files = kept or [BootFile(path, memories.dump(memory), 0o600, ours_by_path=True)]
    if wanted.private_key_file is None:
        return reconcile(current.files, files, settle=settle_file)
    files += boot_files.files(wanted.persistence, boot, systemd=systemd)
    if wanted.sysctls and wanted.persistence != boot_files.NONE:
        files.append(boot_files.sysctl_file(wanted.name, wanted.sysctls))
    ours = [file.path for file in current.files if file.is_ours]
    return reconcile(current.files, files, absent=ours, settle=settle_file)


def _removal(current: Current, wanted: WantedInterface) -> Plan:
    if current.link is not None and current.device is None:
        raise Refused(f"{wanted.name} is no WireGuard interface (kind {current.link.kind or 'unknown'})")
    if current.link is not None and wanted.owns and not current.link.is_ours:
        raise Refused(f"WireGuard interface {wanted.name} was not made by this collection")
    link = (Operation(current.link, None),) if current.link else ()
    files: list[Operation[BootFile]] = []
    if wanted.remembers:
        files = [Operation(file, None) for file in current.files if file.is_ours]
    return Plan(wanted.name, link, files=tuple(files), device_before=current.device)


def _link_difference(operation: Operation[Link]) -> str:
    if operation.before is None or operation.after is None:
        return ""
    before, after = operation.before.describe(), operation.after.describe()
    changes = (f"{name} {before.get(name)!r} to {after[name]!r}" for name in after if before.get(name) != after[name])
    return " (" + ", ".join(changes) + ")"


def _named_settings(settings: Settings) -> Sequence[tuple[str, object]]:
    return (
        ("private key", settings.private_key),
        ("listen_port", settings.listen_port),
        ("fwmark", settings.fwmark),
    )
