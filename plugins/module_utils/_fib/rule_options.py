# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The options of ip_rule_fwmark as rules.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._engine.options import ALL_BITS, OptionReader, mark, number
from .._ip.prefix import Prefix, parse_prefix
from .._netlink import rule as codec
from .._netlink.link import link_name
from .._netlink.rule import Range, Rule
from . import iproute2_names as names
from .describe_rule import ACTIONS, IP_PROTOCOLS
from .rules import Ownership, exception_form, slot

LOOKUP = "lookup"
_ACTIONS = {LOOKUP: codec.FR_ACT_TO_TBL, **{name: number for number, name in ACTIONS.items() if name != "nop"}}
_FAMILIES: dict[str, tuple[int, ...]] = {"ipv4": (int(socket.AF_INET),), "ipv6": (int(socket.AF_INET6),)}
_FAMILIES["both"] = _FAMILIES["ipv4"] + _FAMILIES["ipv6"]
_SELECTORS = (
    *("priority", "family", "fwmark", "fwmask", "invert", "from", "to", "iif", "oif", "ipproto", "sport", "dport"),
    *("uidrange", "action", "table", "goto", "suppress_prefixlength"),
)
_RESERVED_PRIORITIES = {0: "local", 32766: "main", 32767: "default"}


@dataclass(frozen=True)
class WantedRules:
    """The rules of one call."""

    present: tuple[Rule, ...]
    absent: tuple[Rule, ...]
    own: Ownership
    purge: bool = False


def parse(options: Mapping[str, Any]) -> WantedRules:
    """Return the rules of one call. Raises InvalidOptions with every error."""
    reader = OptionReader(options)
    known = names.tables()
    protocol = reader.read("protocol", names.protocol, codec.RTPROT_KERNEL)
    priorities = reader.read("priorities", _priorities, None)
    own_tables = reader.each("tables", lambda text: names.table(text, known))
    present: list[Rule] = []
    absent: list[Rule] = []
    for entry in reader.entries("rules"):
        found = _rule(entry, protocol, known)
        if entry.get("state") == "absent":
            absent += found
            continue
        present += found
        if found and priorities and not priorities[0] <= found[0].priority <= priorities[1]:
            first, last = priorities
            entry.reject("priority", f"is outside of priorities, {first}-{last}; widen that range or move the rule")
    exceptions = [rule for entry in reader.entries("exceptions", _SELECTORS) for rule in _rule(entry, protocol, known)]
    if options.get("purge") and options.get("priorities") is None:
        reader.reject("purge", "needs the range of your priorities; set priorities, to 100-199 for example")
    _refuse_duplicates(reader, present, absent)
    reader.raise_errors()
    looked_up = {rule.table for rule in (*present, *absent)} - {0, *names.TABLES.values()}
    given = (
        None if options.get("exceptions") is None else frozenset(map(exception_form, (*exceptions, *present, *absent)))
    )
    own = Ownership(protocol, frozenset(own_tables) | looked_up, priorities, given)
    return WantedRules(tuple(present), tuple(absent), own, bool(options.get("purge")))


def _refuse_duplicates(reader: OptionReader, present: Sequence[Rule], absent: Sequence[Rule]) -> None:
    seen: set[Rule] = set()
    for rule in present:
        if slot(rule) in seen:
            reader.error(
                "rules",
                f"{rule.priority} is the priority of two rules with the same selector, and the kernel uses one of "
                "them first; remove one, or change its priority",
            )
        seen.add(slot(rule))
    for rule in set(present) & set(absent):
        reader.error("rules", f"{rule.priority} is the priority of a rule both present and absent; remove one entry")


def _rule(entry: OptionReader, protocol: int, known: Mapping[str, int]) -> list[Rule]:
    """Return the rule of one entry, once per family; none where it has errors."""
    before = len(entry.errors)
    priority = _priority(entry)
    source, destination = entry.read("from", _network, None), entry.read("to", _network, None)
    families = _families(entry, [prefix for prefix in (source, destination) if prefix])
    fwmark, fwmask = _mark(entry)
    action, table, goto = _action(entry, priority, known)
    suppress = None
    if entry.get("suppress_prefixlength") is not None:
        suppress = entry.number("suppress_prefixlength", 0, 32 if int(socket.AF_INET) in families else 128)
        if action != codec.FR_ACT_TO_TBL:
            entry.reject("suppress_prefixlength", "is for the action lookup only; leave it out")
    rule = Rule(
        0,
        priority,
        action,
        table,
        goto,
        bool(entry.get("invert")),
        source if source and source.length else None,
        destination if destination and destination.length else None,
        entry.read("iif", link_name, None),
        entry.read("oif", link_name, None),
        fwmark,
        fwmask,
        suppress,
        entry.read("uidrange", lambda text: _range(text, 0, ALL_BITS - 1, "1000-1999"), None),
        entry.read("ipproto", _ip_protocol, 0),
        entry.read("sport", lambda text: _range(text, 1, 65534, "1024-65534"), None),
        entry.read("dport", lambda text: _range(text, 1, 65534, "53"), None),
        protocol,
    )
    if rule.invert and replace(slot(rule), invert=False) == Rule(0, priority, 0, protocol=protocol):
        entry.reject("invert", "inverts a rule that matches every packet, so that it matches none")
    if len(entry.errors) > before:
        return []
    return [replace(rule, family=family) for family in families]


def _priority(entry: OptionReader) -> int:
    owner = _RESERVED_PRIORITIES.get(entry.get("priority"))
    if owner is not None:
        entry.reject("priority", f"is that of the kernel's rule for the table {owner}; choose another")
        return 0
    return entry.number("priority", 1, ALL_BITS)


def _families(entry: OptionReader, networks: Sequence[Prefix]) -> tuple[int, ...]:
    written = {network.family for network in networks}
    if len(written) == 2:
        entry.reject("from", f"and to: '{entry.get('to')}' are of two families; a rule has one")
    if entry.get("family") is None:
        return (min(written),) if written else _FAMILIES["ipv4"]
    families = _FAMILIES[entry.get("family")]
    if written and written != set(families):
        entry.reject("family", "is not that of from and to; leave it out, it follows from them")
    return families


def _network(text: str) -> Prefix | None:
    return None if text == "all" else parse_prefix(text)


def _mark(entry: OptionReader) -> tuple[int, int]:
    text, mask = entry.get("fwmark"), entry.get("fwmask")
    if text is None:
        if mask is not None:
            entry.reject("fwmask", "has no effect without fwmark; set fwmark too")
        return 0, 0
    if mask is not None and "/" in str(text):
        entry.reject("fwmask", f"is a second mask beside fwmark: '{text}'; write one of them")
        return 0, 0
    fwmark, fwmask = entry.read("fwmark", lambda value: mark(value if mask is None else f"{value}/{mask}"), (0, -1))
    if fwmask == 0:
        option = "fwmark" if mask is None else "fwmask"
        entry.reject(option, "has a mask without bits, so every packet matches; set bits in it")
    elif fwmark == 0 and fwmask == ALL_BITS and mask is None and "/" not in str(text):
        entry.reject("fwmark", "without a mask matches every packet; write 0/MASK, as in 0/0xf00")
    return fwmark, fwmask


def _action(entry: OptionReader, priority: int, known: Mapping[str, int]) -> tuple[int, int, int]:
    """Return the action, its table and the priority that it jumps to, 0 for none."""
    name = entry.get("action") or LOOKUP
    for action, argument, meaning in ((LOOKUP, "table", "a table"), ("goto", "goto", "the priority to go to")):
        given = entry.get(argument) is not None
        if name == action and not given:
            entry.error("action", f"'{name}' needs {meaning}; set {argument}")
        elif given and name != action:
            entry.reject(argument, f"needs action: {action}, not {name}")
    table = goto = 0
    if name == LOOKUP:
        table = entry.read("table", lambda text: names.table(text, known, main=True), 0)
    elif name == "goto":
        goto = entry.get("goto") or 0
        if entry.get("goto") is not None and not priority < goto <= ALL_BITS:
            entry.reject("goto", f"is not after priority {priority}; rules only jump forwards")
    return _ACTIONS[name], table, goto


def _ip_protocol(text: str) -> int:
    try:
        return number(IP_PROTOCOLS.get(text, text), 1, 255)
    except ValueError:
        pass
    try:
        return socket.getprotobyname(text)
    except (OSError, ValueError):
        raise ValueError(f"{text!r} is not an IP protocol; write tcp, udp, icmp or a number from 1 to 255") from None


def _priorities(text: str) -> Range | None:
    found = _range(text, 1, ALL_BITS, "100-199")
    if any(found[0] <= reserved <= found[1] for reserved in _RESERVED_PRIORITIES):
        raise ValueError(f"{text!r} includes 32766 or 32767, priorities of the kernel's rules; end the range before")
    return found


def _range(text: str, low: int, high: int, example: str) -> Range:
    """Return the range that `FIRST-LAST` or a single number is. Raises ValueError."""
    first, dash, last = str(text).partition("-")
    try:
        found = number(first, low, high), number(last if dash else first, low, high)
    except ValueError:
        found = 1, 0
    if found[0] > found[1]:
        raise ValueError(f"{text!r} is not a number or range from {low} to {high}; write it like {example}")
    return found
