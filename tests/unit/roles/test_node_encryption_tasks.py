# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that fails after planning ends the run: others would send it packets that it does not accept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

TASKS = Path(__file__).parents[3] / "roles/node_encryption/tasks"
PLAN = "wirewright.overlay.overlay_plan"


def planned_tasks() -> list[dict[str, Any]]:
    """Return the tasks between the plan and the IPsec boot unit, in order."""
    main = yaml.safe_load((TASKS / "main.yml").read_text())
    at = next(number for number, task in enumerate(main) if PLAN in task)
    phases = [
        task
        for name in ("phases", "phase_send", "phase_stop")
        for task in yaml.safe_load((TASKS / f"{name}.yml").read_text())
    ]
    later = [inner for task in main[at + 1 :] for inner in task.get("block", [task])]
    changing = [task for task in [*later, *phases] if "wirewright.overlay.overlay_summary" not in task]
    return [task for task in changing if any(name.startswith("wirewright.overlay.") for name in task)]


def test_every_step_of_the_role_is_covered() -> None:
    assert len(planned_tasks()) == 7, "two dry runs, four phases, and a wait for sessions"


@pytest.mark.parametrize("task", planned_tasks(), ids=lambda task: str(task["name"]))
def test_a_node_that_fails_ends_the_run_for_all(task: dict[str, Any]) -> None:
    assert task.get("any_errors_fatal") is True
