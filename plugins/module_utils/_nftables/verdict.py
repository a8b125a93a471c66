# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Whether our chains that drop plaintext would drop a packet of TCP or UDP, by their rules. Pure.

This module is private to the collection.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from .table import DROP_EGRESS, DROP_INGRESS, RulesetPart

PLAINTEXT_DROPS = (DROP_INGRESS, DROP_EGRESS)
_MARK = re.compile(r"meta mark & (0x[0-9a-f]+) == (0x[0-9a-f]+)")


class Packet(NamedTuple):
    """A packet outside of IPsec. interface: where it comes in or leaves.

    first_source: the source of the packet that opened the connection. protocol: tcp or udp. mark: its firewall mark.
    """

    interface: str
    source: str
    destination: str
    source_port: int
    destination_port: int
    first_source: str
    protocol: str = "tcp"
    mark: int = 0


def drops(part: RulesetPart, packet: Packet) -> bool:
    """Return whether a chain that drops plaintext drops a packet of its direction."""
    for rule in part.rules:
        if all(_matches(expression, packet) for expression in rule.expressions[:-1]):
            return rule.expressions[-1] == "drop"
    return False


def _matches(expression: str, packet: Packet) -> bool:
    """Return whether an expression of drop_plaintext() holds; the packet matches none on ESP, ICMPv6 or IPsec."""
    marked = _MARK.fullmatch(expression)
    if marked:
        return packet.mark & int(marked[1], 16) == int(marked[2], 16)
    words, _space, value = expression.rpartition(" ") if "{" not in expression else expression.partition(" { ")
    if words in ("iifname", "oifname"):
        name = value.strip('"')
        return packet.interface.startswith(name[:-1]) if name.endswith("*") else packet.interface == name
    members = value.rstrip(" }").split(", ")
    if words in (f"{packet.protocol} sport", f"{packet.protocol} dport"):
        return str(packet.source_port if words.endswith("sport") else packet.destination_port) in members
    addresses = {"saddr": packet.source, "daddr": packet.destination}
    kinds = [(f"{version} {side}", address) for version in ("ip", "ip6") for side, address in addresses.items()]
    kinds += [(f"ct original {version} saddr", packet.first_source) for version in ("ip", "ip6")]
    return expression == "counter" or any(words == kind and _in(members, address) for kind, address in kinds)


def _in(networks: list[str], address: str) -> bool:
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in networks)
