# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The halves of a network that a direct tunnel routes leave a spoke's own half alone."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from planned_hub_spoke import hub, interfaces, planned, spoke


def having(given: HostInput, *routes: str) -> HostInput:
    """Return a host that reports these routes of its own."""
    assert given.fact is not None
    return given._replace(fact={**given.fact, "routes": "\n".join(routes)})


@pytest.mark.parametrize(
    ("route", "excepted"),
    [
        ("10.50.2.0/24\teth1\t600\tconnected", ["10.50.2.0/24"]),
        ("10.50.3.0/24\teth1\t0\tconnected", ["10.50.3.0/24"]),
        ("10.50.3.0/24\teth0\t600\trouted", ["10.50.3.0/24"]),
        ("10.50.3.0/25\teth1\t0\tconnected", None),  # longer than a half
        ("10.51.0.0/24\teth1\t0\tconnected", None),
        ("10.50.2.0/24\twg0\t0\tconnected", None),
    ],
)
@pytest.mark.parametrize("direct", [True, False])
def test_a_half_that_a_spoke_has_by_itself_gets_no_route(route: str, excepted: list[str] | None, direct: bool) -> None:
    plan = planned(
        hub("h1"),
        spoke("h2", {"networks": "10.50.2.0/23", "direct": direct}),
        having(spoke("h3", {"direct": direct, "routes_except": "10.99.0.0/16"}), route),
        having(spoke("h4", {"networks": "10.60.2.0/23"}), "10.60.2.0/24\teth1\t0\tconnected"),
    )
    assert interfaces(plan, "h3")["wg0"].get("routes_except") == ["10.99.0.0/16", *(excepted or [])]
    assert "routes_except" not in interfaces(plan, "h4")["wg0"], "its own network"
