# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a node says of its IPsec: the part `ipsec` of the fact of `overlay_facts`, read with care.

A fact comes from a host, so nothing in it is trusted to have the right shape. This plugin util is private to the
collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PART = "ipsec"
_HIGHEST = 2**32 - 1
_NUMBERS = ("epochs_left", "lost", "key_age_days", "sequence_percent")
_SLOTS = ("receive", "send")


def read_ipsec_fact(fact: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return what a host's fact says of its IPsec, in the shape in which overlay_facts says it; None where it was not
    asked. What has another shape is as if it was not said."""
    part = fact.get(PART) if isinstance(fact, Mapping) else None
    if not isinstance(part, Mapping):
        return None
    roster = {str(name): _numbers(entry) for name, entry in _mapping(part.get("roster")).items()}
    slots = _mapping(part.get("slots"))
    record = _numbers(part.get("record"))
    of_boot = {"boot_id": _text(_mapping(part.get("record")).get("boot_id"))}
    return {
        "boot_id": _text(part.get("boot_id")),
        "record": {"index": None, **record, **of_boot} if "epoch" in record else None,
        "roster": {name: entry for name, entry in roster.items() if {"index", "epoch"} <= entry.keys()},
        "slots": {way: _listed_numbers(slots.get(way)) for way in _SLOTS if way in slots},
        **{name: part[name] if _is_number(part.get(name)) else 0 for name in _NUMBERS},
    }


def _numbers(entry: object) -> dict[str, Any]:
    return {str(name): value for name, value in _mapping(entry).items() if _is_number(value)}


def _listed_numbers(value: object) -> list[int]:
    return [entry for entry in value if _is_number(entry)] if isinstance(value, list) else []


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _HIGHEST


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return str(value) if isinstance(value, str) else ""
