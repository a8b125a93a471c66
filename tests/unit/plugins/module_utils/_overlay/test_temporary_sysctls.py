# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Temporary kernel parameters: what is written, stored and restored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import InvalidOptions
from ansible_collections.wirewright.overlay.plugins.module_utils._host.sysctls import Sysctl
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay import temporary_sysctls as room
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.temporary_sysctls import (
    PreviousValue,
    PreviousValues,
    parse,
    plan,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.state_file import CorruptStateFile

ETH0, ETH1 = "net/ipv4/conf/eth0/rp_filter", "net/ipv4/conf/eth1/rp_filter"


def written(
    wanted: dict[str, str], previous: PreviousValues, current: dict[str, str]
) -> tuple[dict[str, str], PreviousValues]:
    """Return what the plan writes and what it remembers."""
    values = {path: Sysctl(path, value) for path, value in current.items()}
    operations, kept = plan(wanted, previous, values.get)
    return {one.key(): one.after.value for one in operations if one.after}, kept


def test_the_previous_value_is_restored_once_no_call_lists_the_parameter() -> None:
    found, previous = written({ETH0: "2"}, {}, {ETH0: "1", ETH1: "1"})
    assert found == {ETH0: "2"} and previous == {ETH0: PreviousValue("1", "2")}
    assert written({}, previous, {ETH0: "2"}) == ({ETH0: "1"}, {})


def test_a_second_run_keeps_the_previous_value() -> None:
    previous = {ETH0: PreviousValue("1", "2")}
    assert written({ETH0: "2"}, previous, {ETH0: "2"}) == ({}, previous)
    assert written({ETH0: "0"}, previous, {ETH0: "2"}) == ({ETH0: "0"}, {ETH0: PreviousValue("1", "0")})


def test_a_foreign_value_is_kept() -> None:
    assert written({}, {ETH0: PreviousValue("1", "2")}, {ETH0: "0"}) == ({}, {})
    found, previous = written({ETH0: "2"}, {ETH0: PreviousValue("1", "2")}, {ETH0: "0"})
    assert found == {ETH0: "2"} and previous == {ETH0: PreviousValue("0", "2")}
    assert written({}, previous, {ETH0: "2"}) == ({ETH0: "0"}, {})


def test_the_lasting_value_is_the_previous_one() -> None:
    previous = {ETH0: PreviousValue("1", "2")}
    assert room.lasting(ETH0, "2", previous) == "1"
    assert room.lasting(ETH0, "0", previous) == "0", "somebody else has set it"
    assert room.lasting(ETH1, "2", previous) == "2"


def test_a_run_that_stopped_before_a_write_is_completed() -> None:
    previous = {ETH0: PreviousValue("1", "2")}
    assert written({ETH0: "2"}, previous, {ETH0: "1"}) == ({ETH0: "2"}, previous)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "temporary_sysctls.json"
    monkeypatch.setattr(room, "PATH", str(path))
    return path


def test_previous_values_are_read_as_written(file: Path) -> None:
    assert room.load() == {}
    file.write_text(json.dumps({ETH0: ["1", "2"]}))
    assert room.load() == {ETH0: PreviousValue("1", "2")}


def test_the_previous_value_is_stored_until_it_is_restored(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    current, previous = {ETH0: "2", ETH1: "2"}, {ETH0: ["1", "2"], ETH1: ["0", "2"]}
    file.write_text(json.dumps(previous))
    monkeypatch.setattr(room.sysctls, "read", lambda path: Sysctl(path, current[path]))
    monkeypatch.setattr(room.sysctls, "write", current.__setitem__)
    stage = room.stage({ETH1: "2"})
    stage.apply()
    assert json.loads(file.read_text()) == previous, "a run that is cut short here can be mended"
    stage.delete()
    assert (current, json.loads(file.read_text())) == ({ETH0: "1", ETH1: "2"}, {ETH1: ["0", "2"]})
    last = room.stage({})
    last.apply()
    last.delete()
    assert (current[ETH1], file.exists()) == ("0", False)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '"x"', '{"a": "12"}', '{"a": ["1"]}', '{"a": [1, 2]}', '{"a": null}', "\udcff{}"]
)
def test_a_corrupt_file_is_named_and_nothing_is_changed(file: Path, text: str) -> None:
    content = text.encode("utf-8", errors="surrogateescape")
    file.write_bytes(content)
    with pytest.raises(
        CorruptStateFile, match=r"temporary_sysctls\.json is damaged: .* remove the file, and run again"
    ):
        room.stage({ETH0: "2"})
    assert file.read_bytes() == content


def test_missing_and_equal_parameters_are_not_written() -> None:
    assert written({ETH0: "2", ETH1: "2"}, {}, {ETH1: "2"}) == ({}, {ETH1: PreviousValue("2", "2")})
    assert written({}, {ETH0: PreviousValue("1", "2")}, {}) == ({}, {})


def test_all_invalid_names_are_reported() -> None:
    assert parse({"net.ipv4.conf.eth0.rp_filter": 2}) == {ETH0: "2"}
    with pytest.raises(InvalidOptions) as refused:
        parse({"../etc": 1, "a b": 1})
    assert len(refused.value.errors) == 2
    with pytest.raises(InvalidOptions):
        parse(["net.ipv4.ip_forward"])
