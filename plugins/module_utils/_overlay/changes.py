# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a run changes on a host, in a few values that are the same on hosts with the same change. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .._engine.reconcile import CREATE, DELETE, UPDATE
from .._engine.result import StageResult
from .._engine.shown import Change

_MOST_NAMES = 10  # of a kind; there can be thousands
_ACTIONS = {"created": CREATE, "updated": UPDATE, "replaced": UPDATE, "deleted": DELETE}
_RECORDS = {("record", UPDATE): [""]}
_KINDS = {
    "ip_routes": "route",
    "ip_rules": "rule",
    "fib_files": "file",
    "nftables": "packet filter chain",
    "nftables_files": "file",
    "temporary_sysctls": "sysctl",
    "sysctls": "sysctl",
    "open_firewall": "firewall opening",
    "xfrm_states": "state",
    "xfrm_policies": "policy",
    "xfrm_boot": "file",
}


def summarized(results: Iterable[tuple[str, StageResult]]) -> list[dict[str, Any]]:
    """Return the changes by kind and action: their number, and the names of the objects where these are few.

    results: those of changed stages, each with the kind of its section.
    Files follow other changes, so they are named only where nothing else changes, and records only where no file does.
    """
    found: dict[tuple[str, str], list[str]] = {}
    settings: dict[tuple[str, str], dict[str, None]] = {}
    for kind, result in results:
        for change in _changes(kind, result):
            found.setdefault((change.kind, change.action), []).append(change.name)
            settings.setdefault((change.kind, change.action), {}).update(dict.fromkeys(change.settings))
    others = {key: names for key, names in found.items() if key[0] != "file"}
    return [_entry(*key, names, settings.get(key, ())) for key, names in (others or found or _RECORDS).items()]


def _changes(section: str, result: StageResult) -> Iterator[Change]:
    changes = list(result.changes())
    yield from changes
    if not changes and section in _KINDS:
        for key, action in _ACTIONS.items():
            for _number in range(result.counts.get(key, 0)):
                yield Change(_KINDS[section], action)


def _entry(kind: str, action: str, names: list[str], settings: Iterable[str]) -> dict[str, Any]:
    known, listed = sorted({*names} - {""}), list(settings)
    shown = known if len(known) <= _MOST_NAMES else []
    entry = {"kind": kind, "action": action, "count": len(names), "names": shown}
    return {**entry, "settings": listed} if listed else entry
