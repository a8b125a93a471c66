# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Capture packets, count them, and probe peers meanwhile.

This module is private to the collection.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from .._engine.errors import Refused
from .._ip.prefix import Prefix
from .._netlink.connection import Connection
from .._netlink.route import NETLINK_ROUTE
from .._netlink.route_lookup import output_interface
from .._probe import report as probe_report
from .._probe.run import Finding, probe
from . import ipsec, xfrm_stat
from .capture import open_capture
from .counters import KINDS, Node, TrafficCounters
from .options import Wanted


@dataclass(frozen=True)
class TrafficCount:
    """Packets by (source node, destination node, kind), with the limits of the capture and the results of probes."""

    interfaces: tuple[str, ...]
    seconds: float
    counts: Counter[tuple[str, str, str]]
    is_full: bool  # the capture reached its packet limit
    lost: int
    xfrm: dict[str, int]  # growth of the counters of /proc/net/xfrm_stat
    findings: list[Finding] | None
    refusal: str = ""  # why the probe was refused
    ipsec: dict[str, Any] | None = None


def count_traffic(wanted: Wanted) -> TrafficCount:
    """Return the counts of a capture. Peers of WireGuard and targets of IPsec are probed while it runs.

    Raises Refused, CorruptStateFile, and OSError where no socket can be opened.
    """
    interfaces = wanted.interfaces or underlay_interfaces(wanted.underlay.nodes, wanted.mark)
    if not interfaces:
        raise Refused("interfaces: no route of this host leads to an address of another node; name the interfaces")
    counters = TrafficCounters(wanted.underlay)
    states = ipsec.read(wanted.ipsec) if wanted.ipsec else []
    before, start = xfrm_stat.read(), time.monotonic()
    with ThreadPoolExecutor(2) as pool, open_capture(interfaces) as capture:
        probing = pool.submit(probe, wanted.probe) if wanted.probe else None
        echoes = pool.submit(ipsec.probe, wanted.ipsec, wanted.seconds) if wanted.ipsec else None
        for packet, sent in capture.packets(wanted.seconds, wanted.packets):
            counters.add(packet, sent)
        seconds = time.monotonic() - start
        findings, refusal = _findings(probing)
        searches = echoes.result() if echoes else []
    return TrafficCount(
        interfaces=tuple(interfaces),
        seconds=seconds,
        counts=counters.counts,
        is_full=sum(counters.counts.values()) >= wanted.packets,
        lost=capture.lost,
        xfrm=xfrm_stat.growth(before, xfrm_stat.read()),
        findings=findings,
        refusal=refusal,
        ipsec=ipsec.result(wanted.ipsec, searches, states, wanted.underlay.nodes) if wanted.ipsec else None,
    )


def _findings(probing: Future[list[Finding]] | None) -> tuple[list[Finding] | None, str]:
    """Return the findings of the probe, or why it was refused: a refused probe does not discard the counts."""
    try:
        return (probing.result() if probing else None), ""
    except Refused as exc:
        return [], str(exc)


def underlay_interfaces(nodes: Sequence[Node], mark: int) -> list[str]:
    """Return the interfaces by which packets with a mark leave this host for the addresses and pods of other nodes.

    Packets of pods may leave by another interface than those of the nodes. Of a network the first address is looked up.
    """
    found: dict[str, None] = {}
    with Connection(NETLINK_ROUTE) as connection:

        def by(network: Prefix) -> str:
            return output_interface(connection, network.family, network.packed, mark)

        for node in nodes:
            names = list(map(by, node.addresses))
            # Routes to this host's own addresses lead to lo, and those to its pods stay on it.
            if "lo" not in names:
                found.update(dict.fromkeys([*names, *map(by, node.pod_networks)]))
    return [name for name in found if name not in ("", "lo")]


def result(counted: TrafficCount) -> dict[str, Any]:
    """Return the module's result."""
    kinds: Counter[str] = Counter()
    pairs: dict[tuple[str, str], dict[str, int]] = {}
    for (source, destination, kind), count in sorted(counted.counts.items()):
        kinds[kind] += count
        if source or destination:
            pairs.setdefault((source, destination), dict.fromkeys(KINDS, 0))[kind] = count
    found: dict[str, Any] = {
        "interfaces": list(counted.interfaces),
        "seconds": round(counted.seconds, 1),
        "kinds": {kind: kinds[kind] for kind in KINDS},
        "pairs": [{"source": ends[0], "destination": ends[1], **counts} for ends, counts in pairs.items()],
        "full": counted.is_full,
        "lost": counted.lost,
        "xfrm_stat": counted.xfrm,
    }
    if counted.findings is not None:
        found["probe"] = {**probe_report.result(counted.findings), "refusal": counted.refusal}
    if counted.ipsec is not None:
        found["ipsec"] = counted.ipsec
    return found
