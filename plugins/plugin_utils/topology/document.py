# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One host's document: the arguments of the module `overlay_apply`, expanded from the fleet plan.

Expanded where the host is applied, so that no plan ever holds a peer list per host, nor a secret.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.keys import decode_key
from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import host_list
from ansible_collections.wirewright.overlay.plugins.plugin_utils.psk import PresharedKeys
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.endpoints import choose
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import (
    Device,
    FleetPlan,
    HostPlan,
    PeerOverride,
)

_AS_PLANNED = PeerOverride()


class NotInPlan(Exception):
    """There is no document for a host; the text says why. revoked: because its owner wants it gone."""

    def __init__(self, text: str, revoked: bool = False) -> None:
        super().__init__(text)
        self.revoked = revoked


def host_document(
    plan: FleetPlan,
    name: str,
    psk_master: str = "",
    psk_epoch: int = 0,
    static_preshared_keys: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the arguments of the module `overlay_apply` for one host: a pure function.

    Preshared keys of members are derived from the master secret, if there is one; those of unmanaged peers are
    given by public key. Raises NotInPlan for a host without a part in the plan, and ValueError (which never
    quotes a secret) for a master secret or preshared key that cannot be used.
    """
    host = plan.hosts.get(name)
    if host is None or host.device is None:
        raise _absence(plan, name)
    secrets = _preshared_keys(plan, name, host, psk_master, psk_epoch)
    secrets.update(_static_preshared_keys(host.device, static_preshared_keys or {}))
    document: dict[str, Any] = {"interfaces": [_interface(plan, name, host, host.device)]}
    if secrets:
        document["preshared_keys"] = {plan.interface: secrets}
    return document


def _absence(plan: FleetPlan, name: str) -> NotInPlan:
    named = host_list([name])
    if name in plan.excluded:
        return NotInPlan(f"{named} is revoked, so the other members drop it and nothing is set up on it", True)
    if name in plan.hosts:
        return NotInPlan(
            f"{named} was not heard from when the fleet was planned, and its variables depend on its facts; "
            "run again when it can be reached"
        )
    return NotInPlan(f"{named} is not a member of the fleet that was planned")


def _interface(plan: FleetPlan, name: str, host: HostPlan, device: Device) -> dict[str, Any]:
    peers = [
        _peer(other_name, other, host, device)
        for other_name, other in plan.hosts.items()
        if other_name != name and other.public_key is not None
    ]
    peers.extend(_static_peers(device))
    peers.sort(key=lambda peer: (peer["name"], peer["public_key"]))
    return {
        "name": plan.interface,
        "inventory_name": name,
        "private_key_file": device.private_key_file,
        "listen_port": device.listen_port,
        "fwmark": device.fwmark,
        "mtu": device.mtu,
        "addresses": list(host.addresses),
        "routes": device.routes,
        "purge": device.purge,
        "userspace": device.userspace,
        "adopt": device.adopt,
        "persistence": device.persistence,
        "allow_mass_removal": device.allow_mass_removal,
        "peers": peers,
        "unknown_peers": [unknown for unknown in plan.unknown if unknown != name],
        "revoked": dict(plan.revoked),
        "sysctls": dict(device.sysctls),
    }


def _peer(other_name: str, other: HostPlan, host: HostPlan, device: Device) -> dict[str, Any]:
    view = device.overrides.get(other_name, _AS_PLANNED)
    endpoint = choose(host.families, other.endpoints)[1]
    if view.endpoint is not None:
        endpoint = view.endpoint
    keepalive = view.persistent_keepalive
    bare = [address.partition("/")[0] for address in other.addresses]
    return {
        "public_key": other.public_key,
        "name": other_name,
        "endpoint": endpoint or None,
        "allowed_ips": [text + ("/128" if ":" in text else "/32") for text in bare] + list(other.networks),
        "persistent_keepalive": device.persistent_keepalive if keepalive is None else keepalive,
        "addresses": bare,
    }


def _static_peers(device: Device) -> Iterable[dict[str, Any]]:
    for peer in device.static_peers:
        yield {
            "public_key": peer.public_key,
            "name": peer.name,
            "endpoint": peer.endpoint or None,
            "allowed_ips": list(peer.allowed_ips),
            "persistent_keepalive": peer.persistent_keepalive,
            "addresses": [],
        }


def _preshared_keys(plan: FleetPlan, name: str, host: HostPlan, psk_master: str, psk_epoch: int) -> dict[str, str]:
    if not psk_master:
        return {}
    derive = PresharedKeys(psk_master, psk_epoch)
    if host.public_key is None:
        return {}
    own = decode_key(host.public_key)
    return {
        other.public_key: derive.between(own, decode_key(other.public_key))
        for other_name, other in plan.hosts.items()
        if other_name != name and other.public_key is not None
    }


def _static_preshared_keys(device: Device, given: Mapping[str, str]) -> dict[str, str]:
    """Return the given keys of the unmanaged peers, checked."""
    found = {}
    for peer in device.static_peers:
        secret = given.get(peer.public_key, "")
        if not secret:
            continue
        try:
            decode_key(secret)
        except ValueError as error:
            named = host_list([peer.name or peer.public_key])
            raise ValueError(f"the preshared key of static peer {named}: {error}") from None
        found[peer.public_key] = secret.strip()
    return found
