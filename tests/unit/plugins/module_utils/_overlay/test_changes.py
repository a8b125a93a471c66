# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run changes on a host, in few values."""

from __future__ import annotations

from ansible_collections.wirewright.overlay.plugins.module_utils._engine.result import StageResult
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.shown import Change
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.changes import summarized


def result(*changes: Change, **counts: int) -> StageResult:
    return StageResult(True, counts, lambda: [], changes=lambda: changes)


def peers(number: int) -> list[Change]:
    return [Change("peer", "create", f"h{place}") for place in range(number)]


def entry(kind: str, action: str, count: int, *names: str) -> dict[str, object]:
    return {"kind": kind, "action": action, "count": count, "names": list(names)}


def test_objects_are_counted_by_kind_and_action_and_few_are_named() -> None:
    few, many = result(*peers(2), Change("peer", "delete", "x")), result(*peers(11))
    assert summarized([("interfaces", few)]) == [
        entry("peer", "create", 2, "h0", "h1"),
        entry("peer", "delete", 1, "x"),
    ]
    assert summarized([("interfaces", many)]) == [entry("peer", "create", 11)]
    assert summarized([("interfaces", few), ("interfaces", result(*peers(1)))])[0] == entry(
        "peer", "create", 3, "h0", "h1"
    )


def test_changed_settings_are_listed_once() -> None:
    one, other = (Change("interface", "update", name, ("mtu", "fwmark")) for name in ("wg0", "wg1"))
    assert summarized([("interfaces", result(one)), ("interfaces", result(other))]) == [
        {**entry("interface", "update", 2, "wg0", "wg1"), "settings": ["mtu", "fwmark"]}
    ]


def test_an_object_without_a_name_is_counted() -> None:
    states = result(Change("state", "create", "n2"), Change("state", "create", "n2"), Change("state", "create"))
    assert summarized([("xfrm_states", states)]) == [entry("state", "create", 3, "n2")]


def test_other_sections_are_their_counts() -> None:
    found = summarized([("ip_rules", result(created=2, updated=0, deleted=1)), ("ip_routes", result(created=1))])
    assert found == [entry("rule", "create", 2), entry("rule", "delete", 1), entry("route", "create", 1)]


def test_files_count_only_where_nothing_else_changes() -> None:
    file = Change("file", "update", "/etc/wireguard/wg0.conf")
    assert summarized([("interfaces", result(file, *peers(1)))]) == [entry("peer", "create", 1, "h0")]
    assert summarized([("interfaces", result(file))]) == [entry("file", "update", 1, "/etc/wireguard/wg0.conf")]
    assert summarized([("interfaces", result())]) == [entry("record", "update", 1)]
