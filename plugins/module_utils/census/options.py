# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What wire_census is asked for. All that is wrong is told at once.

This module is private to the collection.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ..prefix import Prefix, parse_address, parse_prefix
from ..probe.echo import FLOOR
from ..probe.echo import LARGEST as LARGEST_PACKET
from ..probe.options import Wanted as WantedProbe
from ..probe.options import parse as parse_probe
from ..refusal import InvalidOptions
from ..xfrm.ownership import OURS, parse_reqids
from .ipsec import Asked, WantedIpsec
from .tally import Node, Underlay

T = TypeVar("T")

LONGEST = 600  # seconds
MOST = 10_000_000  # packets
_INTERFACE = re.compile(r"(?!\.{1,2}\Z)[^\s/:]{1,15}\Z")  # dev_valid_name() of net/core/dev.c


@dataclass(frozen=True)
class Wanted:
    """What to count, where, for how long (seconds) and how much (packets), and whom to ask meanwhile.

    Without interfaces, those by which packets with the mark leave for other nodes are listened to.
    """

    underlay: Underlay
    interfaces: tuple[str, ...]
    mark: int
    seconds: float
    packets: int
    probe: WantedProbe | None
    ipsec: WantedIpsec | None = None


def parse(options: Mapping[str, Any]) -> Wanted:
    """Return what the options ask for. Raises InvalidOptions."""
    errors: list[str] = []
    seconds, packets, mark = options["seconds"], options["packets"], options["mark"]
    if not (math.isfinite(seconds) and 1 <= seconds <= LONGEST):
        errors.append(f"seconds: {seconds:g} is not within 1 and {LONGEST}")
    if not 1 <= packets <= MOST:
        errors.append(f"packets: {packets} is not within 1 and {MOST}")
    if not 0 <= mark < 2**32:
        errors.append(f"mark: {mark} is no mark of a packet; write a number from 0 to 4294967295")
    for place, name in enumerate(options["interfaces"] or ()):
        if not _INTERFACE.match(name):
            errors.append(f"interfaces[{place}]: {name!r} is no name of an interface; write one such as eth0")
    for option in ("wireguard_ports", "exempt_ports"):
        errors.extend(
            f"{option}[{place}]: {port} is no port; write a number from 1 to 65535"
            for place, port in enumerate(options[option])
            if not 1 <= port <= 65535
        )
    nodes = tuple(_node(raw, f"nodes[{place}]", errors) for place, raw in enumerate(options["nodes"]))
    _refuse_repeated(nodes, errors)
    probe = _probe(options["probe"], seconds, errors)
    ipsec = _ipsec(options["ipsec"], errors)
    if errors:
        raise InvalidOptions(errors)
    underlay = Underlay(nodes, frozenset(options["wireguard_ports"]), frozenset(options["exempt_ports"]))
    return Wanted(underlay, tuple(dict.fromkeys(options["interfaces"] or ())), mark, seconds, packets, probe, ipsec)


def _node(raw: Mapping[str, Any], where: str, errors: list[str]) -> Node:
    def each(option: str, convert: Callable[[str], T]) -> tuple[T, ...]:
        found = []
        for text in raw.get(option) or ():
            try:
                found.append(convert(text))
            except ValueError as exc:
                errors.append(f"{where}.{option}: {exc}")
        return tuple(found)

    return Node(raw["name"], each("addresses", _host), each("pod_networks", parse_prefix))


def _host(text: str) -> Prefix:
    return parse_address(text).host


def _refuse_repeated(nodes: tuple[Node, ...], errors: list[str]) -> None:
    owners: dict[Prefix, str] = {}
    names: set[str] = set()
    for place, node in enumerate(nodes):
        if not node.name or node.name in names:
            errors.append(f"nodes[{place}].name: {node.name!r} is empty or stands in the list twice; give each its own")
        names.add(node.name)
        for prefix in (*node.addresses, *node.pod_networks):
            if owners.setdefault(prefix, node.name) != node.name:
                errors.append(
                    f"nodes[{place}] ({node.name}): {prefix} is that of {owners[prefix]} already; correct one"
                )


def _probe(raw: Mapping[str, Any] | None, seconds: float, errors: list[str]) -> WantedProbe | None:
    if raw is None:
        return None
    defaults = {"mtu": None, "path_mtu": True, "wait": False, "handshake": False}
    try:
        return parse_probe({**defaults, **raw, "deadline": seconds if 1 <= seconds <= LONGEST else 1})
    except InvalidOptions as exc:
        errors.extend(f"probe.{error}" for error in exc.errors)
    except ValueError as exc:
        errors.append(f"probe: {exc}")
    return None


def _ipsec(raw: Mapping[str, Any] | None, errors: list[str]) -> WantedIpsec | None:
    if raw is None:
        return None
    reqids = OURS
    try:
        reqids = parse_reqids(raw["reqids"])
    except ValueError as exc:
        errors.append(f"ipsec.reqids: {exc}")
    asked = []
    for place, one in enumerate(raw.get("ask") or ()):
        where = f"ipsec.ask[{place}]"
        try:
            host = _host(one["address"])
        except ValueError as exc:
            errors.append(f"{where}.address: {exc}; write an address of the node that is reached by IPsec")
            continue
        mtu = one.get("mtu")
        if mtu is not None and not FLOOR[host.family] <= mtu <= LARGEST_PACKET:
            errors.append(f"{where}.mtu: {mtu} is not within {FLOOR[host.family]} and {LARGEST_PACKET}")
        asked.append(Asked(one["name"], host, mtu))
    return WantedIpsec(reqids, tuple(asked))
