# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role variables of one member, parsed and checked one by one.

Rules that span hosts are in `validation.py`. This plugin util is private to the collection.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import (
    Address,
    Prefix,
    parse_address,
    parse_prefix,
)
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.endpoint import (
    Endpoint,
    address_family,
    canonical_host,
    parse_endpoint,
)
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.keys import decode_public_key
from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem
from ansible_collections.wirewright.overlay.plugins.plugin_utils.reader import Reader
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import (
    HostInput,
    PeerOverride,
    StaticPeer,
)

# The variables a fleet is planned from, whatever its topology, without the role's prefix. No secret is among them.
VARIABLES = (
    "addresses",
    "adopt",
    "allow_mass_removal",
    "endpoint",
    "endpoint_family",
    "forward",
    "fwmark",
    "interface",
    "mtu",
    "network",
    "networks",
    "peer_overrides",
    "persistence",
    "persistent_keepalive",
    "port",
    "private_key_file",
    "public_key",
    "purge",
    "revoked",
    "routes",
    "static_peers",
    "threaded_napi",
    "userspace",
)

# Those that all roles share: where a role's own variable is not set (null or empty text), that of this prefix counts.
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
_NO_INTERFACE = ("all", "default")
# What would need quoting in a shell, a unit or a configuration file; the path goes into all three.
_UNSAFE_IN_PATH = re.compile(r"[\s%'\"\\$`;&|<>#(){}\[\]*?!]")

AUTO = "auto"
NONE = "none"


@dataclass(frozen=True)
class Settings:
    """What the inventory wants of one host. endpoint is "auto", "none" or what to use; forward None: as needed.

    threaded_napi None: left alone.
    """

    interface: str
    network: tuple[Prefix, ...]
    addresses: tuple[Address, ...]
    port: int
    endpoint: Endpoint | str
    endpoint_family: str
    persistent_keepalive: int
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
    allow_mass_removal: bool
    forward: bool | None
    revoked: tuple[str, ...]
    threaded_napi: bool | None = None


def read_settings(host: HostInput, prefix: str, problems: list[Problem], keepalive: int = 0) -> Settings:
    """Return a host's settings; what is wrong with them is appended to the problems.

    keepalive: the seconds of persistent_keepalive where the inventory says nothing.
    """
    read = Reader(host.name, prefix, host.variables, problems)
    if not host.name.isprintable():
        read.note("interface", "the host's name has control characters, and names go into configuration files")
    interface = interface_name(read, "interface", "wg0")
    network = read.parsed("network", parse_prefix)
    port = read.integer("port", 51820, 0, 65535)
    return Settings(
        interface=interface,
        network=network,
        addresses=read.parsed("addresses", lambda text: _address(text, network)),
        port=port,
        endpoint=_endpoint(read, port),
        endpoint_family=read.choice("endpoint_family", AUTO, (AUTO, "ipv4", "ipv6")),
        persistent_keepalive=read.integer("persistent_keepalive", keepalive, 0, 65535),
        mtu=_mtu(read),
        fwmark=read.integer("fwmark", 0, 0, 0xFFFFFFFF),
        networks=read.parsed("networks", parse_prefix),
        static_peers=tuple(_static_peers(read)),
        peer_overrides=_overrides(read),
        public_key=_public_key(read),
        private_key_file=_private_key_file(read, interface),
        routes=read.boolean("routes", True),
        purge=read.boolean("purge", True),
        persistence=read.choice("persistence", AUTO, (AUTO, "networkd", "wg_quick", NONE)),
        userspace=read.boolean("userspace", False),
        adopt=read.boolean("adopt", False),
        allow_mass_removal=read.boolean("allow_mass_removal", False),
        forward=None if read.given("forward") in (None, AUTO) else read.boolean("forward", False),
        revoked=read.parsed("revoked", str),
        threaded_napi=None if read.given("threaded_napi") is None else read.boolean("threaded_napi", False),
    )


def interface_name(read: Reader, variable: str, default: str) -> str:
    """Return the name of an interface; what is none is noted, and the default takes its place."""
    name = read.text(variable, default)
    # What the kernel takes (dev_valid_name) and wg-quick(8) accepts as a file name.
    if not _INTERFACE.fullmatch(name) or name in _NO_INTERFACE:
        wanted = f"1 to 15 of A-Z a-z 0-9 _ = + . -, without a leading dot, and neither {' nor '.join(_NO_INTERFACE)}"
        read.note(variable, f"{name!r} is no interface name, which has {wanted}")
        return default
    return name


def _address(text: str, networks: tuple[Prefix, ...]) -> Address:
    """Return an explicit address; without a length it gets its network's."""
    address = parse_address(text)
    if "/" in text:
        return address
    for network in networks:
        if network.contains(address.host):
            return Address(address.family, address.packed, network.length)
    return address


def _mtu(read: Reader) -> int:
    # 576 is what every IPv4 host must accept (RFC 791); 0 leaves the choice to the planner.
    mtu = read.integer("mtu", 0, 0, 65535)
    if 0 < mtu < 576:
        read.note("mtu", f"{mtu} is less than the 576 of IPv4; leave it at 0 for an automatic one")
        return 0
    return mtu


def endpoint_of(text: str, port: int) -> Endpoint:
    """Return the endpoint that an address or name, with or without a port, stands for.

    Raises ValueError with what to write instead.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if address_family(bare) is not None or (":" not in bare and "]" not in bare):
        if port == 0:
            raise ValueError(f"{text!r} needs a port, because the host's own is 0 (any)")
        return Endpoint(canonical_host(bare), port)
    return parse_endpoint(text)


def is_loopback(host: str) -> bool:
    """Return whether an endpoint's host is this very machine."""
    family = address_family(host)
    if family is None:
        return host.lower().rstrip(".") in ("localhost", "localhost.localdomain")
    packed = socket.inet_pton(family, host.partition("%")[0])
    return packed[0] == 127 if family == socket.AF_INET else packed == bytes(15) + b"\1"


def _checked_endpoint(read: Reader, name: str, text: str, port: int) -> Endpoint | None:
    try:
        endpoint = endpoint_of(text, port)
    except ValueError as error:
        read.note(name, str(error))
        return None
    if is_loopback(endpoint.host):
        read.note(name, f"{text!r} is the loopback, which no other host can reach")
        return None
    return endpoint


def _endpoint(read: Reader, port: int) -> Endpoint | str:
    text = read.text("endpoint", AUTO)
    if text in (AUTO, NONE):
        return text
    return _checked_endpoint(read, "endpoint", text, port) or AUTO


def _public_key(read: Reader) -> str:
    key = read.given("public_key")
    if key is None:
        return ""
    # The text is never quoted: it may be a private key in the wrong place.
    try:
        if not isinstance(key, str):
            raise ValueError("a public key is a text in base64")
        decode_public_key(key)
    except ValueError as error:
        read.note("public_key", str(error))
        return ""
    return key.strip()


def _private_key_file(read: Reader, interface: str) -> str:
    path = read.text("private_key_file", f"/etc/wireguard/{interface}.key")
    if not path.startswith("/") or _UNSAFE_IN_PATH.search(path):
        read.note("private_key_file", f"{path!r} is not a plain absolute path")
    return path


def _static_peers(read: Reader) -> list[StaticPeer]:
    found = []
    for index, values in enumerate(read.mappings("static_peers")):
        name = f"static_peers[{index}]"
        inner = read.inner(name, values, _STATIC_PEER_KEYS)
        key = _public_key(inner)
        if not key:
            if not inner.given("public_key"):
                inner.note("public_key", "a peer needs its public key")
            continue
        text = inner.text("endpoint")
        endpoint = _checked_endpoint(inner, "endpoint", text, 0) if text else None
        found.append(
            StaticPeer(
                name=inner.text("name"),
                public_key=key,
                endpoint=str(endpoint) if endpoint else "",
                allowed_ips=tuple(str(prefix) for prefix in inner.parsed("allowed_ips", parse_prefix)),
                persistent_keepalive=inner.integer("persistent_keepalive", 0, 0, 65535),
            )
        )
    return found


def _overrides(read: Reader) -> dict[str, PeerOverride]:
    value = read.given("peer_overrides")
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(entry, dict) for entry in value.values()):
        read.note("peer_overrides", "this is not a dictionary of dictionaries, by the peers' inventory names")
        return {}
    found = {}
    for name, values in value.items():
        inner = read.inner(f"peer_overrides[{str(name)!r}]", values, _OVERRIDE_KEYS)
        keepalive = None
        if inner.given("persistent_keepalive") is not None:
            keepalive = inner.integer("persistent_keepalive", 0, 0, 65535)
        found[str(name)] = PeerOverride(inner.text("endpoint") or None, keepalive)
    return found
