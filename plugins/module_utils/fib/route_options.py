# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""From the options of ip_route to routes: every mistake is found before anything is touched.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..netlink import route as codec
from ..netlink.table_route import Hop, RouteKey, TableRoute
from ..prefix import Prefix, parse_prefix
from ..refusal import InvalidOptions
from . import names
from .routes import PROTOCOL
from .tables import FAMILIES, SCOPES, TYPES

Options = Mapping[str, Any]

_FAMILY_NUMBERS = {"ipv4": int(socket.AF_INET), "ipv6": int(socket.AF_INET6)}
_ANY = {family: Prefix(family, bytes(4 if family == socket.AF_INET else 16), 0) for family in FAMILIES}
_U32_MAX = 0xFFFFFFFF
# What the kernel gives an IPv6 route without a metric (linux/ipv6_route.h, IP6_RT_PRIO_USER).
_IPV6_METRIC = 1024
_RESERVED_TABLES = {253: "default", 254: "main", 255: "local"}
# The kernel's own limits (fib_metrics.c, ip_metrics_convert) and the smallest that IPv4 can have (RFC 791).
_MTU = (68, 65520)
_WEIGHT = (1, 256)
_GATEWAY_OPTIONS = ("via", "dev", "onlink")


@dataclass(frozen=True)
class WantedRoutes:
    """What a call asks for."""

    table: int
    present: tuple[TableRoute, ...]
    absent: frozenset[RouteKey]
    purge: bool = False

    @property
    def families(self) -> tuple[int, ...]:
        """The families that have to be read."""
        if self.purge:
            return FAMILIES
        named = {route.destination.family for route in self.present} | {key[0].family for key in self.absent}
        return tuple(family for family in FAMILIES if family in named)


def parse(options: Options, index_of: Callable[[str], int] = socket.if_nametoindex) -> WantedRoutes:
    """Return what a call of the module asks for. Raises InvalidOptions with all that is wrong."""
    return _Parser(index_of).parse(options)


class _Parser:
    def __init__(self, index_of: Callable[[str], int]) -> None:
        self.errors: list[str] = []
        self._index_of = index_of
        self._indexes: dict[str, int] = {}
        self._protocol = PROTOCOL

    def parse(self, options: Options) -> WantedRoutes:
        table = self.table(str(options["table"]))
        self._protocol = self.protocol(str(options.get("protocol") or PROTOCOL))
        if self._protocol != PROTOCOL and table == codec.RT_TABLE_MAIN:
            self.wrong("protocol", str(options["protocol"]), "is for tables of your own; leave it out in main")
        present: dict[RouteKey, TableRoute] = {}
        absent: set[RouteKey] = set()
        for position, raw in enumerate(options.get("routes") or ()):
            where = f"routes[{position}]"
            before = len(self.errors)
            route = self.route(where, raw, table)
            if route is None or len(self.errors) > before:
                continue
            key = route.key()
            if key in present or key in absent:
                self.wrong(
                    f"{where}.destination",
                    str(raw["destination"]),
                    f"stands in the list twice with metric {route.metric}; remove one entry or give it another metric",
                )
            elif raw.get("state") == "absent":
                absent.add(key)
            else:
                present[key] = route
        purge = bool(options.get("purge"))
        if purge and table == codec.RT_TABLE_MAIN:
            self.wrong("purge", True, "is for tables of your own; in main, list what has to go with state: absent")
        if self.errors:
            raise InvalidOptions(self.errors)
        return WantedRoutes(table, tuple(present.values()), frozenset(absent), purge)

    def wrong(self, option: str, value: object, remedy: str) -> None:
        shown = f"'{value}'" if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else value
        self.errors.append(f"{option}: {shown} {remedy}")

    def table(self, text: str) -> int:
        try:
            table = names.number(text, names.tables())
        except ValueError:
            self.wrong("table", text, "is no table; write a number, or a name that stands in rt_tables on this host")
            return 0
        if text.strip() == "main":
            return table
        if table == 0 or table > _U32_MAX:
            self.wrong("table", text, "is no table of yours; take one from 1 to 4294967295 without 253, 254 and 255")
        elif table in _RESERVED_TABLES:
            remedy = "; for a route of the main table, write main" if table == codec.RT_TABLE_MAIN else ""
            self.wrong("table", text, f"is the table {_RESERVED_TABLES[table]} of the host, not one of yours{remedy}")
        return table

    def protocol(self, text: str) -> int:
        try:
            found = names.number(text, names.protocols())
        except ValueError:
            found = 0
        if not 1 <= found <= 255:
            self.wrong("protocol", text, "is no routing protocol; write a number from 1 to 255 or a name of rt_protos")
        return found

    def route(self, where: str, raw: Options, table: int) -> TableRoute | None:
        gateway = self.gateway(f"{where}.via", raw.get("via"))
        source = self.source(f"{where}.src", raw.get("src"))
        listed = raw.get("nexthops") or ()
        gateways = [self.gateway(f"{where}.nexthops[{at}].via", hop.get("via")) for at, hop in enumerate(listed)]
        evidence = [packed for packed in (source, gateway, *gateways) if packed]
        destination = self.destination(where, raw, evidence)
        if destination is None:
            return None
        family = destination.family
        metric = self.bounded(f"{where}.metric", raw.get("metric"), 0, _U32_MAX) or 0
        if metric == 0 and family == socket.AF_INET6:
            metric = _IPV6_METRIC
        if raw.get("state") == "absent":
            return TableRoute(destination, table, metric)
        if source and len(source) != len(destination.packed):
            self.wrong(f"{where}.src", raw["src"], f"is not of the family of {destination}")
        for option, packed in ((f"{where}.via", gateway), *((f"{where}.nexthops", one) for one in gateways)):
            if packed and family == socket.AF_INET6 and len(packed) == 4:
                self.wrong(option, socket.inet_ntop(socket.AF_INET, packed), "cannot be the gateway of an IPv6 route")
        kind = TYPES[raw.get("type") or "unicast"]
        hops = self.hops(where, raw, kind, family, gateway, gateways)
        return TableRoute(
            destination,
            table,
            metric,
            kind,
            self._protocol,
            self.scope(where, raw, kind, family, hops),
            hops,
            source,
            self.bounded(f"{where}.mtu", raw.get("mtu"), *_MTU) or 0,
        )

    def destination(self, where: str, raw: Options, evidence: Sequence[bytes]) -> Prefix | None:
        text, given = str(raw["destination"]), raw.get("family")
        if text == "default":
            if given:
                return _ANY[_FAMILY_NUMBERS[given]]
            return _ANY[_FAMILY_NUMBERS["ipv6" if evidence and len(evidence[0]) == 16 else "ipv4"]]
        try:
            destination = parse_prefix(text)
        except ValueError as exc:
            self.errors.append(f"{where}.destination: {exc}")
            return None
        if given and destination.family != _FAMILY_NUMBERS[given]:
            self.wrong(f"{where}.family", given, f"is not that of the destination {text}; leave it out")
        return destination

    def hops(
        self, where: str, raw: Options, kind: int, family: int, gateway: bytes, gateways: Sequence[bytes]
    ) -> tuple[Hop, ...]:
        listed = raw.get("nexthops") or ()
        if kind not in (codec.RTN_UNICAST, codec.RTN_LOCAL):
            for option in (*_GATEWAY_OPTIONS, "nexthops", "src", "mtu", "scope"):
                if raw.get(option):
                    self.wrong(
                        f"{where}.{option}", str(raw[option]), f"is nothing to a {raw['type']} route; leave it out"
                    )
            return ()
        if listed:
            for option in _GATEWAY_OPTIONS:
                if raw.get(option):
                    self.wrong(
                        f"{where}.{option}", str(raw[option]), "stands beside nexthops; move it into one of them"
                    )
            if kind == codec.RTN_LOCAL:
                self.wrong(
                    f"{where}.nexthops", len(listed), "next hops are for unicast routes; a local one has one dev"
                )
            return self.listed_hops(where, listed, family, gateways)
        if kind == codec.RTN_LOCAL and gateway:
            self.wrong(f"{where}.via", raw["via"], "leads elsewhere, and a local route ends here; leave it out")
        index = self.interface(f"{where}.dev", raw.get("dev"))
        if raw.get("dev") is None and (not gateway or kind == codec.RTN_LOCAL):
            self.wrong(f"{where}.type", raw.get("type") or "unicast", "needs a way to go; set dev or via")
        onlink = bool(raw.get("onlink"))
        self.check_hop(where, raw, gateway)
        return (Hop(gateway, index, 1, onlink),)

    def listed_hops(
        self, where: str, listed: Sequence[Options], family: int, gateways: Sequence[bytes]
    ) -> tuple[Hop, ...]:
        hops = []
        for at, (raw, gateway) in enumerate(zip(listed, gateways)):
            here = f"{where}.nexthops[{at}]"
            index = self.interface(f"{here}.dev", raw.get("dev"))
            weight = self.bounded(f"{here}.weight", raw.get("weight"), *_WEIGHT) or 1
            if not gateway and raw.get("dev") is None:
                self.wrong(here, "", "needs a way to go; set dev or via")
            elif not gateway and family == socket.AF_INET6 and len(listed) > 1:
                self.wrong(
                    f"{here}.dev", raw["dev"], "alone is no next hop among several of an IPv6 route; set via too"
                )
            self.check_hop(here, raw, gateway)
            hops.append(Hop(gateway, index, weight, bool(raw.get("onlink"))))
        if len({(hop.via, hop.interface_index) for hop in hops}) < len(hops):
            self.wrong(f"{where}.nexthops", len(hops), "next hops, two of them the same; add up their weights in one")
        # Of a single one the kernel keeps no weight.
        return tuple(hops) if len(hops) > 1 else (hops[0]._replace(weight=1),)

    def check_hop(self, where: str, raw: Options, gateway: bytes) -> None:
        if raw.get("onlink") and not (gateway and raw.get("dev")):
            self.wrong(f"{where}.onlink", True, "says that a gateway is on the link of an interface; set via and dev")
        link_local = len(gateway) == 16 and gateway[0] == 0xFE and gateway[1] & 0xC0 == 0x80
        if link_local and raw.get("dev") is None:
            self.wrong(f"{where}.via", raw["via"], "is a link-local address, which every link has; set dev too")

    def scope(self, where: str, raw: Options, kind: int, family: int, hops: Sequence[Hop]) -> int:
        """Return the scope, by default the one that `ip route` gives."""
        given = raw.get("scope")
        if family == socket.AF_INET6:
            if given not in (None, "global"):
                self.wrong(
                    f"{where}.scope", given, "is for IPv4 routes, the kernel knows none of IPv6 ones; leave it out"
                )
            return codec.RT_SCOPE_UNIVERSE
        if given is not None:
            return SCOPES[given]
        if kind == codec.RTN_LOCAL:
            return codec.RT_SCOPE_HOST
        straight = kind == codec.RTN_UNICAST and len(hops) == 1 and not hops[0].via and not raw.get("nexthops")
        return codec.RT_SCOPE_LINK if straight else codec.RT_SCOPE_UNIVERSE

    def gateway(self, option: str, text: object) -> bytes:
        """Return a packed gateway, b"" for none; `inet6 ADDRESS` is how `ip route` writes one of the other family."""
        if text is None:
            return b""
        word, _space, behind = str(text).partition(" ")
        return self.address(option, behind if word in ("inet", "inet6") else str(text))

    def source(self, option: str, text: object) -> bytes:
        return b"" if text is None else self.address(option, str(text))

    def address(self, option: str, text: str) -> bytes:
        family = socket.AF_INET6 if ":" in text else socket.AF_INET
        try:
            packed = socket.inet_pton(family, text)
        except (OSError, ValueError):
            self.wrong(option, text, "is no IPv4 or IPv6 address; write one without a prefix length")
            return b""
        if not any(packed):
            self.wrong(option, text, "is the unspecified address; leave the option out or write the address meant")
        return packed

    def bounded(self, option: str, value: int | None, lowest: int, highest: int) -> int | None:
        if value is not None and not lowest <= value <= highest:
            self.wrong(option, value, f"is not from {lowest} to {highest}")
        return value

    def interface(self, option: str, name: str | None) -> int:
        if name is None:
            return 0
        if name not in self._indexes:
            try:
                self._indexes[name] = self._index_of(name)
            except (OSError, ValueError, UnicodeError):
                self._indexes[name] = 0
        if not self._indexes[name]:
            self.wrong(option, name, "is no interface of this host; make it first, or correct the name")
        return self._indexes[name]
