# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New hosts of a run, and the members that do not have them as peers yet."""

from __future__ import annotations

from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.newcomers import merged
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput, Newcomers
from planned_fleet import host, key_of, remembered, silent
from planned_hub_spoke import SECOND, device_key, hub, spoke


def outside(one: HostInput) -> HostInput:
    """Return a host that is not in this run; its facts are those of an answer."""
    return one._replace(reached=False, outside=True)


def having(*names: str) -> dict[str, Any]:
    return {"peers": "\n".join(map(remembered, names)), "notes": {"overlay": "mesh"}}


def in_mesh(*hosts: HostInput) -> Newcomers | None:
    outcome = plan_mesh(hosts)
    assert outcome.plan is not None, outcome.problems
    return outcome.newcomers


def test_members_outside_of_the_run_get_a_new_host_with_their_next_run() -> None:
    neighbours = [outside(host("h1", **having("h2", "h3"))), *(outside(silent(f"h{number}")) for number in (2, 3))]
    found = in_mesh(*neighbours, host("h4"))
    assert found == Newcomers(("h4",), ("h1", "h2", "h3"))
    # h1 has it already, as its answer says; of others only a host without state is taken to be new.
    asked = outside(host("h1", **having("h2", "h3", "h4")))
    assert in_mesh(asked, *neighbours[1:], host("h4")) == Newcomers(("h4",), ("h2", "h3"))
    assert in_mesh(asked, *neighbours[1:], host("h4", **having("h1", "h2", "h3"))) is None


def test_a_later_batch_gets_it_in_this_run() -> None:
    later = host("h2", **having("h1"))._replace(reached=False)
    assert in_mesh(outside(host("h1", **having("h2"))), later, host("h4")) == Newcomers(("h4",), ("h1",), ("h2",))


def test_a_new_key_is_a_new_peer() -> None:
    neighbour = outside(host("h1", peers=remembered("h4", key=key_of("old")), notes={"overlay": "mesh"}))
    assert in_mesh(neighbour, host("h4")) == Newcomers(("h4",), ("h1",))


def test_a_reinstalled_host_keeps_its_address() -> None:
    neighbour = outside(host("h1", peers=remembered("h4", "10.42.0.77", key=key_of("old")), notes={"overlay": "mesh"}))
    outcome = plan_mesh([neighbour, host("h4")])
    assert outcome.plan is not None, outcome.problems
    assert [address.bare for address in outcome.plan.hosts["h4"].addresses] == ["10.42.0.77"]


def test_a_renamed_host_is_not_new() -> None:
    """Others have it as a peer with the same key, under its former name."""
    neighbour = outside(host("h1", peers=remembered("old", key=key_of("h4")), notes={"overlay": "mesh"}))
    assert in_mesh(neighbour, host("h4", **having("h1"))) is None


def test_hosts_that_are_changed_together_and_hosts_without_state_do_not_count() -> None:
    assert in_mesh(host("h1", **having("h2")), host("h2", **having("h1")), host("h4")) is None
    assert in_mesh(host("h1"), host("h2")._replace(reached=False)) is None, "a fresh fleet in batches"
    assert in_mesh(outside(silent("h1")), host("h4")) is None, "nothing is known of h1"


def device(*peers: str) -> dict[str, Any]:
    return {"peers": "\n".join(peers), "notes": {"overlay": "hub_spoke"}}


def test_a_spoke_is_new_for_hubs_only_and_a_hub_for_all() -> None:
    to_h1, to_h2 = remembered("h1"), remembered("h2", key=device_key("h2", "wg1"))
    from_h3 = remembered("h3"), remembered("h3", key=device_key("h3", "wg1"))
    h1 = outside(hub("h1", **device(to_h2, from_h3[0])))
    h3 = outside(spoke("h3", devices={"wg0": device(to_h1), "wg1": device(to_h2)}))
    joined = plan_hub_spoke([h1, hub("h2", SECOND, **device(to_h1, from_h3[1])), h3, spoke("h4")])
    assert joined.plan is not None, joined.problems
    assert joined.newcomers == Newcomers(("h4",), ("h1",))
    h1 = outside(hub("h1", **device(from_h3[0])))
    h3 = outside(spoke("h3", devices={"wg0": device(to_h1), "wg1": device()}))
    new_hub = plan_hub_spoke([h1, hub("h2", SECOND), h3])
    assert new_hub.plan is not None, new_hub.problems
    assert new_hub.newcomers == Newcomers(("h2",), ("h1", "h3"))


def test_newcomers_of_several_devices_are_one() -> None:
    first, second = Newcomers(("h4",), ("h1",), ("h2", "h3")), Newcomers(("h5",), ("h2",))
    assert merged([None, first, second]) == Newcomers(("h4", "h5"), ("h1", "h2"), ("h3",))
    assert merged([None, None]) is None
