# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The option `nftables` as a wanted ruleset; all errors are found before any change.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .._engine.options import OptionReader
from .._ip.prefix import Prefix
from .listing import CLAMP, network
from .marks import mark_arp, set_mark
from .option_values import interface as interface_name
from .option_values import prefix
from .plaintext_drop import drop_plaintext
from .table import (
    CLAMP_MSS,
    DROP_EGRESS,
    DROP_INGRESS,
    FORWARD,
    HOOKS,
    ISOLATE,
    MARK_ARP,
    MASQUERADE,
    SET_MARK,
    RulesetPart,
    WantedRuleset,
    ruleset_part,
)

_PURPOSES = (FORWARD, ISOLATE, "isolate_except", MASQUERADE, CLAMP_MSS, SET_MARK, MARK_ARP, "drop_plaintext", "keep")
_VERSIONS = {4: "ip", 16: "ip6"}


def parse(options: Mapping[str, Any]) -> WantedRuleset:
    """Return the wanted ruleset. Raises InvalidOptions with all errors.

    The order of a list does not matter. An interface without options (`{}`) loses all its parts; one that is not named,
    or is None, is not changed.
    """
    call = OptionReader({str(name): raw for name, raw in options.items() if raw is not None}, "nftables")
    parts: list[RulesetPart] = []
    kept: set[tuple[str, str]] = set()
    for name in call.options:
        call.convert("", interface_name, name, "")
        own = call.nested(name, _PURPOSES)
        if own is not None:
            given = _parts(own, name)
            parts += given
            kept.update((name, purpose) for purpose in _kept(own, {part.purpose for part in given}))
    call.raise_errors()
    return WantedRuleset(frozenset(call.options), tuple(parts), frozenset(kept))


def forwarded(options: Mapping[str, Any], interface: str) -> list[tuple[str | None, str | None]]:
    """Return the pairs (iif, oif) that an interface's valid options forward; None is any interface."""
    own = options.get(interface) or {}
    pairs = [(entry.get("iif"), entry.get("oif")) for entry in own.get(FORWARD) or ()]
    pairs += [(interface, entry.get("oif")) for entry in own.get(MASQUERADE) or ()]
    return list(dict.fromkeys(pairs))


def _parts(options: OptionReader, interface: str) -> list[RulesetPart]:
    rules = {
        FORWARD: _forward(options, interface),
        ISOLATE: _isolate(options, interface),
        MASQUERADE: _masquerade(options, interface),
        CLAMP_MSS: [],
    }
    if options.flag(CLAMP_MSS):
        rules[CLAMP_MSS] = [[f'{side} "{interface}"', "tcp flags syn", CLAMP] for side in ("iifname", "oifname")]
    rules[SET_MARK] = set_mark(options)
    rules[MARK_ARP] = mark_arp(options)
    dropped = drop_plaintext(options, interface)
    rules.update({DROP_INGRESS: dropped.ingress, DROP_EGRESS: dropped.egress})
    return [ruleset_part(interface, purpose, written) for purpose, written in rules.items() if written]


def _kept(options: OptionReader, given: Collection[str]) -> list[str]:
    listed = [str(purpose) for purpose in options.items("keep")]
    for purpose in listed:
        if purpose not in HOOKS:
            options.error("keep", f"'{purpose}' is none of {', '.join(HOOKS)}")
        elif purpose in given:
            options.error("keep", f"'{purpose}' is both kept and given; remove one of the two")
    return listed


def _forward(options: OptionReader, interface: str) -> list[list[str]]:
    pairs: list[tuple[str | None, str | None]] = []
    for entry in options.entries(FORWARD, ("iif", "oif")):
        pair = (entry.read("iif", interface_name, None), entry.read("oif", interface_name, None))
        text = f"'{entry.get('iif') or 'any'} to {entry.get('oif') or 'any'}'"
        if interface not in pair:
            entry.error("", f"{text} does not contain {interface}; name it as iif or as oif")
        elif pair in pairs:
            entry.error("", f"{text} is in the list twice; remove one entry")
        elif pair == (interface, interface) and options.get(ISOLATE) is True:
            entry.error("", f"{text} is what isolate: true drops; remove one of the two")
        pairs.append(pair)
    return sorted([*_between(*pair), "counter", "accept"] for pair in pairs)


def _isolate(options: OptionReader, interface: str) -> list[list[str]]:
    isolated, exempt = options.flag(ISOLATE), options.each("isolate_except", prefix)
    if exempt and not isolated:
        options.error("isolate_except", "has no effect where nothing is isolated; set isolate: true")
    if not isolated:
        return []
    among = _between(interface, interface)
    accepts = [
        [*among, f"{version} {side} {text}", "accept"]
        for version, text in sorted({_written(network) for network in exempt})
        for side in ("saddr", "daddr")
    ]
    return [*accepts, [*among, "counter", "drop"]]


def _masquerade(options: OptionReader, interface: str) -> list[list[str]]:
    seen: set[tuple[Prefix, str | None]] = set()
    rules = []
    for entry in options.entries(MASQUERADE, ("source", "oif")):
        source = entry.required("source", prefix, None)
        oif = entry.read("oif", interface_name, None)
        if oif in (interface, "lo"):
            entry.reject("oif", "does not lead out of the overlay; name another interface or leave it out")
        if source is None:
            continue
        if (source, oif) in seen:
            entry.reject("source", "is in the list twice; remove one entry")
        seen.add((source, oif))
        version, text = _written(source)
        # Neither packets that come back to the overlay through another interface, nor those that stay on this host.
        leaving = [f'oifname "{oif}"'] if oif else [f'oifname != "{interface}"', 'oifname != "lo"']
        rules.append([f"{version} saddr {text}", f"{version} daddr != {text}", *leaving, "masquerade"])
    return sorted(rules)


def _between(iif: str | None, oif: str | None) -> list[str]:
    return [f'{side} "{name}"' for side, name in (("iifname", iif), ("oifname", oif)) if name is not None]


def _written(prefix: Prefix) -> tuple[str, str]:
    return _VERSIONS[len(prefix.packed)], network(str(prefix))
