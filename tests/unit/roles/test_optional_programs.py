# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which optional programs of hub_spoke a run installs and removes, by the conditions of its tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).parents[3] / "roles/hub_spoke"
INCLUDES = {"failover.yml", "remove_failover.yml", "watch_direct.yml", "unwatch_direct.yml"}
ONE, TWO = [{"dev": "wg1"}], [{"dev": "wg0"}, {"dev": "wg1"}]
OURS, OTHER = "hub_spoke hubs spokes", "hub_spoke gateways branches"


def trusted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: trusted(one) for name, one in value.items()}
    if isinstance(value, list):
        return [trusted(one) for one in value]
    return trust_as_template(value) if isinstance(value, str) else value


def included(
    host: str = "s1",
    hubs: list[dict[str, str]] | None = None,
    programs: dict[str, list[str]] | None = None,
    overlays: dict[str, str] | None = None,
    **variables: Any,
) -> set[str]:
    """Return the files of tasks for optional programs that a run includes on a host."""
    files = {name: yaml.safe_load((ROLE / name / "main.yml").read_text()) for name in ("defaults", "vars", "tasks")}
    notes = {name: {"notes": {"overlay": overlay}} for name, overlay in (overlays or {}).items()}
    known: dict[str, Any] = {
        **trusted(files["defaults"]),
        **trusted(files["vars"]),
        "inventory_hostname": host,
        "groups": {"hubs": ["hub1", "hub2"], "spokes": ["s1"]},
        "ansible_facts": {
            "wirewright_overlay": {
                "persistence": "wg_quick",
                "interfaces": {"wg9": {}, **notes},
                **({} if programs is None else {"programs": programs}),
            }
        },
        "__hub_spoke_plan": {} if hubs is None else {"hubs": hubs},
        **variables,
    }
    templar = Templar(loader=DataLoader(), variables=known)
    tasks = [task for task in files["tasks"] if "ansible.builtin.include_tasks" in task]
    found = set()
    for task in tasks:
        name = task["ansible.builtin.include_tasks"]["file"]
        if name in INCLUDES and all(templar.evaluate_conditional(trusted(one)) for one in task["when"]):
            found.add(name)
    return found


def test_a_spoke_with_two_hubs_has_the_failover_service() -> None:
    assert included(hubs=TWO) == {"failover.yml"}
    assert included(hubs=TWO, programs={"failover": ["wg0", "wg1"]}) == {"failover.yml"}
    assert included(hubs=ONE) == included(host="hub1", hubs=TWO) == set()


@pytest.mark.parametrize(
    ("host", "hubs", "variables"),
    [("s1", ONE, {}), ("hub1", TWO, {}), ("s1", TWO, {"hub_spoke_failover": "absent"})],
)
def test_it_is_removed_when_its_condition_ends(host: str, hubs: Any, variables: dict[str, Any]) -> None:
    programs = {"failover": ["wg0", "wg1"]}
    assert included(host, hubs, programs, **variables) == {"remove_failover.yml"}
    assert included(host, hubs, programs, {"wg1": OURS}, **variables) == {"remove_failover.yml"}
    assert included(host, hubs, {"failover": []}, **variables) == {"remove_failover.yml"}
    assert included(host, hubs, **variables) == set(), "it is not installed, so no remote call is made"


def test_it_stays_where_it_is_not_to_be_changed_and_where_another_overlay_uses_it() -> None:
    programs = {"failover": ["wg0", "wg1"]}
    assert included(hubs=ONE, programs=programs, hub_spoke_failover="none") == set()
    assert included(hubs=ONE, programs=programs, overlays={"wg0": OTHER, "wg1": OTHER}) == set()
    assert included(hubs=None, programs=programs) == set(), "without a plan the number of hubs is unknown"


def test_the_service_that_watches_direct_tunnels_follows_hub_spoke_direct() -> None:
    programs = {"direct": ["wgdirect"]}
    for wish in (True, ["s2"]):
        assert included(hubs=ONE, programs=programs, hub_spoke_direct=wish) == {"watch_direct.yml"}
    for off in (False, [], ""):
        assert included(hubs=ONE, programs=programs, hub_spoke_direct=off) == {"unwatch_direct.yml"}
        assert included(hubs=ONE, hub_spoke_direct=off) == set()
        others = {"direct": ["wg-other"]}
        assert included(hubs=ONE, programs=others, overlays={"wg-other": OTHER}, hub_spoke_direct=off) == set()
    assert included(hubs=ONE, programs={"direct": []}) == {"unwatch_direct.yml"}
    assert included("hub1", ONE, programs, hub_spoke_direct=True) == {"unwatch_direct.yml"}
    wanted = {"hub_spoke_direct": True, "hub_spoke_direct_watch": "absent"}
    assert included(hubs=ONE, programs=programs, **wanted) == {"unwatch_direct.yml"}
    assert included(hubs=ONE, programs=programs, hub_spoke_direct_watch="none") == set()


def test_an_interface_of_direct_tunnels_that_was_renamed_is_watched_no_more() -> None:
    wanted = {"hub_spoke_direct": True, "hub_spoke_direct_interface": "wgd2"}
    both = {"watch_direct.yml", "unwatch_direct.yml"}
    assert included(hubs=ONE, programs={"direct": ["wgdirect"]}, **wanted) == both
    assert included(hubs=ONE, programs={"direct": ["wgd2"]}, **wanted) == {"watch_direct.yml"}
    assert included(hubs=ONE, programs={"direct": ["wgdirect"]}, hub_spoke_direct_watch="none", **wanted) == set()
