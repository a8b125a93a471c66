# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""From the option `nftables` to sections: every mistake is found before anything is touched.

This module is private to the collection.
"""

from __future__ import annotations

from ..prefix import Prefix
from ..refusal import InvalidOptions
from .checks import Checks, Options
from .closed import closed
from .listing import CLAMP, network
from .marks import mark_arp, set_mark
from .table import (
    CLAMP_MSS,
    CLOSED_IN,
    CLOSED_OUT,
    FORWARD,
    HOOKS,
    ISOLATE,
    MARK_ARP,
    MASQUERADE,
    SET_MARK,
    Section,
    WantedSections,
    section,
)

_PURPOSES = (FORWARD, ISOLATE, "isolate_except", MASQUERADE, CLAMP_MSS, SET_MARK, MARK_ARP, "closed", "keep")
_VERSIONS = {4: "ip", 16: "ip6"}


def parse(options: Options) -> WantedSections:
    """Return what is wanted, by interface name. Raises InvalidOptions with all that is wrong.

    The order of a list means nothing. An interface without options (`{}`) has no sections left afterwards; one that is
    not named, or is None, is left alone.
    """
    parser = _Parser()
    sections: list[Section] = []
    kept: set[tuple[str, str]] = set()
    named = {str(name): raw for name, raw in options.items() if raw is not None}
    for name, raw in named.items():
        parser.interface("nftables", name)
        sections += parser.sections(f"nftables.{name}", name, raw)
        kept.update((name, purpose) for purpose in parser.kept(f"nftables.{name}", raw, sections))
    if parser.errors:
        raise InvalidOptions(parser.errors)
    return WantedSections(frozenset(named), tuple(sections), frozenset(kept))


def forwarded(options: Options, interface: str) -> list[tuple[str | None, str | None]]:
    """Return the (iif, oif) that an interface's valid options mean to be forwarded; None is any interface."""
    own = options.get(interface) or {}
    pairs = [(entry.get("iif"), entry.get("oif")) for entry in own.get(FORWARD) or ()]
    pairs += [(interface, entry.get("oif")) for entry in own.get(MASQUERADE) or ()]
    return list(dict.fromkeys(pairs))


class _Parser(Checks):
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
        rules[SET_MARK] = set_mark(self, f"{where}.set_mark", options.get(SET_MARK))
        rules[MARK_ARP] = mark_arp(self, f"{where}.mark_arp", options.get(MARK_ARP))
        shut = closed(self, f"{where}.closed", interface, options.get("closed"))
        rules.update({CLOSED_IN: shut.incoming, CLOSED_OUT: shut.outgoing})
        return [section(interface, purpose, written) for purpose, written in rules.items() if written]

    def kept(self, where: str, raw: object, sections: list[Section]) -> list[str]:
        listed = self.items(f"{where}.keep", raw.get("keep")) if isinstance(raw, dict) else []
        for purpose in listed:
            if purpose not in HOOKS:
                self.wrong(f"{where}.keep", str(purpose), f"is none of {', '.join(HOOKS)}")
            elif any(part.key() == (where.partition(".")[2], purpose) for part in sections):
                self.wrong(f"{where}.keep", str(purpose), "is asked for as well; say one of the two")
        return [str(purpose) for purpose in listed]

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


def _between(iif: str | None, oif: str | None) -> list[str]:
    return [f'{way} "{name}"' for way, name in (("iifname", iif), ("oifname", oif)) if name is not None]


def _written(prefix: Prefix) -> tuple[str, str]:
    return _VERSIONS[len(prefix.packed)], network(str(prefix))
