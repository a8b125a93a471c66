# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Existing WireGuard set-ups of hosts as variables of a role: peers that are hosts are found by their public keys.

What a host reports is hostile input: values are parsed and written anew, so that none can be a template.
This plugin util is private to the collection.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from ..module_utils._interface.option_types import interface_name
from ..module_utils._ip.prefix import Address, Prefix, parse_address, parse_prefix
from ..module_utils._wireguard.endpoint import Endpoint, parse_endpoint
from ..module_utils._wireguard.keys import decode_public_key
from ._problems import agree, host_list
from ._untrusted import list_of, mapping_of, text_of

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,39}")
_PLAIN_ENDPOINT = re.compile(r"[A-Za-z0-9_.:%\[\]-]+")
_NONE = "none"
HUB_SPOKE = "hub_spoke_"  # the prefix of its variables


@dataclass(frozen=True)
class ImportedPeer:
    """A peer of a host. endpoint: "" for none. in_files_only: whether the interface exists without it."""

    public_key: str
    name: str
    endpoint: str
    allowed_ips: tuple[Prefix, ...]
    persistent_keepalive: int
    has_preshared_key: bool
    in_files_only: bool = False


@dataclass(frozen=True)
class ImportedInterface:
    """The interface of a host."""

    name: str
    public_key: str
    port: int
    fwmark: int
    mtu: int
    addresses: tuple[Address, ...]
    routes: bool
    peers: tuple[ImportedPeer, ...]
    notes: tuple[str, ...]


@dataclass
class ImportedHost:
    """The variables of a host, without the prefix of the role, and notes on what they lack."""

    variables: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_interface(result: object, name: str) -> ImportedInterface | None:
    """Return an interface in the result of wg_config_info; the only one, if no name is given; None without one."""
    listed = [one for one in list_of(mapping_of(result).get("interfaces")) if isinstance(one, Mapping)]
    found = [one for one in listed if not name or one.get("name") == name]
    if not found or (not name and len(found) > 1):
        return None
    (one, *_others) = found
    try:
        own_name = interface_name(text_of(one.get("name")))
    except ValueError:
        return None
    return ImportedInterface(
        own_name,
        _key(one.get("public_key")),
        _number(one.get("listen_port"), 0xFFFF),
        _number(one.get("fwmark"), 0xFFFFFFFF),
        _number(one.get("mtu"), 0xFFFF),
        tuple(_each(parse_address, one.get("addresses"))),
        one.get("routes") is not False,
        tuple(_peers(one.get("peers"), one.get("runs") is True)),
        tuple(text[:300] for text in list_of(one.get("unsupported")) if isinstance(text, str) and text.isprintable()),
    )


def interface_names(result: object) -> list[str]:
    """Return the names of the interfaces in the result of wg_config_info, apart from malformed ones."""
    found = []
    for one in map(mapping_of, list_of(mapping_of(result).get("interfaces"))):
        try:
            found.append(interface_name(text_of(one.get("name"))))
        except ValueError:
            continue
    return found


def _peers(value: object, runs: bool) -> Iterable[ImportedPeer]:
    for one in map(mapping_of, list_of(value)):
        key = _key(one.get("public_key"))
        if not key:
            continue
        name, endpoint = text_of(one.get("name")), text_of(one.get("endpoint"))
        (parsed,) = _each(parse_endpoint, [endpoint]) or [None]
        yield ImportedPeer(
            key,
            name if _NAME.fullmatch(name) else "",
            str(parsed) if isinstance(parsed, Endpoint) and _PLAIN_ENDPOINT.fullmatch(str(parsed)) else "",
            tuple(sorted(set(_each(parse_prefix, one.get("allowed_ips"))))),
            _number(one.get("persistent_keepalive"), 0xFFFF),
            one.get("preshared_key") is True,
            runs and one.get("runs") is False,
        )


def import_hosts(
    found: Mapping[str, ImportedInterface | None],
    prefix: str = "mesh_",
    names: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, ImportedHost]:
    """Return the variables of each host. Peers with the key of another host are left to the role.

    prefix: that of the role's variables, for notes. names: the interfaces of each host.
    """
    interfaces = {name: one for name, one in found.items() if one is not None}
    with_key: dict[str, list[str]] = {}
    for name, one in interfaces.items():
        with_key.setdefault(one.public_key, []).append(name)
    # A key that several hosts report says of none of them that a peer with it is this host.
    owner = {key: names[0] for key, names in with_key.items() if key and len(names) == 1}
    views: dict[str, list[tuple[str, ImportedPeer]]] = {name: [] for name in interfaces}
    for name, one in interfaces.items():
        for peer in one.peers:
            other = owner.get(peer.public_key)
            if other is not None and other != name:
                views[other].append((name, peer))
    hosts = {name: _own(one, prefix) for name, one in interfaces.items()}
    if prefix == HUB_SPOKE:
        _add_overlay_network(hosts, interfaces)
    overrides: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in interfaces}
    for name, seen in views.items():
        _add_endpoint(hosts[name], name, seen, overrides)
    behind = {name: networks for name, seen in views.items() if (networks := _networks(interfaces[name], seen))}
    for name, networks in behind.items():
        hosts[name].notes += _overlapping(name, behind, prefix)
        hosts[name].variables["networks"] = list(map(str, networks))
    for name, one in interfaces.items():
        members = {owner[peer.public_key]: peer for peer in one.peers if owner.get(peer.public_key, name) != name}
        _add_keepalive(hosts[name], members, overrides[name])
        if overrides[name]:
            hosts[name].variables["peer_overrides"] = dict(sorted(overrides[name].items()))
        static = [peer for peer in one.peers if peer.public_key not in owner]
        _add_static(hosts[name], static, prefix)
        _add_full_tunnel(hosts[name], [*members.values(), *static], members, prefix)
        hosts[name].notes += _same_allowed_ips(one)
        if any(peer.has_preshared_key for peer in members.values()):
            text = (
                f"peers of the inventory have preshared keys: set {prefix}psk_master, from which new ones are derived"
            )
            hosts[name].notes.append(text)
        same = [other for other in with_key[one.public_key] if other != name] if one.public_key else []
        if same:
            text = (
                f"{host_list(same)} {agree(same, 'has', 'have')} the same public key: give each host a key of its own"
            )
            hosts[name].notes.append(f"{text}, and import again")
    missing = {name: ImportedHost(notes=[_missing((names or {}).get(name, ()))]) for name in found}
    return {**missing, **hosts}


def _missing(names: Sequence[str]) -> str:
    if len(names) > 1:
        return f"there are several interfaces, {', '.join(names)}: name one with overlay_import_interface"
    return "no WireGuard interface runs or is in files, or it is not that of overlay_import_interface"


def _own(one: ImportedInterface, prefix: str) -> ImportedHost:
    variables: dict[str, Any] = {"interface": one.name, "addresses": list(map(str, one.addresses))}
    for name in ("port", "fwmark", "mtu"):
        if getattr(one, name):
            variables[name] = getattr(one, name)
    if not one.routes:
        variables["routes"] = False
    notes = list(one.notes)
    if not one.public_key:
        text = f"write it to /etc/wireguard/{one.name}.key on the host, mode 0600, because a run makes no other one"
        notes.append(f"{one.name} has no private key, neither on the interface nor in its files: {text}")
    if not one.addresses:
        text = f"list its addresses in {prefix}addresses, for example those that a PostUp sets"
        notes.append(f"{one.name} has no address, neither on the interface nor in its files: {text}")
    return ImportedHost(variables, notes)


def _add_overlay_network(hosts: Mapping[str, ImportedHost], interfaces: Mapping[str, ImportedInterface]) -> None:
    """Add the network of the hub's address, which is that of all others too; a note where there is none."""
    addresses = [address for one in interfaces.values() for address in one.addresses]
    found = []
    for family in dict.fromkeys(address.family for address in addresses):
        own = [address for address in addresses if address.family == family]
        widest = min((address.network for address in own), key=lambda network: network.length)
        common = widest.length < own[0].host.length and all(widest.contains(address.host) for address in own)
        found += [widest] if common else []
    for host in hosts.values():
        if found:
            host.variables["network"] = list(map(str, found))
        else:
            text = "no address of a host has a network with the addresses of all others, so the overlay has no network"
            host.notes.append(f"{text}: set {HUB_SPOKE}network, for all hosts")


def _add_full_tunnel(
    host: ImportedHost, peers: Iterable[ImportedPeer], members: Mapping[str, ImportedPeer], prefix: str
) -> None:
    all_packets = sorted({one for peer in peers for one in peer.allowed_ips if not one.length})
    if not all_packets:
        return
    text = f"a peer has the allowed IPs {', '.join(map(str, all_packets))}, a full tunnel"
    if prefix != HUB_SPOKE:
        host.notes.append(f"{text}: import with overlay_import_role=hub_spoke, because a mesh has none")
    elif any(not one.length for peer in members.values() for one in peer.allowed_ips):
        host.variables["full_tunnel"] = True
        remedy = f"{prefix}full_tunnel covers the families of {prefix}network only"
        host.notes.append(f"{text}: {remedy}; stop the interface before the run, as the page move_existing.md says")
    else:
        host.notes.append(f"{text}, and is no host of this run: import the hub too, or they are those of a static peer")


def _same_allowed_ips(one: ImportedInterface) -> Iterable[str]:
    users: dict[Prefix, list[str]] = {}
    for peer in one.peers:
        for prefix in peer.allowed_ips:
            users.setdefault(prefix, []).append(peer.name or peer.public_key)
    for prefix, names in sorted(users.items()):
        if len(names) > 1:
            yield f"the peers {', '.join(names)} have the same allowed IPs {prefix}, and only one of them gets its packets"


def _add_endpoint(
    host: ImportedHost,
    name: str,
    seen: Iterable[tuple[str, ImportedPeer]],
    overrides: Mapping[str, dict[str, dict[str, Any]]],
) -> None:
    """Add the endpoint that most others have; the rest have it as an override."""
    counts = Counter(peer.endpoint for _viewer, peer in seen)
    if not counts:
        return
    with_one = {endpoint: count for endpoint, count in counts.items() if endpoint}
    chosen = min(with_one, key=lambda endpoint: (-with_one[endpoint], endpoint)) if with_one else _NONE
    host.variables["endpoint"] = chosen
    for viewer, peer in seen:
        own = peer.endpoint or _NONE
        if own != chosen:
            overrides[viewer].setdefault(name, {})["endpoint"] = own


def _networks(one: ImportedInterface, seen: Iterable[tuple[str, ImportedPeer]]) -> list[Prefix]:
    """Return the networks behind a host: what others send to it, except its addresses and what it sends on to a peer."""
    sent_on = {prefix for peer in one.peers for prefix in peer.allowed_ips}
    prefixes = {prefix for _viewer, peer in seen for prefix in peer.allowed_ips}
    return sorted(
        prefix
        for prefix in prefixes - sent_on
        if prefix.length and not any(prefix.contains(address.host) for address in one.addresses)
    )


def _overlapping(name: str, behind: Mapping[str, Sequence[Prefix]], prefix: str) -> Iterable[str]:
    """Yield notes on networks behind a host that hold those behind another one. behind: those of all hosts with some."""
    for wide in behind.get(name, ()):
        for other, networks in behind.items():
            inside = [str(one) for one in networks if other != name and wide.contains(one)]
            if inside:
                yield (
                    f"{prefix}networks has {wide}, which overlaps {', '.join(inside)} behind {other}: list the networks behind "
                    "this host instead, without those of others"
                )


def _add_keepalive(
    host: ImportedHost, members: Mapping[str, ImportedPeer], overrides: dict[str, dict[str, Any]]
) -> None:
    counts = Counter(peer.persistent_keepalive for peer in members.values())
    if not counts:
        return
    chosen = min(counts, key=lambda seconds: (-counts[seconds], seconds))
    # Also 0: without the variable, the role may choose another interval.
    host.variables["persistent_keepalive"] = chosen
    for name, peer in members.items():
        if peer.persistent_keepalive != chosen:
            overrides.setdefault(name, {})["persistent_keepalive"] = peer.persistent_keepalive


def _add_static(host: ImportedHost, peers: Sequence[ImportedPeer], prefix: str) -> None:
    entries = []
    given, taken = {peer.name for peer in peers}, {""}
    for position, peer in enumerate(peers, 1):
        numbered = (name for number in count(position) if (name := f"peer{number}") not in given | taken)
        name = peer.name if peer.name not in taken else next(numbered)
        taken.add(name)
        entry: dict[str, Any] = {"name": name, "public_key": peer.public_key}
        entry.update({"endpoint": peer.endpoint} if peer.endpoint else {})
        entry["allowed_ips"] = list(map(str, peer.allowed_ips))
        entry.update({"persistent_keepalive": peer.persistent_keepalive} if peer.persistent_keepalive else {})
        entries.append(entry)
        if peer.has_preshared_key:
            text = f"add preshared_key to its entry in {prefix}static_peers, from a vault"
            host.notes.append(f"the static peer {name} has a preshared key: {text}")
        if peer.in_files_only:
            text = f"delete its entry in {prefix}static_peers if it was removed, because a run adds it"
            host.notes.append(f"the static peer {name} is in the files only, not on the interface: {text}")
    if entries:
        host.variables["static_peers"] = entries


def _key(value: object) -> str:
    text = text_of(value).strip()
    try:
        decode_public_key(text)
    except ValueError:
        return ""
    return text


def _each(parse: Any, values: object) -> list[Any]:
    found = []
    for value in values if isinstance(values, list) else ():
        try:
            found.append(parse(text_of(value)))
        except ValueError:
            continue
    return found


def _number(value: object, highest: int) -> int:
    plain = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= highest
    return int(value) if plain else 0  # type: ignore[call-overload]
