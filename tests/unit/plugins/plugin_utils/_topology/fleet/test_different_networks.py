# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of an overlay have the same networks, or addresses of their own and no network."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from planned_fleet import NETWORK, host, problems

H2 = host("h2")
CASES: list[tuple[list[HostInput], str]] = [
    (
        [host("h1", {"network": "192.0.2.0/31"}), host("h2", {"network": "192.0.2.0/31"}), host("h3", NETWORK)],
        "hosts 'h1', 'h2', 'h3': mesh_network: all hosts need the same networks, but there are: "
        "10.42.0.0/24 on 'h3'; 192.0.2.0/31 on 'h1', 'h2'; set it once for all",
    ),
    (
        [host("h1", {"network": "10.42.0.0/24, fd42::/64"}), H2],
        "hosts 'h1', 'h2': mesh_network: all hosts need the same networks, but there are: 10.42.0.0/24 on 'h2'; "
        "10.42.0.0/24, fd42::/64 on 'h1'; set it once for all",
    ),
    (
        [host("h1", {"network": "10.42.0.0/24, fd42::/64"}), host("h2", {"network": "fd42::/64, 10.42.0.0/24"})],
        "",
    ),
    (
        [host("h1", {"network": "", "addresses": "10.99.0.1/24"}), H2],
        "",
    ),
]


@pytest.mark.parametrize(("hosts", "expected"), CASES)
def test_different_networks_are_refused_with_hosts_and_values(hosts: list[HostInput], expected: str) -> None:
    assert problems(*hosts) == problems(*reversed(hosts)) == ((expected,) if expected else ())
