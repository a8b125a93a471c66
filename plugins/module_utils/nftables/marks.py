# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Rules that set the mark of packets as they come in, by where they come from and where they go to. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from . import words
from .checks import Checks

_FIELDS = ("mark", "iif", "not_iif", "saddr", "daddr", "l4proto", "udp_dport", "ct_mark", "connection")
_ARP_FIELDS = ("mark", "saddr")
L4_PROTOCOLS = ("esp", "udp", "tcp")


def set_mark(checks: Checks, where: str, raw: object) -> list[list[str]]:
    """Return the rules of the option set_mark: each entry is one for each family of addresses that it names.

    mark is `value` or `value/mask`. What is not given is not looked at. With connection, the mark is that of the whole
    connection (ct mark), by which ct_mark chooses packets of both directions.
    """
    rules = []
    for position, listed in enumerate(checks.items(where, raw)):
        here = f"{where}[{position}]"
        entry = checks.mapping(here, listed, _FIELDS)
        if entry is None:
            continue
        value, mask = checks.mark(f"{here}.mark", entry.get("mark"))
        matches = [f'iifname "{checks.interface(f"{here}.iif", entry["iif"])}"'] if entry.get("iif") else []
        for name in checks.names(f"{here}.not_iif", entry.get("not_iif")):
            matches.append(f'iifname != "{name}"')
        ends = [f"meta l4proto {entry['l4proto']}"] if entry.get("l4proto") else []
        if ends and entry["l4proto"] not in L4_PROTOCOLS:
            checks.wrong(f"{here}.l4proto", str(entry["l4proto"]), f"is none of {', '.join(L4_PROTOCOLS)}")
        if entry.get("ct_mark") is not None:
            ends.append(words.connection_mark_is(checks.mark(f"{here}.ct_mark", entry["ct_mark"])[0]))
        if entry.get("udp_dport") is not None:
            ends.append(f"udp dport {checks.port(f'{here}.udp_dport', entry['udp_dport'])}")
        of_connection = checks.flag(f"{here}.connection", entry.get("connection"))
        if of_connection and mask != words.ALL_BITS:
            checks.wrong(
                f"{here}.mark", str(entry["mark"]), "is of a connection, which has no mask; write the value alone"
            )
        sources, destinations = (checks.networks(f"{here}.{side}", entry.get(side)) for side in ("saddr", "daddr"))
        if not (matches or ends or sources or destinations):
            checks.wrong(here, "", "would mark every packet; say which")
        for version in sorted({*sources, *destinations} or {""}):
            addresses = []
            if sources:
                addresses.append(f"{version} saddr {sources.get(version, '')}")
            if destinations:
                addresses.append(f"{version} daddr {destinations.get(version, '')}")
            if not any(text.endswith(" ") for text in addresses):  # no pair of different families
                statement = words.connection_mark(value) if of_connection else words.mark(value, mask)
                rules.append([*matches, *addresses, *ends, statement])
    return rules


def mark_arp(checks: Checks, where: str, raw: object) -> list[list[str]]:
    """Return the rule of the option mark_arp: ARP packets of IPv4 addresses get a mark.

    The kernel answers a request only where the way back to its sender leads by the interface it came in by, if rp_filter
    is 1 there, and it looks that way up with the packet's mark (src_valid_mark).
    """
    if raw is None:
        return []
    entry = checks.mapping(where, raw, _ARP_FIELDS) or {}
    value, mask = checks.mark(f"{where}.mark", entry.get("mark"))
    networks = checks.networks(f"{where}.saddr", entry.get("saddr"))
    if "ip6" in networks:
        checks.wrong(f"{where}.saddr", networks["ip6"], "is of IPv6, which has no ARP; leave it out")
    if not networks:
        checks.wrong(where, "", "would mark every packet; say whose, by saddr")
    return [[f"arp saddr ip {networks.get('ip', '')}", words.mark(value, mask)]]
