# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary of a run in real plays: once, of the hosts of the run."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from fleet_project import PLUGINS, Project, fact_of, key_of

pytestmark = pytest.mark.plays

SUMMARY: dict[str, Any] = {
    "name": "Summary",
    "wirewright.overlay.overlay_summary": {"results": ["result"]},
    "run_once": True,
}


@pytest.fixture
def summarizing(project: Project) -> Project:
    tasks = project.tasks()
    tasks[-1]["register"] = "result"
    project.write("roles/mesh/tasks/main.yml", [*tasks, SUMMARY])
    project.hosts({name: {"mesh_public_key": key_of(name)} for name in ("h1", "h2", "h3")})
    return project


def test_hosts_with_the_same_change_are_one_line_and_diffs_and_warnings_name_the_host(summarizing: Project) -> None:
    new = {"public_key": None, "new_key": True}
    facts = {
        name: fact_of(name, number, **(new if name == "h9" else {})) for number, name in enumerate(("h1", "h9"), 1)
    }
    summarizing.hosts({name: {"fake_fact": fact} for name, fact in facts.items()})
    run = summarizing.run("--check", "--diff", WARNED="wg0 is odd")
    assert run.code == 0, run.output
    for line in ("h1: +1 peer h9", "h9: +1 peer h1"):
        assert run.output.count(line) == 1, run.output
    assert "--- before: h1 wg0" in run.output and "+++ after: h9 wg0" in run.output
    assert "--- before: h1 /etc/wireguard/wg0.key" in run.output
    for host in ("h1", "h9"):
        # Of two tasks: Ansible prints a warning once.
        assert run.output.count(f"[WARNING]: {host}: wg0 is odd") == 1, run.output


def test_a_limited_run_is_summarized_too_and_a_run_without_changes_says_nothing(summarizing: Project) -> None:
    limited = summarizing.run("--limit", "h2")
    assert limited.code == 0 and "h2: +2 peers h1 h3" in limited.output, limited.output
    assert limited.output.count("+2 peers") == 1
    summarizing.hosts(["h1"])
    alone = summarizing.run()
    assert alone.code == 0 and "skipping: [h1]" in alone.output and "peer" not in alone.output.split("Summary")[1]


@pytest.mark.parametrize("strategy", ["free", "host_pinned"])
def test_each_host_has_a_summary_of_its_own_if_it_waits_for_no_other(summarizing: Project, strategy: str) -> None:
    summarizing.play["strategy"] = strategy
    run = summarizing.run()
    assert run.code == 0, run.output
    for line in ("h1: +2 peers h2 h3", "h2: +2 peers h1 h3", "h3: +2 peers h1 h2"):
        assert run.output.count(line) == 1, run.output


def fail(*names: str) -> dict[str, Any]:
    return {
        "name": "Verify",
        "ansible.builtin.fail": {"msg": "no answer"},
        "when": f"inventory_hostname in {list(names)}",
    }


def block(tasks: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    """Return the role's tasks; the last of them, and the failure of some hosts after it, are summarized."""
    summary = {**SUMMARY, "wirewright.overlay.overlay_summary": {"results": ["result"], "plan_from": "__mesh_plan"}}
    return [*tasks[:-1], {"block": [tasks[-1], fail(*names)], "always": [summary]}]


@pytest.mark.parametrize("failing", [("h1",), ("h2", "h3"), ("h1", "h2", "h3")])
@pytest.mark.parametrize("fatal", [False, True])
def test_hosts_that_fail_after_the_change_are_in_the_summary(
    summarizing: Project, failing: tuple[str, ...], fatal: bool
) -> None:
    tasks = block([*summarizing.tasks()[:-1], {**summarizing.tasks()[-1], "register": "result"}], *failing)
    summarizing.write("roles/mesh/tasks/main.yml", tasks)
    summarizing.play["any_errors_fatal"] = fatal
    run = summarizing.run()
    assert run.code == 2, run.output
    assert [run.output.count(line) for line in ("h1: +2 peers h2 h3", "h2: +2 peers h1 h3", "h3: +2 peers h1 h2")] == [
        1
    ] * 3


def test_a_batch_is_summarized_without_the_hosts_that_have_failed_in_an_earlier_one(summarizing: Project) -> None:
    tasks = block([*summarizing.tasks()[:-1], {**summarizing.tasks()[-1], "register": "result"}], "h1")
    summarizing.write("roles/mesh/tasks/main.yml", tasks)
    summarizing.play["serial"] = 2
    run = summarizing.run()
    assert [run.output.count(f"{name}: +2 peers") for name in ("h1", "h2", "h3")] == [1, 1, 1], run.output


def test_results_of_an_earlier_overlay_are_not_summarized_again(summarizing: Project) -> None:
    """h1 failed in it and takes no further part. h2 has changed something in it, and skips it in this one."""
    tasks = block([*summarizing.tasks()[:-1], {**summarizing.tasks()[-1], "register": "result"}], "h1")
    summarizing.write("roles/mesh/tasks/main.yml", tasks)
    later = {"name": "Later", "wirewright.overlay.overlay_plan": {}, "run_once": True, "register": "__mesh_plan"}
    again = block([later, {**tasks[-1]["block"][0], "when": "inventory_hostname == 'h3'", "register": "third"}])
    again[-1]["always"][0]["wirewright.overlay.overlay_summary"]["results"] = ["result", "third"]
    summarizing.play["post_tasks"] = again
    for plays in ("one", "two"):
        if plays == "two":
            summarizing.earlier = [summarizing.play]
            summarizing.play = {
                "hosts": "vpn",
                "gather_facts": False,
                "vars": {"mesh_interface": "wg1", "mesh_network": "10.43.0.0/24", "mesh_port": 51821},
                "tasks": again,
            }
            del summarizing.earlier[0]["post_tasks"]
        run = summarizing.run()
        assert [run.output.count(f"{name}: +2 peers") for name in ("h1", "h2", "h3")] == [1, 1, 2], run.output


@pytest.mark.parametrize("role", ["mesh", "hub_spoke", "node_encryption"])
def test_each_task_of_a_role_that_changes_hosts_is_summarized_whatever_follows(role: str) -> None:
    tasks = yaml.safe_load((PLUGINS.parent / f"roles/{role}/tasks/main.yml").read_text())
    (summarized,) = (task for task in tasks if "always" in task)
    (summary,) = summarized["always"]
    assert summary["wirewright.overlay.overlay_summary"]["plan_from"] == f"__{role}_plan"
    outside = [task for task in tasks if "wirewright.overlay.overlay_apply" in task]
    assert all(task.get("check_mode") is True for task in outside)
