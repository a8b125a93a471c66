# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Rules that set the mark of received packets by source and destination. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from .._engine.options import OptionReader, one_of
from . import syntax as words
from .option_values import interface, interfaces, mark, networks, port

_FIELDS = ("mark", "iif", "not_iif", "saddr", "daddr", "l4proto", "udp_dport", "ct_mark", "ct_saddr", "connection")
_ARP_FIELDS = ("mark", "saddr")
L4_PROTOCOLS = ("esp", "udp", "tcp")


def set_mark(options: OptionReader) -> list[list[str]]:
    """Return the rules of the option set_mark: one per entry and family of addresses that it names.

    mark is `value` or `value/mask`. Options that are not given match anything. With connection, the mark is that of the
    whole connection (ct mark), which ct_mark matches for packets of both directions, as ct_saddr does for the source of the
    first packet before NAT.
    """
    rules = []
    for entry in options.entries("set_mark", _FIELDS):
        value, bits = entry.required("mark", mark, (0, words.ALL_BITS))
        matches = [f'iifname "{entry.read("iif", interface, "")}"'] if entry.get("iif") else []
        matches += [f'iifname != "{name}"' for name in entry.each("not_iif", interfaces)]
        ends = []
        if entry.get("l4proto"):
            ends.append(f"meta l4proto {entry.read('l4proto', lambda word: one_of(word, L4_PROTOCOLS), '')}")
        if entry.get("ct_mark") is not None:
            ends.append(words.connection_mark_is(entry.read("ct_mark", mark, (0, 0))[0]))
        if entry.get("udp_dport") is not None:
            ends.append(f"udp dport {entry.read('udp_dport', port, 1)}")
        of_connection = entry.flag("connection")
        if of_connection and bits != words.ALL_BITS:
            entry.reject("mark", "has a mask, which a connection mark cannot have; write the value alone")
        sources, destinations, first = (networks(entry, side) for side in ("saddr", "daddr", "ct_saddr"))
        if not (matches or ends or sources or destinations or first):
            entry.error("", "would mark every packet; name an interface, address, protocol, port or ct_mark")
        for version in sorted({*sources, *destinations, *first} or {""}):
            addresses = []
            if sources:
                addresses.append(f"{version} saddr {sources.get(version, '')}")
            if destinations:
                addresses.append(f"{version} daddr {destinations.get(version, '')}")
            if first:
                addresses.append(f"ct original {version} saddr {first.get(version, '')}")
            if not any(text.endswith(" ") for text in addresses):  # no pair of different families
                statement = words.connection_mark(value) if of_connection else words.mark(value, bits)
                rules.append([*matches, *addresses, *ends, statement])
    return rules


def mark_arp(options: OptionReader) -> list[list[str]]:
    """Return the rule of the option mark_arp: ARP packets of IPv4 addresses get a mark.

    Where rp_filter is 1, the kernel answers a request only if the route to its sender leaves by the interface that it
    came in by. It looks up that route with the mark of the packet (src_valid_mark).
    """
    entry = options.nested("mark_arp", _ARP_FIELDS)
    if entry is None:
        return []
    value, bits = entry.required("mark", mark, (0, words.ALL_BITS))
    addresses = networks(entry, "saddr")
    if "ip6" in addresses:
        entry.error("saddr", f"'{addresses['ip6']}' is IPv6, which has no ARP; leave it out")
    if not addresses:
        entry.error("", "would mark every packet; name the senders in saddr")
    return [[f"arp saddr ip {addresses.get('ip', '')}", words.mark(value, bits)]]
