# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pairs without an endpoint at either end: counted without being listed."""

from __future__ import annotations

from itertools import combinations
from types import SimpleNamespace
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.member import tunnel_kind
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.silent_pairs import silent_pairs
from counted_calls import calls
from hypothesis import given
from hypothesis import strategies as st

NOTHING = (("ipv4",), False, False, False, "")
REACHES = [
    NOTHING,
    (("ipv6",), False, False, False, ""),
    (("ipv4",), True, False, False, ""),
    (("ipv6",), False, True, False, ""),
    (("ipv4", "ipv6"), False, False, True, "ipv6"),
]
VIEW = SimpleNamespace(endpoint=None, no_endpoint=True)
UNCHANGED = SimpleNamespace(endpoint=None, no_endpoint=False)


def fleet(reaches: list[Any], overrides: dict[tuple[int, int], Any] | None = None, keyless: int = -1) -> Any:
    views: dict[int, dict[str, Any]] = {}
    for (one, other), view in (overrides or {}).items():
        views.setdefault(one, {})[f"h{other:03}"] = view
    members = [
        SimpleNamespace(
            name=f"h{number:03}",
            reach=reach,
            public_key=None if number == keyless else "key",
            settings=SimpleNamespace(peer_overrides=views.get(number, {})),
        )
        for number, reach in enumerate(reaches)
    ]
    return SimpleNamespace(members=members)


def listed(given: Any) -> list[tuple[str, str]]:
    """Every pair, one by one."""
    overridden = {
        frozenset((one.name, name))
        for one in given.members
        for name, view in one.settings.peer_overrides.items()
        if view.no_endpoint
    }
    return [
        (one.name, other.name)
        for one, other in combinations([one for one in given.members if one.public_key], 2)
        if not tunnel_kind(one.reach, other.reach) and frozenset((one.name, other.name)) not in overridden
    ]


NUMBERS = st.integers(0, 11)


@given(
    st.lists(st.sampled_from(REACHES), max_size=10),
    st.dictionaries(st.tuples(NUMBERS, NUMBERS), st.sampled_from([VIEW, UNCHANGED]), max_size=20),
    st.integers(-1, 9),
    st.integers(0, 6),
)
def test_the_same_pairs_as_one_by_one(
    reaches: list[Any], overrides: dict[tuple[int, int], Any], keyless: int, most: int
) -> None:
    given = fleet(reaches, overrides, keyless)
    expected, found = listed(given), silent_pairs(given, most)
    assert (found.count, list(found.first)) == (len(expected), expected[:most])
    assert found.names == {name for pair in expected for name in pair}


def test_the_work_is_linear_where_nobody_has_an_endpoint() -> None:
    small, large = fleet([NOTHING] * 100), fleet([NOTHING] * 400)
    assert silent_pairs(large, 5).count == 400 * 399 // 2
    few, many = calls(lambda: silent_pairs(small, 5)), calls(lambda: silent_pairs(large, 5))
    assert many < 5 * few, f"{many / few:.1f} times as many calls for 4 times the members"
