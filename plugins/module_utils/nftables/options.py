# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""From the option `nftables` to sections: every mistake is found before anything is touched.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..host.links import INTERFACE_NAME
from ..prefix import Prefix, parse_prefix
from ..refusal import InvalidOptions
from .listing import CLAMP, network
from .table import CLAMP_MSS, FORWARD, ISOLATE, MASQUERADE, Section, WantedSections, section

Options = Mapping[str, Any]

_PURPOSES = (FORWARD, ISOLATE, "isolate_except", MASQUERADE, CLAMP_MSS)
_VERSIONS = {4: "ip", 16: "ip6"}


def parse(options: Options) -> WantedSections:
    """Return what is wanted, by interface name. Raises InvalidOptions with all that is wrong.

    The order of a list means nothing. An interface without options (`{}`) has no sections left afterwards; one that is
    not named, or is None, is left alone.
    """
    parser = _Parser()
    sections: list[Section] = []
    named = {str(name): raw for name, raw in options.items() if raw is not None}
    for name, raw in named.items():
        parser.interface("nftables", name)
        sections += parser.sections(f"nftables.{name}", name, raw)
    if parser.errors:
        raise InvalidOptions(parser.errors)
    return WantedSections(frozenset(named), tuple(sections))


def forwarded(options: Options, interface: str) -> list[tuple[str | None, str | None]]:
    """Return the (iif, oif) that an interface's valid options mean to be forwarded; None is any interface."""
    own = options.get(interface) or {}
    pairs = [(entry.get("iif"), entry.get("oif")) for entry in own.get(FORWARD) or ()]
    pairs += [(interface, entry.get("oif")) for entry in own.get(MASQUERADE) or ()]
    return list(dict.fromkeys(pairs))


class _Parser:
    def __init__(self) -> None:
        self.errors: list[str] = []

    def wrong(self, option: str, value: object, remedy: str) -> None:
        shown = f"'{value}'" if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else value
        self.errors.append(f"{option}: {shown} {remedy}")

    def sections(self, where: str, interface: str, raw: object) -> list[Section]:
        options = self.mapping(where, raw, _PURPOSES) or {}
        rules = {
            FORWARD: self.forward(where, interface, options),
            ISOLATE: self.isolate(where, interface, options),
            MASQUERADE: self.masquerade(where, interface, options),
            CLAMP_MSS: [],
        }
        if self.flag(f"{where}.clamp_mss", options.get(CLAMP_MSS)):
            rules[CLAMP_MSS] = [[f'{way} "{interface}"', "tcp flags syn", CLAMP] for way in ("iifname", "oifname")]
        return [section(interface, purpose, written) for purpose, written in rules.items() if written]

    def forward(self, where: str, interface: str, options: Options) -> list[list[str]]:
        pairs: list[tuple[str | None, str | None]] = []
        for position, raw in enumerate(self.items(f"{where}.forward", options.get(FORWARD))):
            here = f"{where}.forward[{position}]"
            entry = self.mapping(here, raw, ("iif", "oif"))
            if entry is None:
                continue
            pair = (self.optional_interface(f"{here}.iif", entry), self.optional_interface(f"{here}.oif", entry))
            shown = " to ".join(name or "any" for name in pair)
            if interface not in pair:
                self.wrong(here, shown, f"does not speak of {interface}; name it as iif or as oif")
            elif pair in pairs:
                self.wrong(here, shown, "stands in the list twice; remove one entry")
            elif pair == (interface, interface) and options.get(ISOLATE) is True:
                self.wrong(here, shown, "is what isolate: true drops; remove one of the two")
            pairs.append(pair)
        return sorted([*_between(*pair), "counter", "accept"] for pair in pairs)

    def isolate(self, where: str, interface: str, options: Options) -> list[list[str]]:
        isolated = self.flag(f"{where}.isolate", options.get(ISOLATE))
        listed = self.items(f"{where}.isolate_except", options.get("isolate_except"))
        spared = [self.prefix(f"{where}.isolate_except[{at}]", raw) for at, raw in enumerate(listed)]
        if listed and not isolated:
            self.wrong(f"{where}.isolate_except", len(listed), "networks are spared from nothing; set isolate: true")
        if not isolated:
            return []
        among = _between(interface, interface)
        accepts = [
            [*among, f"{version} {side} {text}", "accept"]
            for version, text in sorted({_written(prefix) for prefix in spared if prefix})
            for side in ("saddr", "daddr")
        ]
        return [*accepts, [*among, "counter", "drop"]]

    def masquerade(self, where: str, interface: str, options: Options) -> list[list[str]]:
        seen: set[tuple[Prefix, str | None]] = set()
        rules = []
        for position, raw in enumerate(self.items(f"{where}.masquerade", options.get(MASQUERADE))):
            here = f"{where}.masquerade[{position}]"
            entry = self.mapping(here, raw, ("source", "oif"))
            if entry is None:
                continue
            source = self.prefix(f"{here}.source", entry.get("source"))
            oif = self.optional_interface(f"{here}.oif", entry)
            if oif in (interface, "lo"):
                self.wrong(
                    f"{here}.oif", oif, "is not a way out of the overlay; name another interface or leave it out"
                )
            if source is None:
                continue
            if (source, oif) in seen:
                self.wrong(f"{here}.source", str(source), "stands in the list twice; remove one entry")
            seen.add((source, oif))
            version, text = _written(source)
            # Not what comes back to the overlay by another way, and nothing that stays on this host.
            leaving = [f'oifname "{oif}"'] if oif else [f'oifname != "{interface}"', 'oifname != "lo"']
            rules.append([f"{version} saddr {text}", f"{version} daddr != {text}", *leaving, "masquerade"])
        return sorted(rules)

    def mapping(self, where: str, raw: object, known: tuple[str, ...]) -> Options | None:
        if not isinstance(raw, Mapping):
            self.errors.append(f"{where}: a mapping is wanted here, with {', '.join(known)}")
            return None
        for name in raw:
            if name not in known:
                self.wrong(where, str(name), f"is no option; write one of {', '.join(known)}")
        return raw

    def items(self, where: str, raw: object) -> list[Any]:
        if raw is None or isinstance(raw, list):
            return raw or []
        self.errors.append(f"{where}: a list is wanted here, not a value of type {type(raw).__name__}")
        return []

    def flag(self, where: str, raw: object) -> bool:
        if raw is None or isinstance(raw, bool):
            return bool(raw)
        self.wrong(where, str(raw), "is neither true nor false")
        return False

    def prefix(self, where: str, raw: object) -> Prefix | None:
        try:
            prefix = parse_prefix(str(raw or ""))
        except ValueError as exc:
            self.errors.append(f"{where}: {exc}")
            return None
        if not prefix.length:
            self.wrong(where, str(raw), "is every address; write the networks of the overlay")
            return None
        return prefix

    def optional_interface(self, where: str, entry: Options) -> str | None:
        name = entry.get(where.rpartition(".")[2])
        return None if name is None else self.interface(where, name)

    def interface(self, where: str, name: object) -> str:
        if not isinstance(name, str) or not INTERFACE_NAME.match(name):
            self.wrong(where, str(name), "names no interface; write 1 to 15 characters of A-Z a-z 0-9 _ = + . -")
        return str(name)


def _between(iif: str | None, oif: str | None) -> list[str]:
    return [f'{way} "{name}"' for way, name in (("iifname", iif), ("oifname", oif)) if name is not None]


def _written(prefix: Prefix) -> tuple[str, str]:
    return _VERSIONS[len(prefix.packed)], network(str(prefix))
