# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role variables of one member, parsed and checked one by one.

Rules across hosts are in `rules.py`. This plugin util is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ....module_utils._interface.option_types import plain_path
from ....module_utils._ip import answers
from ....module_utils._ip.prefix import Address, Prefix, parse_address
from ....module_utils._wireguard.endpoint import (
    Endpoint,
    address_family,
    canonical_host,
    parse_endpoint,
    refuse_several,
)
from ....module_utils._wireguard.keys import decode_public_key
from ..._problems import Problem, host_list
from ..._variable_reader import Reader, shown
from ..plan_model.fleet import HostInput, PeerOverride, StaticPeer
from .adopted import adopted_values
from .networks import parse_allowed_ip, parse_network, parse_overlay_network

# The variables of every topology, without the prefix of the role. None of them is a secret.
VARIABLES = (
    "addresses",
    "adopt",
    "adopt_allow_loss",
    "allow_mass_removal",
    "endpoint",
    "endpoint_family",
    "forward",
    "fwmark",
    "interface",
    "mtu",
    "network",
    "networks",
    "open_firewall",
    "peer_overrides",
    "persistence",
    "persistent_keepalive",
    "port",
    "private_key_file",
    "public_key",
    "purge",
    "revoked",
    "routes",
    "routes_except",
    "static_peers",
    "threaded_napi",
    "userspace",
    "verify_seconds",
)

# Variables of all roles: if the variable of a role is null or empty, the one with this prefix is used.
SHARED_PREFIX = "overlay_"
SHARED = ("persistence", "revoked", "userspace")

_STATIC_PEER_KEYS = (
    "name",
    "public_key",
    "endpoint",
    "allowed_ips",
    "persistent_keepalive",
    "preshared_key",
)
_OVERRIDE_KEYS = ("endpoint", "persistent_keepalive")
_INTERFACE = re.compile(r"[A-Za-z0-9_=+-][A-Za-z0-9_=+.-]{0,14}")
_NO_INTERFACE = ("all", "default", "lo")
# Text that is rather a public key with a typing error than an inventory name.
_LIKE_A_KEY = re.compile(r"[A-Za-z0-9+/]{40,46}={0,2}")
# What YAML and Jinja write for no value, and words that are rather a typing error than the name of a host.
_NO_NAMES = ("auto", "none", "null", "undefined", "true", "false", "yes", "no")
# The last two are of Debian's /etc/hosts.
_LOOPBACK_NAMES = (
    *("localhost", "localhost.localdomain", "localhost6", "localhost6.localdomain6"),
    *("ip6-localhost", "ip6-loopback"),
)

DEFAULT_PORT = 51820
AUTO = "auto"
NONE = "none"
LONGEST_WAIT = 600  # seconds, of probe_info


@dataclass(frozen=True)
class Settings:
    """The settings of one host. endpoint: "auto", "none" or the endpoint. forward: None for automatic.

    persistent_keepalive: None for automatic. threaded_napi: None to leave it unchanged. routes_except: networks that the
    host reaches by itself. port_is_given: whether a variable sets the port. adopted: notes of port and addresses of an
    adopted interface, where no variable sets them. refused: the variables, without prefix, whose values are refused and
    replaced by defaults: no rule draws a conclusion from these.
    """

    interface: str
    network: tuple[Prefix, ...]
    addresses: tuple[Address, ...]
    port: int
    endpoint: Endpoint | str
    endpoint_family: str
    persistent_keepalive: int | None
    mtu: int
    fwmark: int
    networks: tuple[Prefix, ...]
    static_peers: tuple[StaticPeer, ...]
    peer_overrides: Mapping[str, PeerOverride]
    public_key: str
    private_key_file: str
    routes: bool
    purge: bool
    persistence: str
    userspace: bool
    adopt: bool
    adopt_allow_loss: bool
    allow_mass_removal: bool
    forward: bool | None
    revoked: tuple[str, ...]
    threaded_napi: bool | None = None
    routes_except: tuple[Prefix, ...] = ()
    open_firewall: bool = False
    port_is_given: bool = True
    adopted: Mapping[str, str] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()


def read_settings(
    host: HostInput,
    prefix: str,
    problems: list[Problem],
    *,
    may_skip_verification: bool = True,
    may_have_any_port: bool = True,
) -> Settings:
    """Return the settings of a host; problems are appended. may_skip_verification: whether verify_seconds may be 0.

    may_have_any_port: whether the port may be 0; others reach such a host only after its own first packet.
    """
    known = len(problems)
    read = Reader(host.name, prefix, host.variables, problems)
    if not host.name.isprintable():
        read.note(
            "interface", "the name of the host has control characters, and names are written to configuration files"
        )
    interface = interface_name(read, "interface", "wg0")
    network = read.parsed("network", parse_overlay_network)
    read.seconds("verify_seconds", 0 if may_skip_verification else 1, LONGEST_WAIT)
    kept = adopted_values(host.fact, interface)
    port_is_given = read.given("port") is not None
    port = read.integer("port", kept.port or DEFAULT_PORT, 0, 65535)
    if not port and not may_have_any_port:
        port = DEFAULT_PORT
        read.note("port", f"0 is any port, and others reach this host at a fixed one; write one such as {DEFAULT_PORT}")
    addresses = read.parsed("addresses", lambda text: _address(text, network))
    keeps_addresses = not network and not addresses
    found = Settings(
        interface=interface,
        network=network,
        addresses=kept.addresses if keeps_addresses else addresses,
        port=port,
        endpoint=_endpoint(read, port),
        endpoint_family=read.choice("endpoint_family", AUTO, (AUTO, "ipv4", "ipv6")),
        persistent_keepalive=_given_integer(read, "persistent_keepalive", 65535),
        mtu=_mtu(read),
        fwmark=read.integer("fwmark", 0, 0, 0xFFFFFFFF),
        networks=read.parsed("networks", parse_network),
        static_peers=tuple(_static_peers(read)),
        peer_overrides=_overrides(read),
        public_key=_public_key(read),
        private_key_file=_private_key_file(read, interface),
        routes=read.boolean("routes", True),
        purge=read.boolean("purge", True),
        persistence=read.choice("persistence", AUTO, (AUTO, "networkd", "wg_quick", NONE)),
        userspace=read.boolean("userspace", False),
        adopt=read.boolean("adopt", False),
        adopt_allow_loss=read.boolean("adopt_allow_loss", False),
        allow_mass_removal=read.boolean("allow_mass_removal", False),
        forward=None if read.given("forward") in (None, AUTO) else read.boolean("forward", False),
        revoked=read.parsed("revoked", _revocable),
        threaded_napi=None if read.given("threaded_napi") is None else read.boolean("threaded_napi", False),
        routes_except=read.parsed("routes_except", parse_network),
        open_firewall=read.boolean("open_firewall", False),
        port_is_given=port_is_given,
        adopted=kept.notes(port=not port_is_given, addresses=keeps_addresses),
    )
    noted = problems[known:]
    problems[known:] = [
        one._replace(variable=SHARED_PREFIX + name)
        if (name := one.variable.removeprefix(prefix)) in host.shared
        else one
        for one in noted
    ]
    return replace(found, refused=frozenset(one.variable.removeprefix(prefix) for one in noted))


def interface_name(read: Reader, variable: str, default: str) -> str:
    """Return the name of an interface. An invalid name is noted and replaced by the default."""
    name = read.text(variable, default)
    if not is_interface_name(name):
        wanted = f"1 to 15 of A-Z a-z 0-9 _ = + . -, without a leading dot, and neither {' nor '.join(_NO_INTERFACE)}"
        read.note(variable, f"{name!r} is no interface name, which has {wanted}")
        return default
    return name


def _given_integer(read: Reader, name: str, highest: int) -> int | None:
    """Return a whole number from 0, None where it is not set."""
    return None if read.given(name) is None else read.integer(name, 0, 0, highest)


def is_interface_name(name: str) -> bool:
    """Return whether the kernel (dev_valid_name) and wg-quick(8) accept a name of an interface."""
    return bool(_INTERFACE.fullmatch(name)) and name not in _NO_INTERFACE


def _revocable(text: str) -> str:
    """Return an inventory name or a public key. Raises ValueError for a damaged public key."""
    if _LIKE_A_KEY.fullmatch(text):
        try:
            decode_public_key(text)
        except ValueError as error:
            raise ValueError(f"{text!r} is neither an inventory name nor a public key: {error}") from None
    return text


def _address(text: str, networks: tuple[Prefix, ...]) -> Address:
    """Return an explicit address; without a length it gets that of its network."""
    address = parse_address(text)
    if "/" in text:
        return address
    for network in networks:
        if network.contains(address.host):
            return Address(address.family, address.packed, network.length)
    return address


def _mtu(read: Reader) -> int:
    # Every IPv4 host must accept 576 bytes (RFC 791).
    mtu = read.integer("mtu", 0, 0, 65535)
    if 0 < mtu < 576:
        read.note("mtu", f"{mtu} is less than the 576 of IPv4; set it to 0 for the automatic MTU")
        return 0
    return mtu


def endpoint_of(text: str) -> Endpoint:
    """Return the endpoint that an address or name stands for, with port 0 where it is given without one.

    Raises ValueError with what to write instead.
    """
    refuse_several(text)
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if bare.lower() in _NO_NAMES:
        raise ValueError(f"{text!r} is not the name of a host; write {AUTO}, {NONE}, or an address or name")
    if address_family(bare) is not None or (":" not in bare and "]" not in bare):
        return Endpoint(canonical_host(bare), 0)
    return parse_endpoint(text)


def with_port(endpoint: Endpoint, port: int) -> Endpoint:
    """Return an endpoint with the given port where it has none of its own.

    Raises ValueError where neither has one.
    """
    if endpoint.port:
        return endpoint
    if not port:
        example = endpoint._replace(port=DEFAULT_PORT)
        raise ValueError(f"{endpoint.host!r} has no port; write {example}, with the port at which it is reached")
    return endpoint._replace(port=port)


def is_loopback(host: str) -> bool:
    """Return whether the host of an endpoint is the loopback."""
    if address_family(host) is None:
        name = host.lower().rstrip(".")
        return name in _LOOPBACK_NAMES or name.endswith(".localhost")  # RFC 6761
    return answers.is_loopback(host)


def _checked_endpoint(read: Reader, name: str, text: str, port: int) -> Endpoint | None:
    try:
        endpoint = with_port(endpoint_of(text), port)
    except ValueError as error:
        reason = str(error)
        read.note(name, reason if repr(text) in reason else f"{text!r}: {reason}")
        return None
    if is_loopback(endpoint.host):
        read.note(name, f"{text!r} is loopback; write the address or name at which other hosts reach it")
        return None
    return endpoint


def _endpoint(read: Reader, port: int) -> Endpoint | str:
    text = read.text("endpoint", AUTO)
    if text in (AUTO, NONE):
        return text
    found = _checked_endpoint(read, "endpoint", text, port or DEFAULT_PORT)
    if found is not None and not port and not endpoint_of(text).port:
        read.note("port", any_port(text))
    return found or AUTO


def any_port(endpoint: str) -> str:
    """Return the problem of the port 0 on a host that others reach at an endpoint."""
    return (
        f"0 is any port, so packets to {endpoint} do not arrive; write the port to which they are sent, such as "
        f"{DEFAULT_PORT}"
    )


def _public_key(read: Reader) -> str:
    key = read.given("public_key")
    if key is None:
        return ""
    # Never quoted: it can be a misplaced private key.
    try:
        if not isinstance(key, str):
            raise ValueError("a public key is base64 text")
        decode_public_key(key)
    except ValueError as error:
        read.note("public_key", str(error))
        return ""
    return key.strip()


def _private_key_file(read: Reader, interface: str) -> str:
    path = read.text("private_key_file", f"/etc/wireguard/{interface}.key")
    try:
        plain_path(path)
    except ValueError as error:
        quoted = "this" if _LIKE_A_KEY.fullmatch(path) else shown(path)  # a misplaced private key
        read.note("private_key_file", f"{quoted} is {error}")
    return path


def _static_peers(read: Reader) -> list[StaticPeer]:
    found = []
    for index, values in enumerate(read.mappings("static_peers")):
        name = f"static_peers[{index}]"
        inner = read.inner(name, values, _STATIC_PEER_KEYS)
        key = _public_key(inner)
        if not key:
            if not inner.given("public_key"):
                inner.note("public_key", "a peer needs a public key")
            continue
        text = inner.text("endpoint")
        endpoint = _checked_endpoint(inner, "endpoint", text, 0) if text else None
        found.append(
            StaticPeer(
                name=inner.text("name"),
                public_key=key,
                endpoint=endpoint,
                allowed_ips=inner.parsed("allowed_ips", parse_allowed_ip),
                persistent_keepalive=inner.integer("persistent_keepalive", 0, 0, 65535),
            )
        )
    return found


def _overrides(read: Reader) -> dict[str, PeerOverride]:
    value = read.given("peer_overrides")
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(entry, dict) for entry in value.values()):
        read.note("peer_overrides", "this is not a dictionary of dictionaries, by inventory names of peers")
        return {}
    found = {}
    for name, values in value.items():
        inner = read.inner(f"peer_overrides[{str(name)!r}]", values, _OVERRIDE_KEYS)
        keepalive = _given_integer(inner, "persistent_keepalive", 65535)
        text = inner.text("endpoint")
        endpoint = None if text in ("", NONE) else _override_endpoint(read, str(name), text)
        found[str(name)] = PeerOverride(endpoint, keepalive, text == NONE)
    return found


def _override_endpoint(read: Reader, name: str, text: str) -> Endpoint | None:
    """Return the endpoint of a peer override, with port 0 where it has none: it gets the peer's."""
    try:
        return endpoint_of(text)
    except ValueError as error:
        read.note("peer_overrides", f"{host_list([name])}: {error}")
        return None
