# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""From the options of ip_rule_fwmark to rules: every mistake is found before anything is touched.

This module is private to the collection.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..netlink import rule as codec
from ..netlink.rule import Range, Rule
from ..prefix import Prefix, parse_prefix
from ..refusal import InvalidOptions
from . import names
from .rule_text import ACTIONS, IP_PROTOCOLS
from .rules import Ownership, slot

Options = Mapping[str, Any]

LOOKUP = "lookup"
_ACTIONS = {LOOKUP: codec.FR_ACT_TO_TBL, **{name: number for number, name in ACTIONS.items() if name != "nop"}}
_FAMILIES: dict[str, tuple[int, ...]] = {"ipv4": (int(socket.AF_INET),), "ipv6": (int(socket.AF_INET6),)}
_FAMILIES["both"] = _FAMILIES["ipv4"] + _FAMILIES["ipv6"]
_U32_MAX = 0xFFFFFFFF
_RESERVED_PRIORITIES = {0: "local", 32766: "main", 32767: "default"}
_RESERVED_TABLES = {253: "default", 254: "main", 255: "local"}
_INTERFACE = re.compile(r"[^\s/:\x00-\x1f\x7f]{1,15}")


@dataclass(frozen=True)
class WantedRules:
    """What a call asks for."""

    present: tuple[Rule, ...]
    absent: tuple[Rule, ...]
    own: Ownership
    purge: bool = False


def parse(options: Options) -> WantedRules:
    """Return what a call of the module asks for. Raises InvalidOptions with all that is wrong."""
    return _Parser().parse(options)


class _Parser:
    def __init__(self) -> None:
        self.errors: list[str] = []
        self.tables = names.tables()

    def parse(self, options: Options) -> WantedRules:
        protocol = self.protocol(options["protocol"])
        priorities = self.priorities(options.get("priorities"))
        own_tables = self.own_tables(options.get("tables") or ())
        present: list[Rule] = []
        absent: list[Rule] = []
        for position, raw in enumerate(options.get("rules") or ()):
            where = f"rules[{position}]"
            found = self.rule(where, raw, protocol)
            gone = raw.get("state") == "absent"
            (absent if gone else present).extend(found)
            if found and not gone and priorities and not priorities[0] <= found[0].priority <= priorities[1]:
                self.wrong(
                    f"{where}.priority",
                    found[0].priority,
                    f"is outside of priorities, {priorities[0]}-{priorities[1]}; widen that range or move the rule",
                )
        if options.get("purge") and priorities is None:
            self.wrong(
                "purge", True, "needs to know which priorities are yours; set priorities, to 100-199 for example"
            )
        self.refuse_doubles(present, absent)
        if self.errors:
            raise InvalidOptions(self.errors)
        looked_up = {rule.table for rule in (*present, *absent) if rule.table not in _RESERVED_TABLES}
        tables = frozenset(own_tables) | (looked_up - {0})
        own = Ownership(protocol, tables, priorities)
        return WantedRules(tuple(present), tuple(absent), own, bool(options.get("purge")))

    def wrong(self, option: str, value: object, remedy: str) -> None:
        shown = f"'{value}'" if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else value
        self.errors.append(f"{option}: {shown} {remedy}")

    def refuse_doubles(self, present: Sequence[Rule], absent: Sequence[Rule]) -> None:
        seen: set[Rule] = set()
        for rule in present:
            if slot(rule) in seen:
                self.wrong(
                    "rules",
                    rule.priority,
                    "is the priority of two rules with the same selector, of which the kernel asks one first; "
                    "remove one of them, or give it another priority",
                )
            seen.add(slot(rule))
        for rule in set(present) & set(absent):
            self.wrong("rules", rule.priority, "is the priority of a rule both present and absent; remove one entry")

    def protocol(self, text: str) -> int:
        try:
            found = names.number(str(text), names.protocols())
        except ValueError:
            self.wrong("protocol", text, "is no routing protocol; write a number from 1 to 255 or a name of rt_protos")
            return codec.RTPROT_KERNEL
        if not 1 <= found <= 255:
            self.wrong("protocol", text, "is not from 1 to 255, so rules could not be told apart by it")
        return found

    def priorities(self, text: object) -> Range | None:
        if text is None:
            return None
        found = self.range("priorities", str(text), 1, _U32_MAX, "100-199")
        if found and any(found[0] <= reserved <= found[1] for reserved in _RESERVED_PRIORITIES):
            self.wrong("priorities", str(text), "has 0, 32766 or 32767 in it, the kernel's own; end the range before")
        return found

    def own_tables(self, listed: Sequence[object]) -> list[int]:
        found = []
        for position, text in enumerate(listed):
            table = self.table(f"tables[{position}]", str(text), main_by_name=False)
            if table:
                found.append(table)
        return found

    def table(self, option: str, text: str, *, main_by_name: bool) -> int:
        try:
            table = names.number(text, self.tables)
        except ValueError:
            self.wrong(option, text, "is no table; write a number, or a name that stands in rt_tables on this host")
            return 0
        if table == 254 and main_by_name and text.strip() == "main":
            return table
        if table == 0 or table > _U32_MAX:
            self.wrong(option, text, "is no table of yours; take one from 1 to 4294967295 without 253, 254 and 255")
        elif table in _RESERVED_TABLES:
            remedy = "; to look up the main table, write main" if table == 254 and main_by_name else ""
            self.wrong(option, text, f"is the table {_RESERVED_TABLES[table]} of the host, not one of yours{remedy}")
        return table

    def rule(self, where: str, raw: Options, protocol: int) -> list[Rule]:
        before = len(self.errors)
        priority = raw["priority"]
        if priority in _RESERVED_PRIORITIES:
            owner = _RESERVED_PRIORITIES[priority]
            self.wrong(
                f"{where}.priority", priority, f"is that of the kernel's rule for the table {owner}; take another"
            )
        elif not 0 < priority <= _U32_MAX:
            self.wrong(f"{where}.priority", priority, "is not from 1 to 4294967295")
        source, destination = self.network(where, raw, "from"), self.network(where, raw, "to")
        families = self.families(where, raw, [prefix for prefix in (source, destination) if prefix])
        fwmark, fwmask = self.mark(where, raw)
        action, table, goto = self.action(where, raw, priority)
        suppress = raw.get("suppress_prefixlength")
        longest = 32 if int(socket.AF_INET) in families else 128
        if suppress is not None and not 0 <= suppress <= longest:
            self.wrong(f"{where}.suppress_prefixlength", suppress, f"is not from 0 to {longest}")
        if suppress is not None and action != codec.FR_ACT_TO_TBL:
            self.wrong(f"{where}.suppress_prefixlength", suppress, "is for the action lookup alone; leave it out")
        rule = Rule(
            0,
            priority,
            action,
            table,
            goto,
            bool(raw.get("invert")),
            source if source and source.length else None,
            destination if destination and destination.length else None,
            self.interface(where, raw, "iif"),
            self.interface(where, raw, "oif"),
            fwmark,
            fwmask,
            suppress,
            self.optional_range(where, raw, "uidrange", 0, _U32_MAX - 1, "1000-1999"),
            self.ip_protocol(where, raw),
            self.optional_range(where, raw, "sport", 1, 65534, "1024-65534"),
            self.optional_range(where, raw, "dport", 1, 65534, "53"),
            protocol,
        )
        if rule.invert and replace(slot(rule), invert=False) == Rule(0, priority, 0, protocol=protocol):
            self.wrong(
                f"{where}.invert", True, "turns a rule around that matches every packet, so that it matches none"
            )
        if len(self.errors) > before:
            return []
        return [replace(rule, family=family) for family in families]

    def families(self, where: str, raw: Options, networks: Sequence[Prefix]) -> tuple[int, ...]:
        written = {network.family for network in networks}
        given = raw.get("family")
        if len(written) == 2:
            self.wrong(f"{where}.from", raw["from"], f"and to: '{raw['to']}' are of two families; one rule has one")
        if given is None:
            return (min(written),) if written else _FAMILIES["ipv4"]
        families = _FAMILIES[given]
        if written and written != set(families):
            self.wrong(f"{where}.family", given, "is not that of from and to; leave it out, it follows from them")
        return families

    def network(self, where: str, raw: Options, option: str) -> Prefix | None:
        text = raw.get(option)
        if text is None or text == "all":
            return None
        try:
            return parse_prefix(text)
        except ValueError as exc:
            self.errors.append(f"{where}.{option}: {exc}")
            return None

    def mark(self, where: str, raw: Options) -> tuple[int, int]:
        text, mask_text = raw.get("fwmark"), raw.get("fwmask")
        if text is None:
            if mask_text is not None:
                self.wrong(f"{where}.fwmask", mask_text, "is nothing without fwmark; set fwmark too")
            return 0, 0
        mark_text, slash, behind = str(text).partition("/")
        if slash and mask_text is not None:
            self.wrong(f"{where}.fwmask", mask_text, f"is a second mask beside fwmark: '{text}'; write one of them")
        mask_text = behind if slash else mask_text
        mark = self.word32(f"{where}.fwmark", mark_text, text)
        mask = _U32_MAX if mask_text is None else self.word32(f"{where}.fwmask", str(mask_text), mask_text)
        if mark is None or mask is None:
            return 0, 0
        if mark == 0 and mask_text is None:
            self.wrong(f"{where}.fwmark", text, "without a mask matches every packet; write 0/MASK, as in 0/0xf00")
        if mask == 0:
            self.wrong(
                f"{where}.fwmask", mask_text, "leaves no bit to compare, so every packet matches; set bits in it"
            )
        elif mark & ~mask:
            self.wrong(f"{where}.fwmark", text, f"has bits outside of its mask; write {mark & mask:#x}/{mask:#x}")
        return mark, mask

    def word32(self, option: str, digits: str, shown: object) -> int | None:
        try:
            found = names.number(digits)
        except ValueError:
            found = -1
        if 0 <= found <= _U32_MAX:
            return found
        self.wrong(option, str(shown), "is no number of 32 bits; write it as 512, 0x200 or 0x200/0xf00")
        return None

    def action(self, where: str, raw: Options, priority: int) -> tuple[int, int, int]:
        name, goto, table = raw.get("action") or LOOKUP, raw.get("goto"), raw.get("table")
        if (name == "goto") != (goto is not None):
            remedy = "needs the priority to go to; set goto" if goto is None else f"needs action: goto, not {name}"
            self.wrong(f"{where}.{'action' if goto is None else 'goto'}", name if goto is None else goto, remedy)
        elif goto is not None and not priority < goto <= _U32_MAX:
            self.wrong(f"{where}.goto", goto, f"does not lie behind priority {priority}; rules only jump forwards")
        if (name == LOOKUP) != (table is not None):
            remedy = "needs a table; set table" if table is None else f"needs action: lookup, not {name}"
            self.wrong(
                f"{where}.{'action' if table is None else 'table'}", name if table is None else str(table), remedy
            )
            table = None
        number = self.table(f"{where}.table", str(table), main_by_name=True) if table is not None else 0
        return _ACTIONS[name], number, goto or 0

    def interface(self, where: str, raw: Options, option: str) -> str | None:
        name = raw.get(option)
        if name is not None and (not _INTERFACE.fullmatch(name) or name in (".", "..")):
            self.wrong(
                f"{where}.{option}", name, "is no interface name; one has up to 15 characters, no space, no slash"
            )
        return str(name) if name is not None else None

    def ip_protocol(self, where: str, raw: Options) -> int:
        text = raw.get("ipproto")
        if text is None:
            return 0
        try:
            found = names.number(str(text), IP_PROTOCOLS)
        except ValueError:
            try:
                found = socket.getprotobyname(str(text))
            except (OSError, ValueError):
                found = 0
        if not 1 <= found <= 255:
            self.wrong(
                f"{where}.ipproto", str(text), "is no IP protocol; write tcp, udp, icmp or a number from 1 to 255"
            )
        return found

    def optional_range(
        self, where: str, raw: Options, option: str, lowest: int, highest: int, example: str
    ) -> Range | None:
        text = raw.get(option)
        return None if text is None else self.range(f"{where}.{option}", str(text), lowest, highest, example)

    def range(self, option: str, text: str, lowest: int, highest: int, example: str) -> Range | None:
        first, _dash, last = text.partition("-")
        try:
            found = (names.number(first), names.number(last if _dash else first))
        except ValueError:
            found = (-1, -1)
        if lowest <= found[0] <= found[1] <= highest:
            return found
        self.wrong(option, text, f"is no number or range from {lowest} to {highest}; write it like {example}")
        return None
