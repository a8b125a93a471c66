# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are forked from one process are those of ansible-playbook, and do not see each other."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from lab_hosts import Lab

PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.copy:
        content: "{{ lookup('ansible.builtin.env', 'WIREWRIGHT_RESULTS') }}"
        dest: "{{ result }}"
"""
SLOW = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.command: sleep 600
"""

MODULES = """
- hosts: all
  gather_facts: false
  ignore_errors: true
  tasks:
    - wirewright.overlay.wg_info:
    - wirewright.overlay.overlay_prepare:
        interface: "{{ interface }}"
    - wirewright.overlay.overlay_apply:
        interfaces: [{name: wg0, state: absent, mtu: 1}]
    - wirewright.overlay.ip_rule_fwmark: {priority: 7000, fwmark: "0x100/0x100", table: 201}
      check_mode: true
      diff: true
"""


def test_a_run_returns_exit_code_results_and_output(tmp_path: Path) -> None:
    lab = Lab()
    lab.path = tmp_path
    done = lab.playbook(PLAY, "-e", f"result={tmp_path}/text")
    assert (done.rc, done.changed) == (0, 1), done
    assert (tmp_path / "text").read_text() == str(tmp_path / "results.jsonl")
    failed = lab.playbook(PLAY)
    assert failed.rc == 2, failed
    assert "'result' is undefined" in failed.stdout
    wrong = lab.playbook(PLAY, "--no-such-option")
    assert wrong.rc == 2, wrong
    assert "--no-such-option" in wrong.stderr


@pytest.mark.slow
def test_each_run_removes_its_temporary_directory(tmp_path: Path) -> None:
    lab = Lab()
    lab.path = tmp_path
    left = []
    for _number in range(2):
        env = {"ANSIBLE_LOCAL_TEMP": str(tmp_path / "local")}
        done = lab.playbook(PLAY, "-e", f"result={tmp_path}/text", env=env)
        assert done.rc == 0, done
        left.append(sorted(path.name for path in (tmp_path / "local").iterdir()))
    assert left[0] == left[1]  # that of the process that runs are forked from
    assert len(left[0]) == 1


@pytest.mark.slow
def test_a_run_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    lab = Lab()
    lab.path = tmp_path
    with pytest.raises(subprocess.TimeoutExpired):
        lab.playbook(SLOW, timeout=0.5)
    done = lab.playbook(PLAY, "-e", f"result={tmp_path}/text")
    assert done.rc == 0, done


def test_forked_modules_return_what_modules_from_archives_return() -> None:
    with Lab() as lab:
        lab.up(["h1"])
        runs = [lab.playbook(MODULES, "-e", f"interface=wg{number}", from_archives=bool(number)) for number in range(2)]
        forked, archived = ([(event["event"], told(event["result"])) for event in run.events] for run in runs)
        assert forked == archived
        assert [event for event, _result in forked] == ["ok", "ok", "ok", "ignored"]
        assert lab.run("h1", ["ls", "/etc/wireguard"]).stdout.split() == ["wg0.key", "wg1.key"]


def told(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result without what differs between two keys, and where and when it was made."""
    text = json.dumps({**result, "ansible_facts": sorted(result.get("ansible_facts", ()))})
    return dict(json.loads(re.sub(r"[A-Za-z0-9+/]{43}=|wg[01]|\b[0-9]+\.[0-9]+\b", "", text)))
