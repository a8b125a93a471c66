# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The interfaces of overlay_apply as values. The options of wg_interface and wg_peer are in module_options.py.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from .._engine.options import ALL_BITS, OptionReader, one_of, within
from .._host.addresses import InterfaceAddress
from .._host.sysctls import Sysctl, parse_name
from .._ip.prefix import Address, Prefix, parse_address, parse_prefix
from .._wireguard.endpoint import Endpoint, parse_endpoint
from .._wireguard.keys import ZERO, decode_public_key, decode_secret
from .._wireguard.model import Peer
from .boot_files import METHODS, NONE
from .option_types import interface_name, plain_name, plain_path

IPV6_MINIMUM_MTU = 1280
_MTU_RANGE = (576, 65535)


@dataclass(frozen=True)
class WantedPeer:
    """A desired peer. Its endpoint is separate: whether it has to be set depends on the stored one.

    routed: whether routes are created for its allowed IPs. endpoint_family: where the endpoint is a name, the only family
    that its address may have, "" for both. keeps_preshared_key: whether a present peer keeps its own.
    """

    peer: Peer
    endpoint: Endpoint | None = None
    name: str = ""
    addresses: tuple[str, ...] = ()
    routed: bool = True
    endpoint_family: str = ""
    keeps_preshared_key: bool = False

    def puts_off(self, present: Peer | None) -> bool:
        """Return whether a present peer keeps a preshared key other than the desired one, as the other end has it too."""
        return self.keeps_preshared_key and present is not None and present.preshared_key != self.peer.preshared_key


@dataclass(frozen=True)
class WantedInterface:
    """A desired interface; None means "not changed".

    An absent interface has a private key file only if that is removed too. owns: the whole interface is managed, so it gets
    the collection's alias, and an unmanaged one is refused. creates: a missing interface is created. remembers: the desired
    state is stored in the interface's state file. new_key: the placeholder for a private key that is not generated yet.
    routes_except: networks without routes, though they are allowed IPs. taken_over, adopted: of an adoption, paths (files of
    others, their copies, the key), and the allowed IPs whose routes of others are taken over.
    """

    name: str
    present: bool = True
    private_key_file: str | None = None
    listen_port: int | None = None
    fwmark: int | None = None
    mtu: int | None = None
    threaded_napi: bool | None = None
    addresses: tuple[Address, ...] | None = None
    up: bool | None = True
    peers: tuple[WantedPeer, ...] | None = None
    absent_peers: tuple[bytes, ...] = ()
    purge: bool = False
    routes: bool = False
    routes_except: tuple[Prefix, ...] = ()
    route_metric: int = 0
    userspace: bool = False
    adopt: bool = False
    adopt_allow_loss: bool = False
    persistence: str = NONE
    owns: bool = True
    creates: bool = True
    remembers: bool = True
    inventory_name: str = ""
    unknown_peers: frozenset[str] = frozenset()
    revoked: Mapping[str, str] = field(default_factory=dict)
    sysctls: tuple[Sysctl, ...] = ()
    allow_mass_removal: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)
    new_key: bytes = b""
    taken_over: tuple[str, ...] = ()
    adopted: frozenset[Prefix] = frozenset()


DecodeKey = Callable[[str], bytes]


def parse_peer(options: OptionReader, decode: DecodeKey = decode_public_key) -> WantedPeer | None:
    """Return one peer; None where its public key is wrong. ``decode`` reads that: in check mode, placeholders too."""
    name = options.read("name", plain_name, "")
    if name:
        options = OptionReader(options.options, f"{options.path} ({name})", options.errors)
    public_key = options.convert("public_key", decode, options.get("public_key") or "", b"")
    endpoint = options.read("endpoint", parse_endpoint, None) if options.get("endpoint") not in (None, "") else None
    keepalive = options.read("persistent_keepalive", within(0, 65535), None)
    allowed_ips = None if options.get("allowed_ips") is None else frozenset(options.each("allowed_ips", parse_prefix))
    # An empty text clears a preshared key.
    preshared_key = ZERO if options.get("preshared_key") == "" else options.read("preshared_key", decode_secret, None)
    if not public_key:
        return None
    peer = Peer(public_key, preshared_key, None, keepalive, allowed_ips)
    addresses = tuple(options.each("addresses", plain_name))
    family = options.read("endpoint_family", lambda word: one_of(word, ("ipv4", "ipv6")), "")
    if endpoint is None or endpoint.is_address:
        family = ""
    routed, keeps = options.flag("routed", default=True), options.flag("keep_preshared_key")
    return WantedPeer(peer, endpoint, name, addresses, routed, family, keeps)


def parse_peers(
    entries: Iterable[OptionReader], decode: DecodeKey = decode_public_key, *, routed: bool = False
) -> tuple[WantedPeer, ...]:
    """Return the peers of one interface; a public key or an allowed IP of two of them is an error.

    With ``routed``, a peer that routes lead to needs ``exit`` to have everything as allowed IP.
    """
    wanted: dict[bytes, WantedPeer] = {}
    owner: dict[Prefix, str] = {}
    for entry in entries:
        found = parse_peer(entry, decode)
        if found is None:
            continue
        label = found.name or entry.path
        duplicate = wanted.get(found.peer.public_key)
        if duplicate is not None:
            entry.error("", f"{label} and {duplicate.name or 'an earlier peer'} have the same public key")
        wanted[found.peer.public_key] = found
        for prefix in found.peer.allowed_ips or ():
            if prefix in owner:
                entry.error("", f"allowed IP {prefix} belongs to {owner[prefix]} and to {label}")
            owner[prefix] = label
            if routed and prefix.length == 0 and not entry.flag("exit"):
                entry.error(
                    "",
                    f"allowed IP {prefix} would send all traffic of the host into the tunnel: "
                    "list the networks behind the peer, or set O(routes=false)",
                )
    return tuple(wanted.values())


def parse_interface(
    options: OptionReader, name: str, preshared_keys: Mapping[str, str], decode: DecodeKey = decode_public_key
) -> WantedInterface:
    """Return the interface of a name. A peer without a preshared key has none."""
    options.refuse_unknown(_INTERFACE_FIELDS)
    if options.read("state", lambda word: one_of(word, ("present", "absent")), "present") == "absent":
        key = options.required("private_key_file", plain_path, None) if options.flag("remove_private_key") else None
        return WantedInterface(name, present=False, private_key_file=key)
    routed = options.flag("routes", default=True)
    peers = None
    if options.get("peers") is not None:
        entries = list(options.entries("peers", _PEER_FIELDS))
        secrets = [
            {**one.options, "preshared_key": preshared_keys.get(str(one.get("public_key")), "")} for one in entries
        ]
        with_secrets = [OptionReader(raw, one.path, one.errors) for raw, one in zip(secrets, entries)]
        peers = parse_peers(with_secrets, decode, routed=routed)
    addresses = None if options.get("addresses") is None else tuple(options.each("addresses", parse_address))
    keys = [InterfaceAddress(address).key() for address in addresses or ()]
    for twice in sorted({one for one in keys if keys.count(one) > 1}):
        options.reject("addresses", f"lists {twice.bare} more than once; an IPv6 address has one prefix length")
    wanted = WantedInterface(
        name,
        private_key_file=options.read("private_key_file", plain_path, None),
        listen_port=options.read("listen_port", within(0, 65535), None),
        fwmark=options.read("fwmark", within(0, ALL_BITS), None),
        mtu=options.read("mtu", within(*_MTU_RANGE), None),
        threaded_napi=None if options.get("threaded_napi") is None else options.flag("threaded_napi"),
        addresses=addresses,
        up=None if options.options.get("up", True) is None else options.flag("up", default=True),
        peers=peers,
        purge=options.flag("purge"),
        routes=routed,
        routes_except=tuple(options.each("routes_except", parse_prefix)),
        route_metric=options.number("route_metric", 0, ALL_BITS),
        userspace=options.flag("userspace"),
        adopt=options.flag("adopt"),
        adopt_allow_loss=options.flag("adopt_allow_loss"),
        persistence=options.read("persistence", lambda word: one_of(word, METHODS), NONE),
        inventory_name=options.read("inventory_name", plain_name, ""),
        unknown_peers=frozenset(options.each("unknown_peers", plain_name)),
        revoked=dict(_mapping(options, "revoked")),
        sysctls=_sysctls(options),
        allow_mass_removal=options.flag("allow_mass_removal"),
        notes={str(key): str(text) for key, text in _mapping(options, "notes").items()},
        new_key=options.read("new_key", decode, b""),
    )
    has_ipv6 = any(len(address.packed) == 16 for address in wanted.addresses or ())
    if has_ipv6 and wanted.mtu is not None and wanted.mtu < IPV6_MINIMUM_MTU:
        options.reject(
            "mtu",
            f"is below the {IPV6_MINIMUM_MTU} that IPv6 needs (RFC 8200): raise it, or leave the interface without "
            "IPv6 addresses",
        )
    return wanted


_INTERFACE_FIELDS = sorted(
    {"state", "remove_private_key"}
    | {one.name for one in fields(WantedInterface)}
    - {"present", "absent_peers", "owns", "creates", "remembers", "taken_over", "adopted"}
)
_PEER_FIELDS = sorted(
    {"name", "addresses", "routed", "exit", "public_key", "allowed_ips", "persistent_keepalive"}
    | {"endpoint", "endpoint_family", "keep_preshared_key"}
)


def _mapping(options: OptionReader, name: str) -> Mapping[str, Any]:
    inner = options.nested(name)
    return {} if inner is None else inner.options


def _sysctls(options: OptionReader) -> tuple[Sysctl, ...]:
    return tuple(
        Sysctl(options.convert("sysctls", parse_name, name, ""), " ".join(str(value).split()))
        for name, value in _mapping(options, "sysctls").items()
    )


def parse_document(
    interfaces: Sequence[Mapping[str, Any]],
    preshared_keys: Mapping[str, Mapping[str, str]],
    decode: DecodeKey = decode_public_key,
) -> tuple[WantedInterface, ...]:
    """Return the interfaces of an overlay_apply document. Raises InvalidOptions with every error."""
    call = OptionReader({"interfaces": interfaces})
    secrets = OptionReader(preshared_keys, "preshared_keys", call.errors)
    wanted: dict[str, WantedInterface] = {}
    for entry in call.entries("interfaces"):
        name = entry.required("name", interface_name, "")
        if not name:
            continue
        if name in wanted:
            entry.error("", f"{name} is listed twice")
        raw = {"private_key_file": f"/etc/wireguard/{name}.key", **entry.options}
        named = OptionReader(raw, f"{entry.path} ({name})", call.errors)
        wanted[name] = parse_interface(named, name, _mapping(secrets, name), decode)
    call.raise_errors()
    return tuple(wanted.values())
