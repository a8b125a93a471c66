# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the part `ipsec` of the fact of `overlay_prepare`.

A fact comes from a host, so no value is trusted to have the expected type. This plugin util is private to the
collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from ...._untrusted import mapping_of, text_of

PART = "ipsec"
_HIGHEST = 2**32 - 1
_NUMBERS = ("epochs_left", "lost", "key_age_days", "sequence_percent")
_SLOTS = ("receive", "send")
# Bounds on what one node reports: the nodes that it has recorded, and the entries of each and of its SA slots.
_NODES, _FIELDS = 10000, 32


def read_ipsec_fact(fact: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the IPsec part of a host's fact, None if there is none. Values of an unexpected type are ignored."""
    part = fact.get(PART) if isinstance(fact, Mapping) else None
    if not isinstance(part, Mapping):
        return None
    recorded = islice(mapping_of(part.get("nodes")).items(), _NODES)
    nodes = {str(name): _numbers(entry) for name, entry in recorded}
    slots = mapping_of(part.get("slots"))
    record = _numbers(part.get("record"))
    of_boot = {"boot_id": text_of(mapping_of(part.get("record")).get("boot_id"))}
    return {
        "boot_id": text_of(part.get("boot_id")),
        "record": {"index": None, **record, **of_boot} if "epoch" in record else None,
        "nodes": {name: entry for name, entry in nodes.items() if {"index", "epoch"} <= entry.keys()},
        "slots": {use: _listed_numbers(slots.get(use)) for use in _SLOTS if use in slots},
        "hosts": _names(part.get("hosts")),
        "ports": _listed_numbers(part["ports"]) if isinstance(part.get("ports"), list) else None,
        **{name: part[name] if _is_number(part.get(name)) else 0 for name in _NUMBERS},
    }


def _numbers(entry: object) -> dict[str, Any]:
    return {str(name): value for name, value in islice(mapping_of(entry).items(), _FIELDS) if _is_number(value)}


def _listed_numbers(value: object) -> list[int]:
    return [entry for entry in value[:_FIELDS] if _is_number(entry)] if isinstance(value, list) else []


def _names(value: object) -> list[str] | None:
    """Return listed names, None where none were recorded."""
    return [text_of(name) for name in value[:_NODES]] if isinstance(value, list) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _HIGHEST
