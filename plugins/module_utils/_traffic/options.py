# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Options of traffic_info. All errors are reported at once.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._engine.errors import InvalidOptions
from .._engine.options import ALL_BITS, OptionReader, within
from .._ip.prefix import Prefix, parse_address, parse_prefix
from .._netlink.link import link_name
from .._probe.echo import FLOOR
from .._probe.echo import LARGEST as LARGEST_PACKET
from .._probe.options import Wanted as WantedProbe
from .._probe.options import parse as parse_probe
from .._probe.options import seconds as probe_seconds
from .._xfrm.ownership import OURS, parse_reqids
from .counters import Node, Underlay
from .ipsec import EchoTarget, WantedIpsec

LONGEST = 600  # seconds
MOST = 10_000_000  # packets


@dataclass(frozen=True)
class Wanted:
    """What to capture, where, for how long (seconds) and how much (packets), and what to probe meanwhile.

    Without interfaces, those that packets with the mark take to other nodes are captured.
    """

    underlay: Underlay
    interfaces: tuple[str, ...]
    mark: int
    seconds: float
    packets: int
    probe: WantedProbe | None
    ipsec: WantedIpsec | None = None


def parse(options: Mapping[str, Any]) -> Wanted:
    """Return the parsed options. Raises InvalidOptions."""
    call = OptionReader(options)
    seconds = call.read("seconds", lambda value: probe_seconds(value, LONGEST), 1.0)
    packets = call.number("packets", 1, MOST)
    mark = call.number("mark", 0, ALL_BITS)
    interfaces = dict.fromkeys(call.each("interfaces", link_name))
    wireguard_ports, exempt_ports = (
        frozenset(call.each(name, within(1, 65535))) for name in ("wireguard_ports", "exempt_ports")
    )
    nodes = tuple(
        Node(entry.get("name"), tuple(entry.each("addresses", _host)), tuple(entry.each("pod_networks", parse_prefix)))
        for entry in call.entries("nodes")
    )
    _refuse_repeated(nodes, call.errors)
    probe, ipsec = _probe(call, seconds), _ipsec(call)
    call.raise_errors()
    underlay = Underlay(nodes, wireguard_ports, exempt_ports)
    return Wanted(underlay, tuple(interfaces), mark, seconds, packets, probe, ipsec)


def _host(text: str) -> Prefix:
    return parse_address(text).host


def _refuse_repeated(nodes: tuple[Node, ...], errors: list[str]) -> None:
    owners: dict[Prefix, str] = {}
    names: set[str] = set()
    for place, node in enumerate(nodes):
        if not node.name or node.name in names:
            errors.append(f"nodes[{place}].name: {node.name!r} is empty or not unique; give each node its own name")
        names.add(node.name)
        for prefix in (*node.addresses, *node.pod_networks):
            if owners.setdefault(prefix, node.name) != node.name:
                errors.append(
                    f"nodes[{place}] ({node.name}): {prefix} already belongs to {owners[prefix]}; correct one of them"
                )


def _probe(call: OptionReader, seconds: float) -> WantedProbe | None:
    raw = call.get("probe")
    if raw is None:
        return None
    defaults = {"mtu": None, "path_mtu": True, "wait": False, "handshake": False}
    try:
        return parse_probe({**defaults, **raw, "deadline": seconds})
    except InvalidOptions as exc:
        call.errors.extend(f"probe.{error}" for error in exc.errors)
    return None


def _ipsec(call: OptionReader) -> WantedIpsec | None:
    inner = call.nested("ipsec")
    if inner is None:
        return None
    reqids = inner.read("reqids", parse_reqids, OURS)
    targets = []
    for entry in inner.entries("targets"):
        host = entry.read("address", _target, None)
        if host is not None:
            mtu = entry.read("mtu", within(FLOOR[host.family], LARGEST_PACKET), None)
            targets.append(EchoTarget(entry.get("name"), host, mtu))
    return WantedIpsec(reqids, tuple(targets))


def _target(text: str) -> Prefix:
    try:
        return _host(text)
    except ValueError as exc:
        raise ValueError(f"{exc}; write an address of the node that is reached through IPsec") from None
