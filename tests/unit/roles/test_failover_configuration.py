# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of the failover program, and its unit."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from external_programs import require
from jinja2 import Template

from .failover_program import HUBS, PROGRAM, failover, settings
from .programs import assert_python_3_9

UNIT = PROGRAM.parents[1] / "templates/wirewright-overlay-failover.service.j2"


def test_all_problems_are_reported_at_once() -> None:
    document = {
        "hubs": [
            {"name": "hub1", "dev": "wg0\nroute flush", "address": "hub1.example.org"},
            {"name": 'say "hi"', "dev": "/wg1"},
        ],
        "tables": ["local", 200],
        "interval": 0,
        "timeout": "2",
        "losses": 0,
        "answers": 1.5,
        "metric": True,
        "intervall": 5,
    }
    with pytest.raises(ValueError) as wrong:
        failover.parse_settings(json.dumps(document))
    lines = str(wrong.value).splitlines()
    starts = (
        "hubs[0].dev is ",
        "hubs[0].address is ",
        "hubs[1].name is ",
        "hubs[1].dev is ",
        "hubs[1].address is null",
    )
    starts += (
        'tables is "local"',
        "interval is 0",
        'timeout is "2"',
        "losses is 0",
        "answers is 1.5",
        "metric is true",
    )
    assert [line.startswith(start) for line, start in zip(lines, (*starts, "intervall: write one of"))] == [True] * 12
    assert all("write" in line for line in lines) and len(lines) == 12


@pytest.mark.parametrize(
    "document, what",
    [
        ("[]", "write a list of objects as hubs"),
        ('{"hubs": []}', "write a list of objects as hubs"),
        ('{"hubs": [1]}', "write a list of objects as hubs"),
        ("{", "Expecting"),
        (json.dumps({"hubs": [HUBS[0], {**HUBS[1], "dev": "wg0"}]}), "write a different dev for each"),
        (json.dumps({"hubs": HUBS, "interval": 1}), "timeout is 2: write at most the interval, 1"),
    ],
)
def test_an_invalid_document_is_refused(document: str, what: str) -> None:
    with pytest.raises(ValueError, match=re.escape(what)):
        failover.parse_settings(document)


@pytest.mark.parametrize("seconds", [0.1, 1, 2.0, 2.5, 10, 100, 600])
def test_seconds_may_have_a_fraction(seconds: float) -> None:
    assert settings(interval=seconds, timeout=seconds).interval == seconds


def test_tables_are_numbers_or_main() -> None:
    assert settings(tables=[200, "main"]).tables == (200, failover.MAIN)


# --- the program and its unit


def test_an_invalid_configuration_ends_the_program_without_restart(tmp_path: Path) -> None:
    config = tmp_path / "failover.json"
    config.write_text('{"hubs": []}')
    argv = [sys.executable, "-I", str(PROGRAM), "--config", str(config)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{config}: ") and "Traceback" not in done.stderr
    assert "RestartPreventExitStatus=2" in UNIT.read_text().splitlines()


def test_the_program_is_python_3_9() -> None:
    assert_python_3_9(PROGRAM)


@pytest.fixture
def unit_file(tmp_path: Path) -> Path:
    """The rendered unit."""
    require("systemd-analyze")
    path = tmp_path / UNIT.stem
    path.write_text(Template(UNIT.read_text()).render(__hub_spoke_plan={"hubs": HUBS}))
    return path


def test_it_starts_after_its_devices(unit_file: Path) -> None:
    (after,) = re.findall(r"^After=(.*)$", unit_file.read_text(), re.MULTILINE)
    assert after.split() == ["network.target", *(f"wg-quick@{hub['dev']}.service" for hub in HUBS)]


def test_systemd_accepts_the_unit(unit_file: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", str(unit_file)], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if unit_file.name in line] == []


def test_the_unit_is_sandboxed(unit_file: Path) -> None:
    argv = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(unit_file)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if "offline" in done.stderr:
        pytest.skip("this systemd-analyze has no --offline")
    assert done.returncode == 0, done.stdout + done.stderr
