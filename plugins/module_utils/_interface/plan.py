# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Plan the operations from the current state of an interface to the desired one. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .._engine.errors import Refused
from .._engine.reconcile import DELETE, Operation, counts, reconcile, replay
from .._fib.link_routes import PROTOCOL, Route, route
from .._fib.link_routes import plan as plan_routes
from .._host import threaded_napi
from .._host.addresses import InterfaceAddress
from .._host.addresses import plan as plan_addresses
from .._host.files import BootFile
from .._host.files import settle as settle_file
from .._host.links import OWNER_ALIAS, TUN, WIREGUARD, Link
from .._host.sysctls import Sysctl
from .._ip.prefix import Prefix
from .._wireguard import state_file
from .._wireguard.endpoint import Endpoint
from .._wireguard.keys import ZERO, clamp, encode_key, public_key
from .._wireguard.model import Device, Peer, Settings, changed_settings, plan_peers
from .._wireguard.state_file import KnownPeer, StateFile
from . import boot_files
from .options import IPV6_MINIMUM_MTU, WantedInterface, WantedPeer

if TYPE_CHECKING:
    from .._netlink.table_route import TableRoute
    from .existing import ExistingInterface
    from .moves import Moves


@dataclass(frozen=True)
class Current:
    """The current state of an interface, with files and kernel parameters. existing, adopted_files: only in an adoption."""

    link: Link | None = None
    device: Device | None = None
    addresses: tuple[InterfaceAddress, ...] = ()
    routes: tuple[Route, ...] = ()
    sysctls: tuple[Sysctl, ...] = ()
    files: tuple[BootFile, ...] = ()
    recorded: StateFile = field(default_factory=StateFile)
    existing: ExistingInterface | None = None
    adopted_files: tuple[BootFile, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The operations on one interface, by kind, in a safe order.

    held: the addresses afterwards, None where the operations say it all. lost, lost_sysctls: other routes that the kernel
    removes, and the parameters of an interface that is removed.
    """

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
    moves: Moves | None = None
    held: tuple[InterfaceAddress, ...] | None = None
    lost: tuple[TableRoute, ...] = ()
    lost_sysctls: tuple[Sysctl, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.operations())

    def operations(self) -> tuple[Operation[Any], ...]:
        """All operations; changed settings are one of them."""
        settings: tuple[Operation[Any], ...] = ()
        if self.settings != Settings():
            settings = (Operation(self.device_before and self.device_before.settings, self.settings),)
        return (*self.link, *settings, *self.peers, *self.addresses, *self.routes, *self.sysctls, *self.files)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of objects of each kind that are created, updated and deleted."""
        return {kind: counts(getattr(self, kind)) for kind in ("peers", "addresses", "routes", "files")}


def plan(
    current: Current,
    wanted: WantedInterface,
    private_key: bytes | None,
    *,
    systemd: bool = False,
    resolved: Mapping[bytes, Endpoint | None] | None = None,
) -> Plan:
    """Return the operations between the current state of the interface and the desired one.

    private_key: the content of the key file, None where no key is managed. resolved: by public key of peers, the endpoint
    for the name in the wanted one; None for a name without a usable address, which changes nothing. Raises Refused, and
    DuplicateKey.
    """
    if not wanted.present:
        return _removal(current, wanted)
    if (current.link or not wanted.creates) and not (current.device and current.link and current.link.is_ours):
        from .link_refusals import refuse_foreign_link

        refuse_foreign_link(current.link, current.device, wanted)
    device = current.device or Device(wanted.name, Settings(ZERO, 0, 0), ZERO)
    own_key = public_key(private_key) if private_key else device.public_key
    known_key = private_key or device.settings.private_key or ZERO
    if {own_key, known_key, clamp(known_key)}.intersection(item.peer.public_key for item in wanted.peers or ()):
        from .own_keys import refuse_own_keys

        refuse_own_keys(wanted, own_key, known_key)
    peers = _plan_peers(device, current.recorded, wanted, own_key, resolved or {})
    peers_after: dict[bytes, Peer] = replay(device.peers, peers)  # type: ignore[assignment]
    link_after = _link(current.link, wanted, has_peers=bool(peers_after))
    addresses: list[Operation[InterfaceAddress]] = []
    if wanted.addresses is not None:
        addresses = plan_addresses(current.addresses, wanted.addresses, current.recorded.addresses)
    address_state: dict[Any, InterfaceAddress] = replay(current.addresses, addresses)
    if link_after.mtu is not None and link_after.mtu < IPV6_MINIMUM_MTU:
        from .link_refusals import refuse_ipv6_below_its_mtu

        refuse_ipv6_below_its_mtu(wanted.name, link_after.mtu, address_state.values())
    routes: list[Operation[Route]] = []
    route_state: list[Prefix] = []
    if wanted.routes and link_after.up:
        networks = {*wanted.routes_except, *(entry.address.network for entry in address_state.values())}
        unrouted = {item.peer.public_key for item in wanted.peers or () if not item.routed}
        routed = (peer for key, peer in peers_after.items() if key not in unrouted)
        route_state = routed_prefixes(routed, networks)
        desired = [route(prefix, wanted.name, wanted.route_metric) for prefix in route_state]
        routes = plan_routes(current.routes, desired, adopts=current.existing is not None)
    elif wanted.owns and wanted.peers is not None:
        routes = plan_routes(current.routes, [])
    sysctls = reconcile(current.sysctls, wanted.sysctls)
    settings = changed_settings(device.settings, Settings(private_key, wanted.listen_port, wanted.fwmark))
    files: list[Operation[BootFile]] = []
    if wanted.remembers:
        recorded = _next_state_file(current.recorded, wanted, own_key, peers_after, resolved or {})
        boot = boot_files.BootInterface(
            name=wanted.name,
            private_key_file=wanted.private_key_file or "",
            listen_port=wanted.listen_port or 0,
            fwmark=wanted.fwmark or 0,
            mtu=wanted.mtu,
            addresses=tuple(e.address for e in address_state.values())
            if wanted.addresses is None
            else wanted.addresses,
            routes=tuple(route_state),
            route_protocol=PROTOCOL,
            route_metric=wanted.route_metric,
            peers=() if wanted.persistence == boot_files.NONE else _boot_peers(peers_after.values(), recorded, wanted),
            sysctls=wanted.sysctls,
            threaded_napi=wanted.threaded_napi,
            private_key_text=encode_key(private_key) if private_key else "",
        )
        files = reconcile(current.files, current.adopted_files, settle=settle_file)
        files += _plan_files(current, wanted, boot, recorded, systemd=systemd)
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
        held=tuple(address_state.values()),
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
    recorded: StateFile,
    wanted: WantedInterface,
    own_key: bytes,
    resolved: Mapping[bytes, Endpoint | None],
) -> list[Operation[Peer]]:
    if wanted.peers is None:
        return []
    present = {peer.public_key: peer for peer in device.peers}
    peers = [
        replace(
            item.peer,
            endpoint=_endpoint(item, present.get(item.peer.public_key), recorded, resolved),
            preshared_key=None if item.puts_off(present.get(item.peer.public_key)) else item.peer.preshared_key,
        )
        for item in wanted.peers
    ]
    # The kernel removes a peer whose public key becomes the interface's own: list that as a change.
    absent = {*wanted.absent_peers, own_key} | _to_remove(present, recorded, wanted)
    operations = plan_peers(device.peers, peers, absent=absent)
    if not (wanted.allow_mass_removal or wanted.adopt_allow_loss) and any(
        operation.action == DELETE for operation in operations
    ):
        from .mass_removal import refuse_mass_removal

        refuse_mass_removal(operations, recorded, wanted, present.values())
    return operations


def _endpoint(
    item: WantedPeer, current: Peer | None, recorded: StateFile, resolved: Mapping[bytes, Endpoint | None]
) -> Endpoint | None:
    """Return the endpoint to set, None to keep the current one, which may have been learned through roaming."""
    if item.endpoint is None:
        return None
    if current is not None and current.endpoint is not None:
        known = recorded.peers.get(encode_key(item.peer.public_key))
        if known and (known.endpoint, known.endpoint_family) == (str(item.endpoint), item.endpoint_family):
            return None
    return item.endpoint if item.endpoint.is_address else resolved.get(item.peer.public_key)


def names_to_resolve(current: Current, wanted: WantedInterface) -> list[WantedPeer]:
    """Return the peers whose endpoint is a name, and has to be set."""
    present = {peer.public_key: peer for peer in (current.device.peers if current.device else ())}
    marker = Endpoint("", 0)
    return [
        item
        for item in wanted.peers or ()
        for key in [item.peer.public_key]
        if _endpoint(item, present.get(key), current.recorded, {key: marker}) == marker
    ]


def _to_remove(present: Collection[bytes], recorded: StateFile, wanted: WantedInterface) -> set[bytes]:
    """Return the public keys of the peers to remove.

    While the key of an inventory host is unknown, an unidentified peer may be that host. Then only peers are removed whose
    stored name belongs to no such host.
    """
    revoked = {key for key in present if encode_key(key) in wanted.revoked}
    if not wanted.purge:
        return revoked
    wanted_keys = {item.peer.public_key for item in wanted.peers or ()}
    surplus = {key for key in present if key not in wanted_keys}
    if not wanted.unknown_peers:
        return surplus
    names = {key: recorded.peers.get(encode_key(key), KnownPeer()).name for key in surplus}
    return {key for key, name in names.items() if name and name not in wanted.unknown_peers} | revoked


def routed_prefixes(peers: Iterable[Peer], networks: Collection[Prefix]) -> list[Prefix]:
    """Return the allowed IPs that need a route: those outside of some networks, such as the interface's own."""
    return sorted(
        prefix
        for peer in peers
        for prefix in peer.allowed_ips or ()
        if prefix.length and not any(network.contains(prefix) for network in networks)
    )


def _next_state_file(
    before: StateFile,
    wanted: WantedInterface,
    own_key: bytes,
    peers: Mapping[bytes, Peer],
    resolved: Mapping[bytes, Endpoint | None],
) -> StateFile:
    known_peers: dict[str, KnownPeer] = {}
    wanted_by_key = {item.peer.public_key: item for item in wanted.peers or ()}
    for key in peers:
        text = encode_key(key)
        item = wanted_by_key.get(key)
        known = before.peers.get(text, KnownPeer())
        if item is not None:
            endpoint = (known.endpoint, known.endpoint_family, known.endpoint_address)
            if item.endpoint is not None:
                # The next run resolves an unresolved name again; endpoint_refresh does so earlier for a peer without an
                # endpoint. For a peer with an older endpoint, the new one must not be stored as set.
                found = resolved.get(key, item.endpoint)
                unset = found is None and peers[key].endpoint is not None
                address = known.endpoint_address if key not in resolved else found.host if found else ""
                family = item.endpoint_family
                endpoint = ("", "", "") if unset else (str(item.endpoint), family, address if family else "")
            now = KnownPeer(item.name or known.name, item.addresses or known.addresses, *endpoint)
            known_peers[text] = known if now == known else now
        elif text in before.peers:  # even if nothing is known of it
            known_peers[text] = known
    addresses = before.addresses if wanted.addresses is None else tuple(str(a) for a in sorted(wanted.addresses))
    return StateFile(
        wanted.inventory_name or before.inventory_name,
        encode_key(own_key) if any(own_key) else "",
        addresses,
        known_peers,
        {**before.revoked, **wanted.revoked},
        wanted.notes if wanted.inventory_name else before.notes,
    )


def _boot_peers(peers: Iterable[Peer], recorded: StateFile, wanted: WantedInterface) -> tuple[boot_files.BootPeer, ...]:
    # wg-quick resolves names in the background. systemd-networkd sets no peer before it has tried all names.
    items = (wanted.peers or ()) if wanted.persistence == boot_files.WG_QUICK else ()
    named = {item.peer.public_key for item in items if item.endpoint is not None and not item.endpoint.is_address}
    entries = []
    for peer in peers:
        known = recorded.peers.get(encode_key(peer.public_key), KnownPeer())
        endpoint = known.endpoint if peer.endpoint is not None or peer.public_key in named else ""
        entries.append(boot_files.BootPeer(peer, endpoint, known.name, known.endpoint_family, known.endpoint_address))
    return tuple(entries)


def _plan_files(
    current: Current, wanted: WantedInterface, boot: boot_files.BootInterface, recorded: StateFile, *, systemd: bool
) -> list[Operation[BootFile]]:
    """Return the operations on files: the state file, and the boot files where a key file is managed."""
    path = state_file.path_of(wanted.name)
    kept = [file for file in current.files if file.path == path] if recorded == current.recorded else []
    files = kept or [BootFile(path, state_file.dump(recorded), 0o600, ours_by_path=True)]
    if wanted.private_key_file is None:
        return reconcile(current.files, files, settle=settle_file)
    files += boot_files.files(wanted.persistence, boot, systemd=systemd)
    if wanted.sysctls and wanted.persistence != boot_files.NONE:
        files.append(boot_files.sysctl_file(wanted.name, wanted.sysctls))
    ours = [file.path for file in current.files if file.is_ours and file.path not in wanted.taken_over]
    if current.existing is not None:
        ours += [path for path in wanted.taken_over if path in current.existing.paths]
    return reconcile(current.files, files, absent=ours, settle=settle_file)


def _removal(current: Current, wanted: WantedInterface) -> Plan:
    if current.link is not None and current.device is None:
        raise Refused(f"{wanted.name} is not a WireGuard interface (kind {current.link.kind or 'unknown'})")
    if current.link is not None and wanted.owns and not current.link.is_ours:
        raise Refused(f"WireGuard interface {wanted.name} is not managed by this collection")
    link = (Operation(current.link, None),) if current.link else ()
    files: list[Operation[BootFile]] = []
    if wanted.remembers:
        files = [Operation(file, None) for file in current.files if file.is_ours]
    return Plan(wanted.name, link, files=tuple(files), device_before=current.device)
