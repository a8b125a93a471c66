# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Which sources a chain that drops plaintext still accepts, as nft lists it. Pure.

Nodes whose roll-out was interrupted accept plaintext of nodes to which they send encrypted packets.
This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .._ip.prefix import Prefix, masked, parse_prefix
from .table import Rule

_SOURCES = ("ip saddr ", "ip6 saddr ")
_ACCEPT, _DROP = "accept", "drop"


class _Match(NamedTuple):
    """The networks of a rule by length, and its verdict."""

    networks: Mapping[int, frozenset[bytes]]
    verdict: str

    def contains(self, source: Prefix) -> bool:
        return any(
            length <= source.length and masked(source.packed, length) in found
            for length, found in self.networks.items()
        )


def accepted_sources(rules: Iterable[Rule], sources: Iterable[Prefix]) -> list[Prefix]:
    """Return those of some sources whose plaintext the rules of a drop chain do not drop."""
    matches = [match for rule in rules if (match := _match_of(rule)) is not None]
    return [source for source in sources if _verdict(matches, source) == _ACCEPT]


def _verdict(matches: Iterable[_Match], source: Prefix) -> str:
    return next((match.verdict for match in matches if match.contains(source)), _ACCEPT)


def _match_of(rule: Rule) -> _Match | None:
    """Return the sources of a rule that tests nothing else, None for another rule."""
    first, *others = rule.expressions
    name = next((name for name in _SOURCES if first.startswith(name)), "")
    verdict = others[-1] if others else ""
    if not name or verdict not in (_ACCEPT, _DROP) or len(others) > 2:
        return None
    found: dict[int, set[bytes]] = {}
    for word in first[len(name) :].strip("{} ").split(","):
        try:
            network = parse_prefix(word.strip())
        except ValueError:
            return None  # a rule of somebody else, such as one with !=
        found.setdefault(network.length, set()).add(network.packed)
    return _Match({length: frozenset(packed) for length, packed in found.items()}, verdict)
