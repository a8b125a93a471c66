# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The longest network around an address; a search through all networks is the second opinion."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip import longest_match
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.longest_match import LongestMatch, networks
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import Prefix, parse_prefix
from hypothesis import given
from hypothesis import strategies as st

from ..samples import prefixes


@given(st.lists(prefixes, max_size=12), prefixes)
def test_the_longest_network_around_is_found(listed: list[Prefix], inside: Prefix) -> None:
    around = [one for one in listed if one.contains(inside)]
    assert networks(listed).find(inside) == max(around, key=lambda one: one.length, default=None)


def test_a_network_is_not_inside_its_own_part() -> None:
    found = LongestMatch([(parse_prefix("10.0.0.0/16"), "site"), (parse_prefix("0.0.0.0/0"), "rest")])
    assert found.find(parse_prefix("10.0.0.0/8")) == "rest"
    assert found.find(parse_prefix("10.0.0.0/16")) == "site"
    assert found.find(parse_prefix("::/0")) is None


def test_a_lookup_takes_one_step_for_each_length(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    monkeypatch.setattr(longest_match, "masked", lambda packed, length: steps.append(length) or packed)
    many = networks([Prefix(2, bytes([10, 0, 0, number]), 32) for number in range(200)])
    assert many.find(parse_prefix("10.0.0.199/32")) is not None and many.find(parse_prefix("10.0.1.1/32")) is None
    assert steps == [32, 32]
