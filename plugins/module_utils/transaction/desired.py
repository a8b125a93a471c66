# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a caller asks for, as values: the interfaces of overlay_apply and the options of the wg_* modules.

Everything is checked here, and all that is wrong is said at once, before anything is read or touched.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..host.sysctls import Sysctl, parse_name
from ..prefix import Address, Prefix, parse_address, parse_prefix
from ..refusal import InvalidOptions
from ..wireguard.endpoint import Endpoint, parse_endpoint
from ..wireguard.keys import ZERO, decode_key, decode_public_key
from ..wireguard.model import Peer
from .boot_files import METHODS, NONE
from .single_values import Errors, interface_name, number, one_of, plain_name, plain_path

IPV6_MINIMUM_MTU = 1280
_MTU_RANGE = (576, 65535)

T = TypeVar("T")


@dataclass(frozen=True)
class WantedPeer:
    """A peer as asked for. Its endpoint is kept apart: whether it has to be set depends on what was asked before.

    One that is not routed is listened to, and nothing is sent to it by a route of ours.
    """

    peer: Peer
    endpoint: Endpoint | None = None
    name: str = ""
    addresses: tuple[str, ...] = ()
    routed: bool = True


@dataclass(frozen=True)
class WantedInterface:
    """An interface as asked for; None leaves alone.

    An absent one names a private key file only when that is to go too. ``owns`` says that the whole interface is
    ours, so that it carries our mark and another's is refused; ``creates`` that a missing one is made; ``remembers``
    that what was asked for is kept in the interface's memory.
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
    route_metric: int = 0
    userspace: bool = False
    adopt: bool = False
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


def parse_peer(raw: Mapping[str, Any], where: str, errors: Errors) -> WantedPeer | None:
    """Return one peer; None where its key is no key."""
    if not isinstance(raw, Mapping):
        errors.lines.append(f"{where}: a peer is a mapping with at least public_key")
        return None
    name = errors.attempt(f"{where}.name", plain_name, raw.get("name") or "") or ""
    where = f"{where} ({name})" if name else where
    public_key = errors.attempt(f"{where}.public_key", decode_public_key, raw.get("public_key") or "")
    endpoint = keepalive = prefixes = None
    if raw.get("endpoint"):
        endpoint = errors.attempt(f"{where}.endpoint", parse_endpoint, raw["endpoint"])
    if raw.get("persistent_keepalive") is not None:
        check = number(0, 65535)
        keepalive = errors.attempt(f"{where}.persistent_keepalive", check, raw["persistent_keepalive"])
    if raw.get("allowed_ips") is not None:
        prefixes = frozenset(errors.each(f"{where}.allowed_ips", parse_prefix, raw["allowed_ips"]))
    preshared_key = parse_preshared_key(raw.get("preshared_key"), where, errors)
    if public_key is None:
        return None
    peer = Peer(public_key, preshared_key, None, keepalive, prefixes)
    return WantedPeer(peer, endpoint, name, tuple(raw.get("addresses") or ()), bool(raw.get("routed", True)))


def parse_preshared_key(text: str | None, where: str, errors: Errors) -> bytes | None:
    """Return a preshared key: None for one that is left alone, zeros for an empty text, which clears it."""
    if text is None:
        return None
    if text == "":
        return ZERO
    return errors.attempt(f"{where}.preshared_key", decode_key, text)


def parse_peers(
    raws: Sequence[Mapping[str, Any]], where: str, errors: Errors, *, routed: bool = False
) -> tuple[WantedPeer, ...]:
    """Return the peers of one interface; a key or an allowed IP that two of them want is an error.

    A peer that says ``exit`` may have everything as allowed IP, and still no route of ours to it.
    """
    wanted: dict[bytes, WantedPeer] = {}
    owner: dict[Prefix, str] = {}
    for position, raw in enumerate(raws):
        at = f"{where}[{position}]"
        found = parse_peer(raw, at, errors)
        if found is None:
            continue
        label = found.name or at
        twin = wanted.get(found.peer.public_key)
        if twin is not None:
            errors.lines.append(f"{at}: {label} and {twin.name or 'an earlier peer'} have the same public key")
        wanted[found.peer.public_key] = found
        for prefix in found.peer.allowed_ips or ():
            if prefix in owner:
                errors.lines.append(f"{at}: allowed IP {prefix} is wanted by {owner[prefix]} and by {label}")
            owner[prefix] = label
            if routed and prefix.length == 0 and not raw.get("exit"):
                errors.lines.append(
                    f"{at}: allowed IP {prefix} would send all traffic of the host into the tunnel: "
                    "list the networks behind the peer, or set routes to false"
                )
    return tuple(wanted.values())


def parse_interface(
    raw: Mapping[str, Any], preshared_keys: Mapping[str, str], where: str, errors: Errors
) -> WantedInterface | None:
    """Return one interface of an overlay_apply document; None where it has no usable name."""
    name = errors.attempt(f"{where}.name", interface_name, raw.get("name"))
    if name is None:
        return None
    where = f"{where} ({name})"
    unknown = sorted(set(raw) - _INTERFACE_FIELDS)
    if unknown:
        errors.lines.append(f"{where}: unknown {', '.join(unknown)}; known are {', '.join(sorted(_INTERFACE_FIELDS))}")
    state = errors.attempt(f"{where}.state", one_of("present", "absent"), raw.get("state", "present"))
    if state == "absent":
        key = None
        if raw.get("remove_private_key"):
            key = errors.attempt(f"{where}.private_key_file", plain_path, raw.get("private_key_file"))
        return WantedInterface(name, present=False, private_key_file=key)

    def optional(key: str, convert: Callable[[Any], T]) -> T | None:
        value = raw.get(key)
        return None if value is None else errors.attempt(f"{where}.{key}", convert, value)

    routed = bool(raw.get("routes", True))
    peers = None
    if raw.get("peers") is not None:
        at = f"{where}.peers"
        raws = raw["peers"] if isinstance(raw["peers"], (list, tuple)) else errors.each(at, str, raw["peers"])
        with_secrets = [_with_secret(peer, preshared_keys, f"{at}[{i}]", errors) for i, peer in enumerate(raws)]
        peers = parse_peers(with_secrets, at, errors, routed=routed)
    addresses = None
    if raw.get("addresses") is not None:
        addresses = tuple(errors.each(f"{where}.addresses", parse_address, raw["addresses"]))
    wanted = WantedInterface(
        name,
        private_key_file=optional("private_key_file", plain_path),
        listen_port=optional("listen_port", number(0, 65535)),
        fwmark=optional("fwmark", number(0, 2**32 - 1)),
        mtu=optional("mtu", number(*_MTU_RANGE)),
        threaded_napi=optional("threaded_napi", bool),
        addresses=addresses,
        up=optional("up", bool) if "up" in raw else True,
        peers=peers,
        purge=bool(raw.get("purge", False)),
        routes=routed,
        route_metric=optional("route_metric", number(0, 2**32 - 1)) or 0,
        userspace=bool(raw.get("userspace", False)),
        adopt=bool(raw.get("adopt", False)),
        persistence=optional("persistence", one_of(*METHODS)) or NONE,
        inventory_name=errors.attempt(f"{where}.inventory_name", plain_name, raw.get("inventory_name") or "") or "",
        unknown_peers=frozenset(errors.each(f"{where}.unknown_peers", plain_name, raw.get("unknown_peers") or ())),
        revoked=dict(errors.mapping(f"{where}.revoked", raw.get("revoked"))),
        sysctls=_sysctls(errors, where, raw.get("sysctls")),
        allow_mass_removal=bool(raw.get("allow_mass_removal", False)),
        notes={str(key): str(text) for key, text in errors.mapping(f"{where}.notes", raw.get("notes")).items()},
    )
    _check_mtu(wanted, where, errors)
    return wanted


_INTERFACE_FIELDS = frozenset(
    (
        "name",
        "state",
        "private_key_file",
        "remove_private_key",
        "listen_port",
        "fwmark",
        "mtu",
        "threaded_napi",
        "addresses",
        "up",
        "peers",
        "purge",
        "routes",
        "route_metric",
        "userspace",
        "adopt",
        "persistence",
        "inventory_name",
        "unknown_peers",
        "revoked",
        "sysctls",
        "allow_mass_removal",
        "notes",
    )
)


def _with_secret(peer: Any, preshared_keys: Mapping[str, str], where: str, errors: Errors) -> Any:
    """Return a peer with its preshared key, empty for none: an inventory that says none means none."""
    if not isinstance(peer, Mapping):
        return peer
    unknown = sorted(set(peer) - _PEER_FIELDS)
    if unknown:
        errors.lines.append(f"{where}: unknown {', '.join(unknown)}; known are {', '.join(sorted(_PEER_FIELDS))}")
    return {**peer, "preshared_key": preshared_keys.get(str(peer.get("public_key")), "")}


def _sysctls(errors: Errors, where: str, raw: Any) -> tuple[Sysctl, ...]:
    return tuple(_sysctl(errors, where, item) for item in errors.mapping(f"{where}.sysctls", raw).items())


_PEER_FIELDS = frozenset(
    ("public_key", "name", "endpoint", "allowed_ips", "persistent_keepalive", "addresses", "routed", "exit")
)


def _sysctl(errors: Errors, where: str, item: tuple[str, Any]) -> Sysctl:
    path = errors.attempt(f"{where}.sysctls", parse_name, item[0]) or ""
    return Sysctl(path, " ".join(str(item[1]).split()))


def _check_mtu(wanted: WantedInterface, where: str, errors: Errors) -> None:
    has_ipv6 = any(len(address.packed) == 16 for address in wanted.addresses or ())
    if has_ipv6 and wanted.mtu is not None and wanted.mtu < IPV6_MINIMUM_MTU:
        errors.lines.append(
            f"{where}.mtu: {wanted.mtu} is below the {IPV6_MINIMUM_MTU} that IPv6 needs (RFC 8200): "
            "raise it, or leave the interface without IPv6 addresses"
        )


def parse_document(
    interfaces: Sequence[Mapping[str, Any]], preshared_keys: Mapping[str, Mapping[str, str]]
) -> tuple[WantedInterface, ...]:
    """Return the interfaces of an overlay_apply document. Raises InvalidOptions with everything that is wrong."""
    errors = Errors()
    wanted: dict[str, WantedInterface] = {}
    for position, raw in enumerate(interfaces):
        if not isinstance(raw, Mapping):
            errors.lines.append(f"interfaces[{position}]: an interface is a mapping with at least name")
            continue
        secrets = errors.mapping(f"preshared_keys.{raw.get('name')}", preshared_keys.get(str(raw.get("name"))))
        defaults = {"private_key_file": f"/etc/wireguard/{raw.get('name')}.key"}
        found = parse_interface({**defaults, **raw}, secrets, f"interfaces[{position}]", errors)
        if found is None:
            continue
        if found.name in wanted:
            errors.lines.append(f"interfaces[{position}]: {found.name} is there twice")
        wanted[found.name] = found
    errors.refuse()
    return tuple(wanted.values())


_MODULE_FIELDS = (
    "name",
    "state",
    "private_key_file",
    "listen_port",
    "fwmark",
    "mtu",
    "threaded_napi",
    "addresses",
    "up",
    "userspace",
)


def parse_module_interface(params: Mapping[str, Any]) -> WantedInterface:
    """Return the interface that wg_interface's options describe. Raises InvalidOptions."""
    errors = Errors()
    raw = {key: params[key] for key in _MODULE_FIELDS}
    found = parse_interface({**raw, "routes": False}, {}, "wg_interface", errors)
    errors.refuse()
    if found is None:
        raise InvalidOptions(["name: missing"])
    return WantedInterface(**{**found.__dict__, "owns": False, "remembers": False})


def parse_module_peers(name: str, raws: Sequence[Mapping[str, Any]], purge: bool) -> WantedInterface:
    """Return the interface whose peers wg_peer's options describe, with everything else left alone.

    Raises InvalidOptions.
    """
    errors = Errors()
    checked = errors.attempt("interface", interface_name, name)
    present = [raw for raw in raws if raw.get("state", "present") == "present"]
    peers = parse_peers(present, "peers", errors)
    absent = errors.each(
        "peers.public_key", decode_public_key, [raw["public_key"] for raw in raws if raw not in present]
    )
    errors.refuse()
    return WantedInterface(
        checked or name,
        up=None,
        peers=peers,
        absent_peers=tuple(absent),
        purge=purge,
        owns=False,
        creates=False,
        allow_mass_removal=True,
    )
