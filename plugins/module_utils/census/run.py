# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A census from end to end: find the interfaces, listen, and ask peers meanwhile.

This module is private to the collection.
"""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ..netlink.connection import Connection
from ..netlink.messages import NetlinkError
from ..netlink.route import NETLINK_ROUTE, RTM_GETROUTE, decode_lookup, encode_lookup
from ..probe import report as probe_report
from ..probe.run import Finding, probe
from ..refusal import Refused
from . import ipsec, xfrm_stat
from .ear import listening
from .options import Wanted
from .tally import KINDS, Node, Tally


@dataclass(frozen=True)
class Census:
    """What was counted where, in how many seconds; what was missed, IPsec's counters, and what was found of peers."""

    interfaces: tuple[str, ...]
    seconds: float
    counts: Counter[tuple[str, str, str]]
    is_full: bool
    lost: int
    xfrm: dict[str, int]
    findings: list[Finding] | None
    refusal: str = ""  # why no peer could be asked
    ipsec: dict[str, Any] | None = None  # of the states between nodes, and of those who were asked


def take(wanted: Wanted) -> Census:
    """Return the census. Raises Refused, UnreadableMemory, and OSError where no socket is to be had.

    Peers of WireGuard, and who is reached by IPsec, are asked while it listens.
    """
    interfaces = wanted.interfaces or underlay_interfaces(wanted.underlay.nodes, wanted.mark)
    if not interfaces:
        raise Refused("interfaces: no route of this host leads to an address of another node; name the interfaces")
    tally = Tally(wanted.underlay)
    states = ipsec.read(wanted.ipsec) if wanted.ipsec else []
    before, begun = xfrm_stat.read(), time.monotonic()
    with ThreadPoolExecutor(2) as pool, listening(interfaces) as ear:
        asking = pool.submit(probe, wanted.probe) if wanted.probe else None
        inquiring = pool.submit(ipsec.ask, wanted.ipsec, wanted.seconds) if wanted.ipsec else None
        for heard in ear.packets(wanted.seconds, wanted.packets):
            tally.add(*heard)
        took = time.monotonic() - begun
        findings, refusal = _findings(asking)
        inquiries = inquiring.result() if inquiring else []
    is_full = sum(tally.counts.values()) >= wanted.packets
    growth = xfrm_stat.growth(before, xfrm_stat.read())
    told = ipsec.result(wanted.ipsec, inquiries, states, wanted.underlay.nodes) if wanted.ipsec else None
    return Census(tuple(interfaces), took, tally.counts, is_full, ear.lost, growth, findings, refusal, told)


def _findings(asking: Future[list[Finding]] | None) -> tuple[list[Finding] | None, str]:
    """Return what was found of peers, or why none could be asked: what was counted is worth telling in any case."""
    try:
        return (asking.result() if asking else None), ""
    except Refused as exc:
        return [], str(exc)


def underlay_interfaces(nodes: Sequence[Node], mark: int) -> list[str]:
    """Return the interfaces by which packets with a mark leave this host for the addresses of nodes."""
    found: dict[str, None] = {}
    with Connection(NETLINK_ROUTE) as connection:
        for host in (address for node in nodes for address in node.addresses):
            try:
                (reply,) = connection.request(RTM_GETROUTE, encode_lookup(host.family, host.packed, mark))
                found[socket.if_indextoname(decode_lookup(reply).interface_index)] = None
            except (NetlinkError, OSError):  # no route, or none that has an interface
                continue
    found.pop("lo", None)  # this host's own addresses
    return list(found)


def result(census: Census) -> dict[str, Any]:
    """Return the module's result."""
    kinds: Counter[str] = Counter()
    pairs: dict[tuple[str, str], dict[str, int]] = {}
    for (source, destination, kind), count in sorted(census.counts.items()):
        kinds[kind] += count
        if source or destination:
            pairs.setdefault((source, destination), dict.fromkeys(KINDS, 0))[kind] = count
    found: dict[str, Any] = {
        "interfaces": list(census.interfaces),
        "seconds": round(census.seconds, 1),
        "kinds": {kind: kinds[kind] for kind in KINDS},
        "pairs": [{"source": ends[0], "destination": ends[1], **counts} for ends, counts in pairs.items()],
        "full": census.is_full,
        "lost": census.lost,
        "xfrm_stat": census.xfrm,
    }
    if census.findings is not None:
        found["probe"] = {**probe_report.result(census.findings), "refusal": census.refusal}
    if census.ipsec is not None:
        found["ipsec"] = census.ipsec
    return found
