# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The options of ip_route as routes.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .._engine.options import ALL_BITS, OptionReader
from .._ip.prefix import Prefix, is_link_local, parse_prefix
from .._netlink import route as codec
from .._netlink.table_route import Hop, RouteKey, TableRoute
from . import iproute2_names as names
from .link_routes import IPV6_METRIC, PROTOCOL
from .route_table import FAMILIES, SCOPES, TYPES

_FAMILY_NUMBERS = {"ipv4": int(socket.AF_INET), "ipv6": int(socket.AF_INET6)}
_ANY = {family: Prefix(family, bytes(4 if family == socket.AF_INET else 16), 0) for family in FAMILIES}
# The smallest MTU of IPv4 (RFC 791), and the largest that the kernel stores (fib_metrics.c, ip_metrics_convert).
_MTU = (68, 65520)
_WEIGHT = (1, 256)
_GATEWAY_OPTIONS = ("via", "dev", "onlink")


@dataclass(frozen=True)
class WantedRoutes:
    """The routes of one call."""

    table: int
    present: tuple[TableRoute, ...]
    absent: frozenset[RouteKey]
    purge: bool = False

    @property
    def families(self) -> tuple[int, ...]:
        """The address families to read."""
        if self.purge:
            return FAMILIES
        named = {route.destination.family for route in self.present} | {key[0].family for key in self.absent}
        return tuple(family for family in FAMILIES if family in named)


def parse(options: Mapping[str, Any], index_of: Callable[[str], int] = socket.if_nametoindex) -> WantedRoutes:
    """Return the routes of one call. Raises InvalidOptions with every error."""
    reader = OptionReader(options)
    table = reader.read("table", lambda text: names.table(text, names.tables(), main=True), 0)
    protocol = reader.read("protocol", names.protocol, PROTOCOL)
    purge = bool(options.get("purge"))
    if table == codec.RT_TABLE_MAIN:
        if protocol != PROTOCOL:
            reader.reject("protocol", "is for tables of your own; leave it out in main")
        if purge:
            reader.reject("purge", "is for tables of your own; in main, list routes to remove with state: absent")
    context = _Context(table, protocol, _Interfaces(index_of))
    present: dict[RouteKey, TableRoute] = {}
    absent: set[RouteKey] = set()
    for entry in reader.entries("routes"):
        before = len(reader.errors)
        route = _route(entry, context)
        if route is None or len(reader.errors) > before:
            continue
        key = route.key()
        if key in present or key in absent:
            entry.reject(
                "destination", f"is listed twice with metric {route.metric}; remove one entry or change its metric"
            )
        elif entry.get("state") == "absent":
            absent.add(key)
        else:
            present[key] = route
    reader.raise_errors()
    return WantedRoutes(table, tuple(present.values()), frozenset(absent), purge)


class _Interfaces:
    """Interface indexes by name, each looked up once."""

    def __init__(self, index_of: Callable[[str], int]) -> None:
        self._index_of = index_of
        self._indexes: dict[str, int] = {}

    def index(self, name: str) -> int:
        """Return the index of an interface. Raises ValueError where there is none of this name."""
        if name not in self._indexes:
            try:
                self._indexes[name] = self._index_of(name)
            except (OSError, ValueError):
                self._indexes[name] = 0
        if not self._indexes[name]:
            raise ValueError(f"{name!r} is not an interface of this host; create it first, or correct the name")
        return self._indexes[name]


class _Context(NamedTuple):
    table: int
    protocol: int
    interfaces: _Interfaces


def _route(entry: OptionReader, context: _Context) -> TableRoute | None:
    gateway, source = entry.read("via", _gateway, b""), entry.read("src", _address, b"")
    listed = list(entry.entries("nexthops"))
    gateways = [hop.read("via", _gateway, b"") for hop in listed]
    destination = _destination(entry, [packed for packed in (source, gateway, *gateways) if packed])
    if destination is None:
        return None
    family = destination.family
    metric = entry.number("metric", 0, ALL_BITS)
    if metric == 0 and family == socket.AF_INET6:
        metric = IPV6_METRIC
    if entry.get("state") == "absent":
        return TableRoute(destination, context.table, metric)
    if source and len(source) != len(destination.packed):
        entry.reject("src", f"is not of the family of {destination}")
    for hop, packed in ((entry, gateway), *zip(listed, gateways)):
        if family == socket.AF_INET6 and len(packed) == 4:
            hop.reject("via", "cannot be the gateway of an IPv6 route")
    kind = TYPES[entry.get("type") or "unicast"]
    hops = _hops(entry, kind, destination, gateway, list(zip(listed, gateways)), context.interfaces)
    return TableRoute(
        destination,
        context.table,
        metric,
        kind,
        context.protocol,
        _scope(entry, kind, family, hops),
        hops,
        source,
        entry.number("mtu", *_MTU),
    )


def _destination(entry: OptionReader, evidence: Sequence[bytes]) -> Prefix | None:
    """Return the destination. The family of `default` is given, or that of the addresses of the route."""
    given = entry.get("family")
    if entry.get("destination") == "default":
        family = given or ("ipv6" if evidence and len(evidence[0]) == 16 else "ipv4")
        return _ANY[_FAMILY_NUMBERS[family]]
    destination = entry.read("destination", parse_prefix, None)
    if destination is not None and given and destination.family != _FAMILY_NUMBERS[given]:
        entry.reject("family", f"is not that of the destination {entry.get('destination')}; leave it out")
    return destination


def _hops(
    entry: OptionReader,
    kind: int,
    destination: Prefix,
    gateway: bytes,
    listed: Sequence[tuple[OptionReader, bytes]],
    interfaces: _Interfaces,
) -> tuple[Hop, ...]:
    if kind not in (codec.RTN_UNICAST, codec.RTN_LOCAL):
        for option in (*_GATEWAY_OPTIONS, "nexthops", "src", "mtu", "scope"):
            if entry.get(option):
                entry.reject(option, f"does not apply to a {entry.get('type')} route; leave it out")
        return ()
    if listed:
        for option in _GATEWAY_OPTIONS:
            if entry.get(option):
                entry.reject(option, "is beside nexthops; move it into one of them")
        if kind == codec.RTN_LOCAL:
            entry.error("nexthops", "several next hops are for unicast routes; a local route has one dev")
        return _listed_hops(entry, listed, destination.family, interfaces)
    if kind == codec.RTN_LOCAL and gateway:
        entry.reject("via", "does not apply to a local route; leave it out")
    if entry.get("dev") is None and (not gateway or kind == codec.RTN_LOCAL):
        entry.error("type", f"a {entry.get('type') or 'unicast'} route needs an output; set dev or via")
    return (_hop(entry, gateway, interfaces),)


def _listed_hops(
    entry: OptionReader, listed: Sequence[tuple[OptionReader, bytes]], family: int, interfaces: _Interfaces
) -> tuple[Hop, ...]:
    hops = []
    for inner, gateway in listed:
        if not gateway and inner.get("dev") is None:
            inner.error("", "a next hop needs an output; set dev or via")
        elif not gateway and family == socket.AF_INET6 and len(listed) > 1:
            inner.reject("dev", "alone is no next hop among several of an IPv6 route; set via too")
        weight = inner.number("weight", *_WEIGHT, 1)
        hops.append(_hop(inner, gateway, interfaces)._replace(weight=weight))
    if len({(hop.via, hop.interface_index) for hop in hops}) < len(hops):
        entry.error("nexthops", "two of the next hops are the same; add up their weights in one")
    # The kernel keeps no weight of a single next hop.
    return tuple(hops) if len(hops) > 1 else (hops[0]._replace(weight=1),)


def _hop(entry: OptionReader, gateway: bytes, interfaces: _Interfaces) -> Hop:
    index = entry.read("dev", interfaces.index, 0)
    onlink = bool(entry.get("onlink"))
    if onlink and not (gateway and entry.get("dev")):
        entry.reject("onlink", "means that a gateway is on the link of an interface; set via and dev")
    if is_link_local(gateway) and entry.get("dev") is None:
        entry.reject("via", "is a link-local address, which every link has; set dev too")
    return Hop(gateway, index, 1, onlink)


def _scope(entry: OptionReader, kind: int, family: int, hops: Sequence[Hop]) -> int:
    """Return the scope, by default the one that `ip route` gives."""
    given = entry.get("scope")
    if family == socket.AF_INET6:
        if given not in (None, "global"):
            entry.reject("scope", "is for IPv4 routes, IPv6 routes have none; leave it out")
        return codec.RT_SCOPE_UNIVERSE
    if given is not None:
        return SCOPES[given]
    if kind == codec.RTN_LOCAL:
        return codec.RT_SCOPE_HOST
    direct = kind == codec.RTN_UNICAST and len(hops) == 1 and not hops[0].via and not entry.get("nexthops")
    return codec.RT_SCOPE_LINK if direct else codec.RT_SCOPE_UNIVERSE


def _gateway(text: str) -> bytes:
    """Return a packed gateway. `ip route` writes one of the other family as `inet6 ADDRESS`. Raises ValueError."""
    word, _space, address = text.partition(" ")
    return _address(address if word in ("inet", "inet6") else text)


def _address(text: str) -> bytes:
    """Return a packed address. Raises ValueError."""
    try:
        packed = socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, ValueError):
        raise ValueError(f"{text!r} is not an IPv4 or IPv6 address; write one without a prefix length") from None
    if not any(packed):
        raise ValueError(f"{text!r} is the unspecified address; leave the option out or write another address")
    return packed
