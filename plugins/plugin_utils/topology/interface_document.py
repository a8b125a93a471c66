# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One interface of a host's document, and the peers in it: what all topologies have in common.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.endpoints import choose
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import (
    Device,
    Endpoints,
    FleetPlan,
    HostPlan,
    PeerOverride,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.observation import OVERLAY_NOTE

_AS_PLANNED = PeerOverride()


class InterfaceDocument(NamedTuple):
    """An interface's fields, the host's own public key on it, and the public keys of the members among its peers."""

    fields: dict[str, Any]
    own_key: str | None
    members: tuple[str, ...]

    @property
    def name(self) -> str:
        """The interface's name."""
        return str(self.fields["name"])


def interface_document(
    plan: FleetPlan,
    inventory_name: str,
    device: Device,
    own_key: str | None,
    peers: Iterable[dict[str, Any]],
    unknown: Iterable[str],
    **fields: Any,
) -> InterfaceDocument:
    """Return an interface of a host with its unmanaged peers.

    fields: what differs between the devices of a host: name, private_key_file, listen_port, addresses and others.
    unknown: the members that should be peers, and whose key nobody knows.
    """
    entries = list(peers)
    members = tuple(entry["public_key"] for entry in entries)
    entries.extend(_static_entries(device))
    entries.sort(key=lambda entry: (entry["name"], entry["public_key"]))
    notes = dict(fields.pop("notes", {}))
    if plan.overlay and (plan.direct is None or fields["name"] != plan.direct.interface):
        notes[OVERLAY_NOTE] = plan.overlay
    document = {
        "inventory_name": inventory_name,
        "fwmark": device.fwmark,
        "mtu": device.mtu,
        "routes": device.routes,
        "purge": device.purge,
        "userspace": device.userspace,
        "adopt": device.adopt,
        "persistence": device.persistence,
        "allow_mass_removal": device.allow_mass_removal,
        "peers": entries,
        "unknown_peers": list(unknown),
        "revoked": dict(plan.revoked),
        "sysctls": dict(device.sysctls),
        **({} if device.threaded_napi is None else {"threaded_napi": device.threaded_napi}),
        **({"notes": notes} if notes else {}),
        **fields,
    }
    return InterfaceDocument(document, own_key, members)


def only_interface(
    plan: FleetPlan, name: str, host: HostPlan, device: Device, peers: Iterable[dict[str, Any]], **fields: Any
) -> InterfaceDocument:
    """Return the interface of a host that has one, the same for all of the plan."""
    return interface_document(
        plan,
        name,
        device,
        host.public_key,
        peers,
        (unknown for unknown in plan.unknown if unknown != name),
        name=plan.interface,
        private_key_file=device.private_key_file,
        listen_port=device.listen_port,
        addresses=list(host.addresses),
        **fields,
    )


def peer_entry(
    other_name: str,
    other: HostPlan,
    host: HostPlan,
    device: Device,
    public_key: str,
    endpoints: Endpoints,
    allowed_ips: Sequence[str],
) -> dict[str, Any]:
    """Return a member as a peer of a host, with the host's own view of it."""
    view = device.overrides.get(other_name, _AS_PLANNED)
    endpoint = choose(host.families, endpoints)[1] if view.endpoint is None else view.endpoint
    keepalive = view.persistent_keepalive
    return {
        "public_key": public_key,
        "name": other_name,
        "endpoint": endpoint or None,
        "allowed_ips": list(allowed_ips),
        "persistent_keepalive": device.persistent_keepalive if keepalive is None else keepalive,
        "addresses": bare_addresses(other),
    }


def bare_addresses(host: HostPlan) -> list[str]:
    """Return a host's overlay addresses without lengths."""
    return [address.partition("/")[0] for address in host.addresses]


def host_prefixes(host: HostPlan) -> list[str]:
    """Return a host's overlay addresses as a /32 or /128 each."""
    return [text + ("/128" if ":" in text else "/32") for text in bare_addresses(host)]


def _static_entries(device: Device) -> Iterator[dict[str, Any]]:
    for peer in device.static_peers:
        yield {
            "public_key": peer.public_key,
            "name": peer.name,
            "endpoint": peer.endpoint or None,
            "allowed_ips": list(peer.allowed_ips),
            "persistent_keepalive": peer.persistent_keepalive,
            "addresses": [],
        }
