# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that was renamed while it cannot be reached stays a peer under its former name."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from planned_fleet import host, interface, remembered, silent
from planned_hub_spoke import hub, spoke

AT_H9 = "198.51.100.9:51820"


def kept(stored: str, ansible_host: str, **variables: object) -> list[str]:
    """Return the former names that h1 keeps, with h9 in the place of a host that had the name `old`."""
    lines = "\n".join((remembered("old", "10.42.0.9", stored), remembered("h2", "10.42.0.2")))
    outcome = plan_mesh([host("h1", peers=lines), host("h2"), silent("h9", variables, ansible_host)])
    assert outcome.plan is not None, outcome.problems
    warned = [line for line in outcome.warnings if "'old' is no longer in the inventory" in line]
    unknown = interface(outcome.plan, "h1")["unknown_peers"]
    assert bool(warned) == ("old" in unknown)
    assert all("host 'h9'" in line and "list it in mesh_revoked to remove it now" in line for line in warned)
    return [name for name in unknown if name != "h9"]


@pytest.mark.parametrize(
    ("endpoint", "ansible_host", "stays"),
    [
        (AT_H9, "198.51.100.9", True),
        (AT_H9, "198.51.100.8", False),
        (AT_H9, "h9.example.org", True),
        (AT_H9, "", True),
        ("", "198.51.100.8", True),
        ("old.example.org:51820", "198.51.100.8", True),
    ],
    ids=["there", "elsewhere", "a name", "only the inventory name", "no endpoint", "the endpoint is a name"],
)
def test_a_peer_stays_unless_its_endpoint_shows_another_host(endpoint: str, ansible_host: str, stays: bool) -> None:
    assert kept(endpoint, ansible_host) == (["old"] if stays else [])


def test_the_endpoint_of_the_inventory_counts_too() -> None:
    assert kept(AT_H9, "10.0.0.9", endpoint="198.51.100.9:51820") == ["old"]


def test_a_host_that_left_is_removed_where_all_keys_are_known() -> None:
    lines = remembered("old", "10.42.0.9", AT_H9)
    for others in ([host("h9")], [host("h9", peers=remembered("h1")), host("h2")]):
        outcome = plan_mesh([host("h1", peers=lines), *others])
        assert outcome.plan is not None and interface(outcome.plan, "h1")["unknown_peers"] == []


def test_a_revoked_host_is_removed_in_any_case() -> None:
    known = host("h1", {"revoked": "old"}, peers=remembered("old", "10.42.0.9", AT_H9))
    outcome = plan_mesh([known, silent("h9", {}, "198.51.100.9")])
    assert outcome.plan is not None and interface(outcome.plan, "h1")["unknown_peers"] == ["h9"]


def test_spokes_keep_their_renamed_hub() -> None:
    lines = remembered("old-hub", "10.43.0.1", "198.51.100.1:51820")
    renamed = hub("h1")._replace(fact=None, ansible_host="198.51.100.1", reached=False)
    outcome = plan_hub_spoke([renamed, spoke("s3", peers=lines)])
    assert outcome.plan is not None, outcome.problems
    (document,) = host_document(outcome.plan, "s3")["interfaces"][:1]
    assert "old-hub" in document["unknown_peers"]
    assert any("'old-hub' is no longer in the inventory" in line for line in outcome.warnings)
