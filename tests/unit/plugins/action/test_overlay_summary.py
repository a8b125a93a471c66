# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary of a run in real plays: once, of the hosts of the run."""

from __future__ import annotations

from typing import Any

import pytest
from fleet_project import Project, fact_of, key_of

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
