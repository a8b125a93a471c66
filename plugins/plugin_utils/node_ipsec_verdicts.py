# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether two nodes have the states of IPsec that belong together, and what came of asking through them.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

NO_STATE, NO_ANSWER, MTU, OK = "no_state", "no_answer", "mtu", "ok"

Results = Mapping[str, Mapping[str, Any]]
"""By inventory name what the module `wire_census` returned, of those that returned anything."""


@dataclass(frozen=True)
class Way:
    """From one node to another by one family, between src and dst.

    spis: of the states that source sends by. sent, received: packets meanwhile, as the two counted them; None where a
    node was not asked. failed: how many the destination could not take. key_age_days, sequence_percent: of source.
    fault: what is wrong with it, empty for nothing.
    """

    source: str
    destination: str
    src: str
    dst: str
    spis: tuple[str, ...] = ()
    sent: int | None = None
    received: int | None = None
    failed: int = 0
    key_age_days: int | None = None
    sequence_percent: int | None = None
    fault: str = ""


def ways_between(pair: tuple[str, str], results: Results, wire: Mapping[str, Any]) -> list[Way]:
    """Return the ways between two nodes, both ways, for each family that both have addresses of."""
    addresses = {node["name"]: node["addresses"] for node in wire["nodes"]}
    found = []
    for source, destination in (pair, (pair[1], pair[0])):
        for src in addresses.get(source, ()):
            for dst in addresses.get(destination, ()):
                if (":" in src) == (":" in dst):
                    found.append(_way(source, destination, src, dst, results))
    return found


def _way(source: str, destination: str, src: str, dst: str, results: Results) -> Way:
    sending, receiving = (_states(results, name, (src, dst)) for name in (source, destination))
    spis = tuple(sending["spis"]) if sending else ()
    fault = ""
    if source in results and not spis:
        fault = f"{source} has no state to send to {destination} by, from {src} to {dst}"
    elif destination in results:
        missing = [spi for spi in spis if spi not in (receiving or {}).get("spis", ())]
        if missing:
            fault = f"{source} sends by {', '.join(missing)} from {src} to {dst}, and {destination} has no such state"
        elif not receiving:
            fault = f"{destination} has no state to receive by from {source}, from {src} to {dst}"
    return Way(
        source,
        destination,
        src,
        dst,
        spis,
        (sending or {}).get("meanwhile", 0) if source in results else None,
        (receiving or {}).get("meanwhile", 0) if destination in results else None,
        (receiving or {}).get("failed", 0),
        (sending or {}).get("key_age_days"),
        (sending or {}).get("sequence_percent"),
        fault,
    )


def _states(results: Results, name: str, ends: tuple[str, str]) -> Mapping[str, Any] | None:
    """Return what a node told of its states between two addresses."""
    told = (results.get(name, {}).get("ipsec") or {}).get("states", ())
    return next((entry for entry in told if (entry["src"], entry["dst"]) == ends), None)


def answer_of(asker: str, other: str, results: Results, ways: list[Way]) -> dict[str, Any] | None:
    """Return what came of asking a node, in the words of `overlay_probe`; None where there was nothing to ask.

    The first address that does not work tells, and of those that do, the smallest size and the longest time.
    """
    families = {":" in way.src for way in ways}
    told = [
        entry
        for entry in (results[asker].get("ipsec") or {}).get("answers", ())
        if entry["name"] == other and (":" in entry["address"]) in families
    ]
    if not told:
        return None
    word, advice = next(_complaints(asker, other, told, ways), (OK, ""))
    return {
        "name": other,
        "verdict": word,
        "advice": advice,
        "handshake_age": None,
        "rtt_ms": max((entry["rtt_ms"] for entry in told if entry["rtt_ms"] is not None), default=None),
        "mtu": min((entry["mtu"] for entry in told if entry["mtu"] is not None), default=None),
    }


def _complaints(asker: str, other: str, told: list[Mapping[str, Any]], ways: list[Way]) -> Iterator[tuple[str, str]]:
    for entry in told:
        address, size, wanted = entry["address"], entry["mtu"], entry["wanted_mtu"]
        of_family = {way.source: way for way in reversed(ways) if (":" in way.src) == (":" in address)}
        there, back = of_family[asker], of_family[other]
        if not entry["replied"]:
            yield NO_ANSWER, f"{address} does not answer: {_where(there, back)}"
        elif wanted is not None and (size or 0) < wanted:
            passed = f"of {size} bytes pass and larger ones" if size else "of this host's usual size"
            yield (
                MTU,
                f"packets {passed} are lost on the way to {address}, up to the wanted {wanted}: look for a link between "
                "the nodes that carries less than theirs do, and for a filter of large packets",
            )


def _where(there: Way, back: Way) -> str:
    """Return where packets got lost, by what both nodes counted, and what to look at."""
    if not there.sent:
        return f"{there.source} sent nothing by its states, look there at `ip xfrm policy` and the packet filter"
    for way in (there, back):
        if way.sent and way.received == 0:
            if way.failed:
                return (
                    f"{way.destination} cannot take what {way.source} sends, look whether both were given the same "
                    "node_encryption_ipsec_master"
                )
            return (
                f"ESP from {way.src} does not arrive at {way.dst}, let IP protocol 50 pass there, and look at "
                "XfrmInError and the like in /proc/net/xfrm_stat"
            )
    return f"{there.destination} takes what {there.source} sends, look there at the packet filter"
