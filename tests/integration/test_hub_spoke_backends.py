# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spokes behind different NATs, and networks behind spokes, on every backend. Without plays, which are slow in a guest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HUB, SPOKE
from hub_spoke_lab import ADDRESSES, NETWORK, ONE_HUB, SITE_OF, build, is_cut_off, reaches, session
from lab_hosts import Lab
from managed_host import ManagedHost
from overlay_rooms import apply_to, plan_on

pytestmark = [pytest.mark.both, pytest.mark.long]

PARTS = {name: (HUB,) if name == "hub1" else (SPOKE,) for name in ONE_HUB}
UNDERLAY = {"hub1": "192.0.2.11", "s1": "none", "s2": "none", "s3": "none"}


@pytest.fixture(scope="module")
def lab(backend: str) -> Iterator[Lab]:
    with Lab() as lab:
        build(lab, ONE_HUB)
        converge(lab, backend)
        yield lab


def converge(lab: Lab, backend: str, **shared: object) -> dict[str, bool]:
    """Apply hubs and spokes on all hosts, and return by host whether it changed."""
    variables = {
        name: {
            "network": NETWORK,
            "addresses": [ADDRESSES[name]],
            "networks": [SITE_OF[name]] if name in SITE_OF else [],
            "endpoint": UNDERLAY[name],
            "userspace": backend == "userspace",
            **shared,
        }
        for name in ONE_HUB
    }
    outcome = plan_on(lab, plan_hub_spoke, variables, parts=PARTS)
    assert outcome.plan is not None, outcome.problems
    return apply_to(lab, outcome.plan)


def test_spokes_and_their_networks_reach_each_other_through_the_hub(lab: Lab, backend: str) -> None:
    kind = (ManagedHost(lab, "s1").link() or {})["linkinfo"]["info_kind"]
    assert kind == ("wireguard" if backend == "kernel" else "tun")
    for source, target in (("s1", "s2"), ("s2", "s1"), ("s2-site", "s3-site"), ("s3-site", "s1"), ("s1", "hub1-site")):
        assert reaches(lab, source, target), (source, target)
    seen = {name: session(lab, "hub1", name).endpoint.partition(":")[0] for name in ("s1", "s2")}
    assert seen == {"s1": "192.0.2.101", "s2": "192.0.2.102"}
    assert converge(lab, backend) == dict.fromkeys(ONE_HUB, False)


def test_isolation_on_and_off(lab: Lab, backend: str) -> None:
    assert converge(lab, backend, isolate=True)["hub1"]
    for target in ("hub1", "hub1-site"):
        assert reaches(lab, "s1", target)
    for source, target in (("s1", "s2"), ("s2-site", "s3-site")):
        assert is_cut_off(lab, source, target), (source, target)
    converge(lab, backend, isolate=False)
    assert reaches(lab, "s1", "s2")
    assert reaches(lab, "s2-site", "s3-site")
