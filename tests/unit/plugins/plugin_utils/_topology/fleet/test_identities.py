# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who the members of a fleet are, before they are put together."""

from __future__ import annotations

from copy import deepcopy

from ansible_collections.wirewright.overlay.plugins.plugin_utils._problems import Problem
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.identities import (
    Identities,
    identities,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.observation import (
    cached_peers,
    observe,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.settings import read_settings
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from planned_fleet import host, key_of, remembered, silent


def found(*hosts: HostInput) -> Identities:
    """Members whose key nobody reports are looked up in what others have cached. No input is changed."""
    inputs = {one.name: one for one in hosts}
    problems: list[Problem] = []
    settings = {name: read_settings(one, "mesh_", problems) for name, one in inputs.items()}
    seen = {name: observe(one.fact, "wg0") for name, one in inputs.items() if one.fact is not None}
    before = deepcopy((settings, seen))
    result = identities(
        inputs, settings, seen, "mesh_", lambda names, of: cached_peers(of, {name for name in names if name not in of})
    )
    assert (settings, seen) == before and not problems
    return result


def test_a_revoked_host_is_no_member_and_its_facts_are_ignored() -> None:
    result = found(host("h1", {"revoked": ["h2"]}), host("h2"), host("h3"))
    assert result.names == ("h1", "h3") and set(result.observations) == {"h1", "h3"}
    assert result.keys == {"h1": key_of("h1"), "h3": key_of("h3")}


def test_the_key_of_an_absent_member_is_that_which_others_have_cached() -> None:
    result = found(host("h1", peers=remembered("h2")), silent("h2"), silent("h3"))
    assert result.keys == {"h1": key_of("h1"), "h2": key_of("h2"), "h3": None}
    assert result.absent == {"h2", "h3"} and result.in_run == {"h1"}


def test_an_absent_member_has_the_key_in_use_and_another_one_that_replaces_its_key_is_refused() -> None:
    replaced = {"public_key": key_of("new"), "replaced_key": key_of("h1"), "peers": remembered("h2")}
    outside = host("h2")._replace(reached=False, outside=True)
    result = found(host("h1", **replaced), outside)
    assert [(problem.host, problem.variable) for problem in result.problems] == [("h1", "mesh_private_key_file")]
    absent = found(host("h1", **replaced)._replace(reached=False, outside=True), host("h2"))
    assert absent.keys["h1"] == key_of("h1") and absent.problems == ()
