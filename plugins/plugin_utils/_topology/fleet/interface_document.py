# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One interface of a host's document with its peers, for all topologies.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypedDict

from ....module_utils._ip.prefix import Prefix
from ....module_utils._wireguard.endpoint import Endpoint
from ....module_utils._wireguard.keys import NEW_KEY_OF
from ..plan_model.direct import DISCOVERY
from ..plan_model.fleet import Device, Endpoints, FleetPlan, HostPlan, PeerOverride
from ..plan_model.host_document import InterfaceEntry, PeerEntry
from .device import FORWARDING, without_redirects
from .endpoints import choose
from .former_interfaces import DIRECT
from .observation import GROUPS_NOTE, LEFT_NOTE, OVERLAY_NOTE, PORT_NOTE

_AS_PLANNED = PeerOverride()
_EVERYTHING = {"ipv4": "0.0.0.0/0", "ipv6": "::/0"}


class _Family(TypedDict, total=False):
    endpoint_family: str


class InterfaceDocument(NamedTuple):
    """An interface's fields, the host's own public key on it, and the public keys of the members among its peers."""

    fields: InterfaceEntry
    own_key: str | None
    members: tuple[str, ...]

    @property
    def name(self) -> str:
        """The interface's name."""
        return self.fields["name"]


def interface_document(
    plan: FleetPlan,
    inventory_name: str,
    device: Device,
    own_key: str | None,
    peers: Iterable[PeerEntry],
    unknown: Iterable[str],
    own: InterfaceEntry,
) -> InterfaceDocument:
    """Return an interface of a host with its unmanaged peers.

    own: the options that differ between the devices of a host: name, private_key_file, listen_port, addresses, ...
    unknown: the members that are missing as peers because their key is unknown.
    """
    managed = [
        _with_preshared_key(plan, peer) for peer in peers if not plan.refuses(inventory_name, peer["public_key"])
    ]
    static = (peer for peer in _static_entries(device) if not plan.refuses(inventory_name, peer["public_key"]))
    notes = {**device.adopted, **own.get("notes", {}), **_notes(plan, inventory_name, own)}
    optional: InterfaceEntry = {**own, "notes": notes} if notes else own
    if device.threaded_napi is not None:
        optional = {**optional, "threaded_napi": device.threaded_napi}
    if own_key is not None and own_key.startswith(NEW_KEY_OF):
        optional = {**optional, "new_key": own_key}
    unrouted = [*map(str, device.routes_except), *(_without_addresses(device, own, managed) if device.routes else ())]
    if unrouted:
        optional = {**optional, "routes_except": unrouted}
    if device.adopt_allow_loss:
        optional = {**optional, "adopt_allow_loss": True}
    document: InterfaceEntry = {
        "inventory_name": inventory_name,
        "fwmark": device.fwmark,
        "mtu": device.mtu,
        "routes": device.routes,
        "purge": device.purge,
        "userspace": device.userspace,
        "adopt": device.adopt,
        "persistence": device.persistence,
        "allow_mass_removal": device.allow_mass_removal,
        "peers": sorted([*managed, *static], key=lambda peer: (peer["name"], peer["public_key"])),
        "unknown_peers": [*unknown, *plan.former_names],
        "revoked": {**plan.revoked, **plan.refusals.get(inventory_name, {})},
        "sysctls": device.sysctls,
        **optional,
    }
    document["sysctls"] = without_redirects(document["sysctls"], own["name"])
    return InterfaceDocument(document, own_key, tuple(peer["public_key"] for peer in managed))


def _without_addresses(device: Device, own: InterfaceEntry, managed: Iterable[PeerEntry]) -> list[str]:
    """Return all of each family in which members are peers, but the interface has no address.

    Packets of the host would have a source there that no member accepts. A host needs the routes if it forwards the family,
    or has an unmanaged peer of it: that may accept any source.
    """
    offered = _kinds(text for peer in managed for text in peer["allowed_ips"])
    used = _kinds(own.get("addresses", ())) | {kind for kind, name in FORWARDING.items() if name in device.sysctls}
    used |= _kinds(str(prefix) for peer in device.static_peers for prefix in peer.allowed_ips)
    return [_EVERYTHING[kind] for kind in sorted(offered - used)]


def _kinds(prefixes: Iterable[str]) -> set[str]:
    return {"ipv6" if ":" in text else "ipv4" for text in prefixes}


def _with_preshared_key(plan: FleetPlan, peer: PeerEntry) -> PeerEntry:
    """Return a peer that keeps its preshared key if this run does not change its own end."""
    if peer["name"].partition(DISCOVERY)[0] in plan.absent:
        return {**peer, "keep_preshared_key": True}
    return peer


def _notes(plan: FleetPlan, inventory_name: str, own: InterfaceEntry) -> dict[str, str]:
    """Return what a host records of an interface, for the plans of later runs."""
    is_direct = plan.direct is not None and own["name"] == plan.direct.interface
    found = {OVERLAY_NOTE: plan.overlay + (DIRECT if is_direct else "")} if plan.overlay else {}
    if plan.groups:
        found[GROUPS_NOTE] = plan.groups
    if inventory_name in plan.left and not is_direct:
        found[LEFT_NOTE] = plan.left[inventory_name]
    return {**found, PORT_NOTE: str(own["listen_port"])} if own.get("listen_port") else found


def only_interface(
    plan: FleetPlan, name: str, host: HostPlan, device: Device, peers: Iterable[PeerEntry], *, purge: bool
) -> InterfaceDocument:
    """Return the interface of a host, for topologies with one interface for all hosts."""
    return interface_document(
        plan,
        name,
        device,
        host.public_key,
        peers,
        (unknown for unknown in plan.unknown if unknown != name),
        {
            "name": plan.interface,
            "private_key_file": device.private_key_file,
            "listen_port": device.listen_port,
            "addresses": list(map(str, host.addresses)),
            "purge": purge,
        },
    )


def absent_interfaces(names: Iterable[str]) -> list[InterfaceEntry]:
    """Return the interfaces of a host that a run removes, each once."""
    return [{"name": name, "state": "absent"} for name in dict.fromkeys(names)]


def peer_entry(
    other_name: str,
    other: HostPlan,
    host: HostPlan,
    device: Device,
    public_key: str,
    endpoints: Endpoints,
    allowed_ips: Iterable[Prefix],
) -> PeerEntry:
    """Return a member as a peer of a host, with the overrides of that host."""
    endpoint = endpoint_for(host, device, other_name, endpoints)
    view = device.overrides.get(other_name, _AS_PLANNED)
    keepalive = view.persistent_keepalive
    family = device.endpoint_family or ("" if view.endpoint else endpoints.name_family)
    return {
        "public_key": public_key,
        "name": other_name,
        "endpoint": endpoint and str(endpoint),
        "allowed_ips": list(map(str, allowed_ips)),
        "persistent_keepalive": device.persistent_keepalive if keepalive is None else keepalive,
        "addresses": bare_addresses(other),
        **_family_of_name(endpoint, family),
    }


def endpoint_for(host: HostPlan, device: Device, other_name: str, endpoints: Endpoints) -> Endpoint | None:
    """Return the endpoint that a host uses for another: its own override, else the best that the other one offers."""
    view = device.overrides.get(other_name, _AS_PLANNED)
    return None if view.no_endpoint else view.endpoint or choose(host.families, endpoints)[1]


def bare_addresses(host: HostPlan) -> list[str]:
    """Return a host's overlay addresses without lengths."""
    return [address.bare for address in host.addresses]


def host_prefixes(host: HostPlan) -> list[Prefix]:
    """Return a host's overlay addresses as a /32 or /128 each."""
    return [address.host for address in host.addresses]


def _static_entries(device: Device) -> Iterator[PeerEntry]:
    for peer in device.static_peers:
        yield {
            "public_key": peer.public_key,
            "name": peer.name,
            "endpoint": peer.endpoint and str(peer.endpoint),
            "allowed_ips": list(map(str, peer.allowed_ips)),
            "persistent_keepalive": peer.persistent_keepalive,
            "addresses": [],
            **_family_of_name(peer.endpoint, device.endpoint_family),
        }


def _family_of_name(endpoint: Endpoint | None, family: str) -> _Family:
    return {"endpoint_family": family} if family and endpoint and not endpoint.is_address else {}
