# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Parses the output of `nft -j list table` (libnftables-json(5)); nft 0.9.8 to 1.1 print our rules alike. Pure.

A foreign expression becomes its JSON text, so that it equals no wanted expression.

This module is private to the collection.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping
from typing import Any

from .._ip.prefix import parse_prefix
from . import syntax as words
from .table import DORMANT, HOOKS, NAME, Hook, Rule, RulesetPart, Stray, TableEntry, parse_chain_name

_VERDICTS = ("accept", "drop", "masquerade")
CLAMP = "tcp option maxseg size set rt mtu"
_CLAMP_JSON = {
    "key": {"tcp option": {"name": "maxseg", "field": "size"}},
    "value": {"rt": {"key": "mtu"}},
}
# nft prints numbers where a host has no /etc/protocols.
_L4_NAMES: Mapping[str | int, str] = {socket.IPPROTO_ESP: "esp", socket.IPPROTO_UDP: "udp", socket.IPPROTO_TCP: "tcp"}
_NOT_PARTS = ("metainfo", "table", "rule", "element")


def joined(texts: Iterable[str]) -> str:
    """Return one listing of several tables, "" for none."""
    entries = [entry for text in texts for entry in json.loads(text)["nftables"]]
    return json.dumps({"nftables": entries}) if entries else ""


def parse(text: str) -> tuple[TableEntry, ...]:
    """Return the objects in our tables. Raises ValueError for a text that is no listing."""
    listed = json.loads(text)["nftables"]
    rules: dict[tuple[str, str], list[Rule]] = {}
    for found in _all(listed, "rule"):
        expressions = tuple(expression(item) for item in found.get("expr", ()))
        rules.setdefault((found["family"], found["chain"]), []).append(Rule(expressions, found.get("comment", "")))
    parts: list[TableEntry] = [
        Stray(*DORMANT, table["family"]) for table in _all(listed, "table") if table.get("flags")
    ]
    for entry in listed:
        for kind, found in entry.items():
            if kind not in _NOT_PARTS:
                parts.append(_part(kind, found, rules))
    return tuple(parts)


def as_transaction(text: str, families: Iterable[str]) -> str:
    """Return a transaction for `nft -j -f` that restores our tables of these families from their listing."""
    commands: list[dict[str, Any]] = []
    for family in families:
        ours = {"family": family, "name": NAME}
        commands += [{"add": {"table": ours}}, {"delete": {"table": ours}}]
    for entry in json.loads(text)["nftables"] if text else ():
        for kind, found in entry.items():
            if kind != "metainfo":  # the kernel assigns handles
                commands.append({"add": {kind: {name: value for name, value in found.items() if name != "handle"}}})
    return json.dumps({"nftables": commands})


def _all(listed: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [entry[kind] for entry in listed if kind in entry]


def _part(kind: str, found: Mapping[str, Any], rules: Mapping[tuple[str, str], list[Rule]]) -> TableEntry:
    name, family = str(found["name"]), str(found["family"])
    known = parse_chain_name(name) if kind == "chain" else None
    if known is None or HOOKS[known[1]].family != family:
        return Stray(kind, name, family)
    hook = Hook(found.get("type", ""), found.get("hook", ""), found.get("prio", 0), found.get("policy", ""), family)
    return RulesetPart(*known, hook, tuple(rules.get((family, name), ())))


def expression(found: Mapping[str, Any]) -> str:
    """Return one expression of a rule in our spelling, or as JSON if it is foreign."""
    written = ""
    if len(found) == 1:
        ((kind, value),) = found.items()
        if kind in _VERDICTS and not value:
            written = kind
        elif kind == "counter":  # with or without its values
            written = "counter"
        elif kind == "mangle" and value == _CLAMP_JSON:
            written = CLAMP
        elif kind == "mangle" and value.get("key") == _MARK:
            written = words.listed_mark(value["value"])
        elif kind == "mangle" and value.get("key") == _CONNECTION_MARK and isinstance(value.get("value"), int):
            written = words.connection_mark(value["value"])
        elif kind == "match":
            written = _match(value)
    return written or json.dumps(found, sort_keys=True)


def _match(found: Mapping[str, Any]) -> str:
    if set(found) != {"op", "left", "right"} or not isinstance(found["left"], Mapping):
        return ""
    left, right, operator = found["left"], found["right"], found["op"]
    name = left.get("meta", {}).get("key") if list(left) == ["meta"] else None
    plain = operator == "=="
    if name == "l4proto" and isinstance(right, (str, int)) and plain:
        return f"meta l4proto {_L4_NAMES.get(right, right)}"
    if right is True and plain and left in ({"meta": {"key": "ipsec"}}, {"rt": {"key": "ipsec"}}):
        return f"{next(iter(left))} ipsec exists"
    if left == _CONNECTION_MARK and isinstance(right, int) and plain:
        return words.connection_mark_is(right)
    if list(left) == ["&"] and left["&"][0] == _MARK and isinstance(right, int) and plain:
        return words.mark_is(right, left["&"][1])
    if left == _MARK and isinstance(right, int) and plain:
        return words.mark_is(right)
    if name in ("iifname", "oifname") and isinstance(right, str) and operator in _OPERATORS:
        return f'{name} {_OPERATORS[operator]}"{right}"'
    if list(left) == ["ct"] and left["ct"].get("dir") == "original":
        name = f"ct original {left['ct'].get('key')}"
    elif list(left) == ["payload"]:
        name = " ".join(str(left["payload"].get(field)) for field in ("protocol", "field"))
    else:
        return ""
    if name == "tcp flags" and operator == "in" and right == "syn":
        return "tcp flags syn"
    if name in _ADDRESSES and operator in _OPERATORS:
        network = words.listed_networks(right)
        return f"{name} {_OPERATORS[operator]}{network}" if network else ""
    if name == "icmpv6 type" and plain:
        names = words.listed_names(right)
        return f"{name} {names}" if names else ""
    if name in _NUMBERS and plain:
        numbers = words.listed_numbers(right)
        return f"{name} {numbers}" if numbers else ""
    return ""


_OPERATORS = {"==": "", "!=": "!= "}
_MARK = {"meta": {"key": "mark"}}
_CONNECTION_MARK = {"ct": {"key": "mark"}}
_NUMBERS = ("udp dport", "tcp sport", "tcp dport")
_ADDRESSES = (
    "arp saddr ip",
    "ip saddr",
    "ip daddr",
    "ip6 saddr",
    "ip6 daddr",
    "ct original ip saddr",
    "ct original ip6 saddr",
)


def network(text: str) -> str:
    """Return a network in the spelling of our rules. Raises ValueError."""
    prefix = parse_prefix(text)
    written = str(prefix)
    return written.rpartition("/")[0] if prefix.length == len(prefix.packed) * 8 else written
