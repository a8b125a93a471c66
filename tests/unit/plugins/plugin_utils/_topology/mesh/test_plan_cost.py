# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of a plan where each host has stored all others."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from counted_calls import calls
from planned_fleet import host, key_of, remembered, silent


def fleet(size: int, absent: int) -> list[HostInput]:
    names = [f"h{number}" for number in range(size)]
    addresses = {name: f"10.42.{number // 250}.{number % 250 + 1}" for number, name in enumerate(names)}
    lines = {name: remembered(name, addresses[name], f"192.0.2.1:{1000 + number}") for number, name in enumerate(names)}
    wanted = {"network": "10.42.0.0/16", "revoked": [key_of("gone")]}
    reached = [
        host(
            name,
            {**wanted, "endpoint": f"198.51.100.1:{1000 + number}"},
            addresses=[f"{addresses[name]}/16"],
            peers="\n".join(line for other, line in lines.items() if other != name),
            revoked={key_of("gone"): "gone"},
            ipv4="",
        )
        for number, name in enumerate(names[absent:])
    ]
    return [*(silent(name, wanted) for name in names[:absent]), *reached]


@pytest.mark.parametrize("absent", [0, 1])
def test_planning_time_grows_linearly_after_a_run(absent: int) -> None:
    def cost(size: int) -> int:
        hosts = fleet(size, absent)
        assert plan_mesh(hosts).plan is not None
        return calls(lambda: plan_mesh(hosts))

    small, large = cost(75), cost(300)
    assert large < 4.4 * small, f"four times the hosts take {large / small:.1f} times as many calls"
