# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What our sections that close would do with a packet of a TCP connection, told from their rules. Pure.

This module is private to the collection.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from .table import CLOSED_IN, CLOSED_OUT, Section

CLOSED = (CLOSED_IN, CLOSED_OUT)


class Packet(NamedTuple):
    """A packet of TCP without a mark and outside of IPsec; interface is that by which it comes or leaves.

    first_source: the source of the packet that opened the connection.
    """

    interface: str
    source: str
    destination: str
    source_port: int
    destination_port: int
    first_source: str


def drops(section: Section, packet: Packet) -> bool:
    """Return whether a section that closes drops a packet, of those that it gets to see."""
    for rule in section.rules:
        if all(_matches(expression, packet) for expression in rule.expressions[:-1]):
            return rule.expressions[-1] == "drop"
    return False


def _matches(expression: str, packet: Packet) -> bool:
    """Return whether an expression of `closed` holds; those that are of no TCP, of marks or of IPsec do not."""
    words, _space, value = expression.rpartition(" ") if "{" not in expression else expression.partition(" { ")
    if words in ("iifname", "oifname"):
        name = value.strip('"')
        return packet.interface.startswith(name[:-1]) if name.endswith("*") else packet.interface == name
    members = value.rstrip(" }").split(", ")
    if words in ("tcp sport", "tcp dport"):
        return str(packet.source_port if words == "tcp sport" else packet.destination_port) in members
    addresses = {"saddr": packet.source, "daddr": packet.destination}
    kinds = [(f"{version} {side}", address) for version in ("ip", "ip6") for side, address in addresses.items()]
    kinds += [(f"ct original {version} saddr", packet.first_source) for version in ("ip", "ip6")]
    return expression == "counter" or any(words == kind and _in(members, address) for kind, address in kinds)


def _in(networks: list[str], address: str) -> bool:
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in networks)
