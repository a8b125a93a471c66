# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of a fact cache that hosts of the run contradict."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.earlier_facts import contradicted
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from planned_fleet import host, key_of

OWN, OTHER = key_of("h3"), key_of("h9")


def found(line: str, earlier: HostInput | None = None, **device: Any) -> tuple[list[str], list[str]]:
    """Return the hosts with another key, and with another address or endpoint, than h1 has stored in a line."""
    known = earlier or host("h3", addresses=["10.42.0.3"], **device)
    both = contradicted({one.name: one for one in (host("h1", peers=line), known)}, {"h3"})
    return sorted(both.keys), sorted(both.others)


@pytest.mark.parametrize(
    ("line", "keys", "others"),
    [
        (f"{OWN}\th3\t10.42.0.3\t198.51.100.3:51820", [], []),
        (f"{OWN}\th3\t10.42.0.3\t", [], []),
        (f"{OWN}\th3\t10.42.0.3\tvpn.example.org:51820", [], []),
        (f"{OTHER}\th3\t10.42.0.3\t198.51.100.3:51820", ["h3"], []),
        (f"{OWN}\th3\t10.42.0.33\t198.51.100.3:51820", [], ["h3"]),
        (f"{OWN}\th3\t10.42.0.3\t198.51.100.33:51820", [], ["h3"]),
        (f"{OWN}\th3\t10.42.0.3\t\n{OTHER}\th3\t10.42.0.3\t", ["h3"], []),
        (f"{OTHER}\th4\t10.42.0.4\t", [], []),
        ("h3\tnonsense\n\t\t\t\nx\th3\ty\tz", [], []),
    ],
)
def test_key_address_and_endpoint_are_compared(line: str, keys: list[str], others: list[str]) -> None:
    assert found(line) == (keys, others)


def test_an_endpoint_of_the_inventory_is_not_that_of_the_underlay() -> None:
    line = f"{OWN}\th3\t10.42.0.3\t203.0.113.33:51820"
    assert found(line) == ([], ["h3"])
    given = host("h3", {"endpoint": "203.0.113.33:51820"}, addresses=["10.42.0.3"])
    assert found(line, given) == ([], [])


def test_only_the_hosts_of_this_run_count() -> None:
    line = f"{OTHER}\th3\t10.42.0.3\t"
    inputs = {one.name: one for one in (host("h1", peers=line), host("h3"))}
    assert contradicted(inputs, {"h1", "h3"}) == (frozenset(), frozenset())
    assert contradicted(inputs, set()) == (frozenset(), frozenset())
    assert contradicted(inputs, {"h3"}).keys == {"h3"}
