# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A rule as `ip rule` writes it, for diffs and messages. Pure.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from .._netlink import rule as codec
from .._netlink.rule import Range, Rule

ACTIONS = {
    codec.FR_ACT_GOTO: "goto",
    codec.FR_ACT_NOP: "nop",
    codec.FR_ACT_BLACKHOLE: "blackhole",
    codec.FR_ACT_UNREACHABLE: "unreachable",
    codec.FR_ACT_PROHIBIT: "prohibit",
}
# Names that a host's /etc/protocols may lack (IANA, protocol-numbers).
IP_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58, "sctp": 132}
_IP_PROTOCOL_NAMES = {number: name for name, number in IP_PROTOCOLS.items()}
_TABLE_NAMES = {253: "default", 254: "main", 255: "local"}
_PROTOCOL_NAMES = {2: "kernel", 3: "boot", 4: "static"}


def describe(rule: Rule) -> str:
    """Return the rule as one line: family, priority, selector, action, protocol."""
    words = ["ipv6" if rule.family == socket.AF_INET6 else "ipv4", f"{rule.priority}:"]
    words += selector(rule, lambda number: _IP_PROTOCOL_NAMES.get(number, str(number)))
    words += _target(rule)
    if rule.rest:
        words.append("(and more)")
    if rule.protocol:
        words += ["proto", _PROTOCOL_NAMES.get(rule.protocol, str(rule.protocol))]
    return " ".join(words)


def selector(rule: Rule, ip_protocol: Callable[[int], str] = str) -> list[str]:
    """Return the selector of a rule as words of `ip rule`; ``ip_protocol`` names IP protocols."""
    words = ["not"] if rule.invert else []
    words += ["from", str(rule.source or "all")]
    if rule.destination:
        words += ["to", str(rule.destination)]
    if rule.fwmark or rule.fwmask:
        mask = "" if rule.fwmask == 0xFFFFFFFF else f"/{rule.fwmask:#x}"
        words += ["fwmark", f"{rule.fwmark:#x}{mask}"]
    for word, value in (("iif", rule.input_interface), ("oif", rule.output_interface)):
        if value is not None:
            words += [word, value]
    if rule.uid_range is not None:
        words += ["uidrange", f"{rule.uid_range[0]}-{rule.uid_range[1]}"]
    if rule.ip_protocol:
        words += ["ipproto", ip_protocol(rule.ip_protocol)]
    for word, ports in (("sport", rule.source_ports), ("dport", rule.destination_ports)):
        if ports is not None:
            words += [word, _range(ports)]
    return words


def _target(rule: Rule) -> list[str]:
    words = ["lookup", _TABLE_NAMES.get(rule.table, str(rule.table))]
    if rule.action != codec.FR_ACT_TO_TBL:
        words = [ACTIONS.get(rule.action, f"action {rule.action}")]
    if rule.action == codec.FR_ACT_GOTO:
        words.append(str(rule.goto))
    if rule.suppress_prefixlength is not None:
        words += ["suppress_prefixlength", str(rule.suppress_prefixlength)]
    return words


def _range(value: Range) -> str:
    return str(value[0]) if value[0] == value[1] else f"{value[0]}-{value[1]}"
