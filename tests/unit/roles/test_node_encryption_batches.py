# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches of nodes and the last phase of a run: real plays of the role's phases.

The modules only log their calls.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.plays

ROLE = Path(__file__).parents[3] / "roles/node_encryption"
NODES = ["n1", "n2", "n3", "n4", "n5"]

# Stands in for overlay_apply and probe_info. A phase starts on OVERLAP nodes at a time, or not at all.
NOTED = """
import os, time
from ansible.plugins.action import ActionBase

LOG = os.environ["LOG"]

def note(line):
    with open(LOG, "a") as file:
        file.write(line + "\\n")

class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        name, phase = task_vars["inventory_hostname"], self._task.args.get("phase", "wait")
        note(f"begin {phase} {name}")
        if phase == "send":
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline and not self.has_company():
                time.sleep(0.02)
            time.sleep(0.2)
        note(f"end {phase} {name}")
        return {"failed": name == os.environ["FAILING"] and phase == "send", "changed": False}

    def has_company(self):
        begun = sum(line.startswith("begin send") for line in open(LOG))
        overlap = int(os.environ["OVERLAP"])
        return begun % overlap == 0 or begun == 5
"""
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {
                "ansible.builtin.import_role": {"name": "wirewright.overlay.node_encryption", "tasks_from": "phases"},
                "vars": {
                    "__node_encryption_plan": {
                        "plan": {"interface": "kwg0"},
                        "nodes": [{"name": name} for name in NODES],
                    }
                },
            }
        ],
    }
]


def run(root: Path, serial: int = 0, *, phase: str = "all", overlap: int = 1, failing: str = "") -> list[str]:
    """Return the log of the role's phases, in order: `begin PHASE NODE`, and `end PHASE NODE`."""
    overlay = root / "collections/ansible_collections/wirewright/overlay"
    (overlay / "roles").mkdir(parents=True)
    (overlay / "roles/node_encryption").symlink_to(ROLE)
    (overlay / "plugins/action").mkdir(parents=True)
    for name in ("overlay_apply", "probe_info"):
        (overlay / f"plugins/action/{name}.py").write_text(NOTED)
    (root / "play.yml").write_text(json.dumps(PLAY))
    (root / "hosts").write_text("\n".join(NODES))
    variables = {"node_encryption_send_serial": serial, "node_encryption_phase": phase}
    ansible_playbook = str(Path(sys.executable).parent / "ansible-playbook")
    done = subprocess.run(
        [ansible_playbook, "-i", "hosts", "-f", "5", "-e", json.dumps(variables), "play.yml"],
        cwd=root,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(root / "collections"),
            "ANSIBLE_HOME": str(root / "home"),
            "ANSIBLE_NOCOLOR": "1",
            "LOG": str(root / "log"),
            "OVERLAP": str(overlap),
            "FAILING": failing,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode != 0) == bool(failing), done.stdout + done.stderr
    return (root / "log").read_text().splitlines()


def batches(log: list[str], phase: str) -> Iterator[set[str]]:
    """Yield the sets of nodes that were in a phase at the same time."""
    inside: set[str] = set()
    together: set[str] = set()
    for event, where, name in (line.split() for line in log if f" {phase} " in line):
        assert where == phase
        (inside.add if event == "begin" else inside.remove)(name)
        together.add(name)
        if not inside:
            yield together
            together = set()


def test_nodes_are_switched_over_in_batches(tmp_path: Path) -> None:
    log = run(tmp_path, 2, overlap=2)
    assert list(batches(log, "send")) == [{"n1", "n2"}, {"n3", "n4"}, {"n5"}]
    begun = [line.split()[1] for line in log if line.startswith("begin ")]
    in_turn = [phase for phase in ("receive", "wait", "send", "stop") for _node in NODES]
    assert begun == in_turn, "all are done with a phase before the next begins"


def test_no_further_batch_runs_when_a_node_fails(tmp_path: Path) -> None:
    log = run(tmp_path, 1, failing="n2")
    assert list(batches(log, "send")) == [{"n1"}, {"n2"}]
    assert list(batches(log, "stop")) == []


@pytest.mark.parametrize(
    ("phase", "expected"),
    [("receive", ["receive"]), ("send", ["receive", "wait", "send"])],
)
def test_a_run_ends_with_its_last_phase(tmp_path: Path, phase: str, expected: list[str]) -> None:
    log = run(tmp_path, phase=phase, overlap=5)
    begun = [line.split()[1] for line in log if line.startswith("begin ")]
    assert list(dict.fromkeys(begun)) == expected and len(begun) == 5 * len(expected)
    assert list(batches(log, "send")) == [set(NODES)] * ("send" in expected), "all at once"
