# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the results of `traffic_info`. They come from hosts, so shape and size are not trusted.

A malformed result counts for its host alone: it is named, and the other results are evaluated. Nothing in it is used.
This plugin util is private to the collection.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Ends = tuple[str, str]

_LARGEST = 2**63
_LONGEST = 1000  # characters of a text
_MOST_SPIS = 256  # states in one direction between two addresses
_MOST_COUNTERS = 256
_WORD = re.compile(r"[a-z][a-z_]{0,39}")
_WITHOUT_RESULT = ("failed", "skipped", "unreachable")  # words of Ansible
_KINDS = ("wireguard", "esp", "plaintext_pod", "plaintext_host")


@dataclass(frozen=True)
class PairCount:
    """Packets of each kind from one node to another. An address of no node has the name ""."""

    source: str
    destination: str
    kinds: Mapping[str, int]


@dataclass(frozen=True)
class ProbedPeer:
    """The result of probing a node. handshake_age in seconds, rtt_ms in milliseconds, mtu in bytes."""

    verdict: str
    advice: str
    handshake_age: int | None = None
    rtt_ms: float | None = None
    mtu: int | None = None


@dataclass(frozen=True)
class StatesOfDirection:
    """The IPsec states from one address to another. meanwhile, failed: packets during the capture."""

    spis: tuple[str, ...]
    meanwhile: int
    failed: int
    key_age_days: int | None
    sequence_percent: int | None


@dataclass(frozen=True)
class EchoAnswer:
    """The result of echo requests to an address. mtu, wanted_mtu: bytes."""

    address: str
    replied: bool
    rtt_ms: float | None
    mtu: int | None
    wanted_mtu: int | None


@dataclass(frozen=True)
class TrafficReport:
    """What a node reported. peers: by name. states: by source and destination address. answers: by name of the probed node.

    refusal: why nothing was probed, "" for no reason. seconds: length of the capture. xfrm_stat: growth of error counters.
    """

    pairs: tuple[PairCount, ...] = ()
    peers: Mapping[str, ProbedPeer] = field(default_factory=dict)
    refusal: str = ""
    states: Mapping[Ends, StatesOfDirection] = field(default_factory=dict)
    answers: Mapping[str, tuple[EchoAnswer, ...]] = field(default_factory=dict)
    lost: int = 0
    full: bool = False
    seconds: float = 0
    xfrm_stat: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TrafficReports:
    """The reports of all nodes with a result. malformed: by host, what is wrong with its report."""

    by_node: Mapping[str, TrafficReport]
    malformed: Mapping[str, str]

    def keys(self) -> set[str]:
        """Return the hosts with a result of any kind."""
        return {*self.by_node, *self.malformed}


class Malformed(ValueError):
    """A report that the module does not return. The message names the place."""


def read_reports(results: Mapping[str, object], wire: Mapping[str, Any]) -> TrafficReports:
    """Return the reports in results by inventory name. wire: the expected traffic, which bounds their size.

    A host that was skipped, failed, or was not reached has none.
    """
    most = _most_entries(wire)
    found: dict[str, TrafficReport] = {}
    malformed: dict[str, str] = {}
    for name, result in results.items():
        if isinstance(result, Mapping) and "pairs" not in result and any(map(result.get, _WITHOUT_RESULT)):
            continue
        try:
            found[str(name)] = _report(_Entry.of(result, "the result"), most)
        except Malformed as error:
            malformed[str(name)] = str(error)
    return TrafficReports(found, malformed)


def _most_entries(wire: Mapping[str, Any]) -> int:
    """Return the largest number of entries of a list in a report: of every node, address and target with every other."""
    nodes = wire.get("nodes", ())
    targets = (wire.get("ipsec") or {}).get("targets", ())
    places = max(len(wire["encrypting"]), len(nodes)) + sum(len(node["addresses"]) for node in nodes) + len(targets)
    return int((places + 1) ** 2)


def _report(entry: _Entry, most: int) -> TrafficReport:
    probe, ipsec = entry.part("probe"), entry.part("ipsec")
    answers: dict[str, list[EchoAnswer]] = {}
    for one in ipsec.entries("answers", most):
        answers.setdefault(one.text("name"), []).append(_answer(one))
    states: dict[Ends, StatesOfDirection] = {}
    for one in ipsec.entries("states", most):
        # The first entry of a direction counts.
        states.setdefault((one.text("src"), one.text("dst")), _states(one))
    return TrafficReport(
        pairs=tuple(
            PairCount(one.text("source"), one.text("destination"), {kind: one.whole(kind) for kind in _KINDS})
            for one in entry.entries("pairs", most, required=True)
        ),
        peers={one.text("name"): _peer(one) for one in probe.entries("peers", most)},
        refusal=probe.text("refusal") if probe.has("refusal") else "",
        states=states,
        answers={name: tuple(listed) for name, listed in answers.items()},
        lost=entry.whole_or_none("lost") or 0,
        full=entry.flag("full") if entry.has("full") else False,
        seconds=entry.number_or_none("seconds") or 0,
        xfrm_stat=entry.part("xfrm_stat").counters(),
    )


def _peer(entry: _Entry) -> ProbedPeer:
    return ProbedPeer(
        entry.word("verdict"),
        entry.text("advice"),
        entry.whole_or_none("handshake_age"),
        entry.number_or_none("rtt_ms"),
        entry.whole_or_none("mtu"),
    )


def _states(entry: _Entry) -> StatesOfDirection:
    return StatesOfDirection(
        entry.texts("spis", _MOST_SPIS),
        entry.whole("meanwhile"),
        entry.whole("failed"),
        entry.whole_or_none("key_age_days"),
        entry.whole_or_none("sequence_percent"),
    )


def _answer(entry: _Entry) -> EchoAnswer:
    return EchoAnswer(
        entry.text("address"),
        entry.flag("replied"),
        entry.number_or_none("rtt_ms"),
        entry.whole_or_none("mtu"),
        entry.whole_or_none("wanted_mtu"),
    )


@dataclass(frozen=True)
class _Entry:
    """A mapping in a report, and its place for messages. Its methods raise Malformed, and quote no value of a host."""

    values: Mapping[str, Any]
    place: str

    @classmethod
    def of(cls, value: object, place: str) -> _Entry:
        if not isinstance(value, Mapping):
            raise Malformed(f"{place} is no dictionary")
        return cls(value, place)

    def _at(self, key: str) -> str:
        return f"{key} of {self.place}"

    def has(self, key: str) -> bool:
        """Return whether there is a value, which is not null."""
        return self.values.get(key) is not None

    def part(self, key: str) -> _Entry:
        """Return a mapping in this one, an empty one if it is missing."""
        return _Entry.of(self.values[key] if self.has(key) else {}, self._at(key))

    def entries(self, key: str, most: int, *, required: bool = False) -> Iterator[_Entry]:
        """Yield the mappings of a list, none if it is missing and not required."""
        if required or self.has(key):
            for number, value in enumerate(self._list(key, most), 1):
                yield _Entry.of(value, f"entry {number} of {self._at(key)}")

    def texts(self, key: str, most: int) -> tuple[str, ...]:
        """Return a list of texts."""
        return tuple(self._text(value, self._at(key)) for value in self._list(key, most))

    def text(self, key: str) -> str:
        """Return a text, on one line and shortened."""
        return self._text(self.values.get(key), self._at(key))

    def word(self, key: str) -> str:
        """Return a word in lower case, such as a verdict."""
        word = self.text(key)
        if not _WORD.fullmatch(word):
            raise Malformed(f"{self._at(key)} is no word in lower case")
        return word

    def flag(self, key: str) -> bool:
        """Return a boolean."""
        value = self.values.get(key)
        if not isinstance(value, bool):
            raise Malformed(f"{self._at(key)} is neither true nor false")
        return value

    def whole(self, key: str) -> int:
        """Return a whole number, 0 or larger."""
        return self._whole(self.values.get(key), self._at(key))

    def whole_or_none(self, key: str) -> int | None:
        """Return a whole number, None for null or none."""
        return self.whole(key) if self.has(key) else None

    def number_or_none(self, key: str) -> float | None:
        """Return a number, 0 or larger, None for null or none."""
        if not self.has(key):
            return None
        value = self.values[key]
        # Of a whole number only one in range is converted: a float has fewer digits.
        if isinstance(value, float) and math.isfinite(value) and 0 <= value < _LARGEST:
            return float(value)
        return self._whole(value, self._at(key))

    def counters(self) -> dict[str, int]:
        """Return this mapping as numbers by name."""
        self._bound(self.values, self.place, _MOST_COUNTERS)
        return {self._text(name, self.place): self._whole(value, self.place) for name, value in self.values.items()}

    def _list(self, key: str, most: int) -> list[Any]:
        value = self.values.get(key)
        if not isinstance(value, list):
            raise Malformed(f"{self._at(key)} is no list")
        self._bound(value, self._at(key), most)
        return value

    @staticmethod
    def _bound(value: Collection[Any], place: str, most: int) -> None:
        if len(value) > most:
            raise Malformed(f"{place} has {len(value)} entries, more than {most}")

    @staticmethod
    def _text(value: object, place: str) -> str:
        if not isinstance(value, str):
            raise Malformed(f"{place} is no text")
        text = " ".join(str(value[:_LONGEST]).split())
        if not text.isprintable():
            raise Malformed(f"{place} has characters that cannot be printed")
        return text

    @staticmethod
    def _whole(value: object, place: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _LARGEST:
            raise Malformed(f"{place} is no whole number from 0 to {_LARGEST - 1}")
        return int(value)
