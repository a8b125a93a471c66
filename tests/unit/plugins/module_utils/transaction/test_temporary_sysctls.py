# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parameters that are set for a while: what is written, what is remembered, what comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.host.sysctls import Sysctl
from ansible_collections.wirewright.overlay.plugins.module_utils.refusal import InvalidOptions
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction import temporary_sysctls as room
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.temporary_sysctls import (
    Memory,
    Remembered,
    parse,
    plan,
)
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.memory import UnreadableMemory

ETH0, ETH1 = "net/ipv4/conf/eth0/rp_filter", "net/ipv4/conf/eth1/rp_filter"


def written(wanted: dict[str, str], memory: Memory, current: dict[str, str]) -> tuple[dict[str, str], Memory]:
    """Return what the plan writes and what it remembers."""
    values = {path: Sysctl(path, value) for path, value in current.items()}
    operations, remembered = plan(wanted, memory, values.get)
    return {one.key(): one.after.value for one in operations if one.after}, remembered


def test_value_comes_back_when_nobody_asks_for_another() -> None:
    found, memory = written({ETH0: "2"}, {}, {ETH0: "1", ETH1: "1"})
    assert found == {ETH0: "2"} and memory == {ETH0: Remembered("1", "2")}
    assert written({}, memory, {ETH0: "2"}) == ({ETH0: "1"}, {})


def test_second_run_keeps_what_was_remembered_by_the_first() -> None:
    memory = {ETH0: Remembered("1", "2")}
    assert written({ETH0: "2"}, memory, {ETH0: "2"}) == ({}, memory)
    assert written({ETH0: "0"}, memory, {ETH0: "2"}) == ({ETH0: "0"}, {ETH0: Remembered("1", "0")})


def test_value_that_somebody_else_set_meanwhile_stays() -> None:
    assert written({}, {ETH0: Remembered("1", "2")}, {ETH0: "0"}) == ({}, {})
    found, memory = written({ETH0: "2"}, {ETH0: Remembered("1", "2")}, {ETH0: "0"})
    assert found == {ETH0: "2"} and memory == {ETH0: Remembered("0", "2")}
    assert written({}, memory, {ETH0: "2"}) == ({ETH0: "0"}, {})


def test_value_between_runs_is_told_while_it_is_another() -> None:
    memory = {ETH0: Remembered("1", "2")}
    assert room.lasting(ETH0, "2", memory) == "1"
    assert room.lasting(ETH0, "0", memory) == "0", "somebody else has set it"
    assert room.lasting(ETH1, "2", memory) == "2"


def test_run_that_was_cut_short_before_it_set_a_value_is_gone_on_with() -> None:
    memory = {ETH0: Remembered("1", "2")}
    assert written({ETH0: "2"}, memory, {ETH0: "1"}) == ({ETH0: "2"}, memory)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "temporary_sysctls.json"
    monkeypatch.setattr(room, "MEMORY", str(path))
    return path


def test_memory_is_read_as_it_was_written(file: Path) -> None:
    assert room.load() == {}
    file.write_text(json.dumps({ETH0: ["1", "2"]}))
    assert room.load() == {ETH0: Remembered("1", "2")}


def test_value_before_is_remembered_until_it_is_there_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    current, memory = {ETH0: "2", ETH1: "2"}, {ETH0: ["1", "2"], ETH1: ["0", "2"]}
    file.write_text(json.dumps(memory))
    monkeypatch.setattr(room.sysctls, "read", lambda path: Sysctl(path, current[path]))
    monkeypatch.setattr(room.sysctls, "write", current.__setitem__)
    stage = room.stage({ETH1: "2"})
    stage.make()
    assert json.loads(file.read_text()) == memory, "a run that is cut short here can be mended"
    stage.remove()
    assert (current, json.loads(file.read_text())) == ({ETH0: "1", ETH1: "2"}, {ETH1: ["0", "2"]})
    last = room.stage({})
    last.make()
    last.remove()
    assert (current[ETH1], file.exists()) == ("0", False)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '"x"', '{"a": "12"}', '{"a": ["1"]}', '{"a": [1, 2]}', '{"a": null}', "\udcff{}"]
)
def test_damaged_memory_is_named_and_nothing_is_changed(file: Path, text: str) -> None:
    content = text.encode("utf-8", errors="surrogateescape")
    file.write_bytes(content)
    with pytest.raises(
        UnreadableMemory, match=r"temporary_sysctls\.json is damaged: .* remove the file, and run again"
    ):
        room.stage({ETH0: "2"})
    assert file.read_bytes() == content


def test_parameter_that_the_kernel_has_not_or_has_already_is_not_written() -> None:
    assert written({ETH0: "2", ETH1: "2"}, {}, {ETH1: "2"}) == ({}, {ETH1: Remembered("2", "2")})
    assert written({}, {ETH0: Remembered("1", "2")}, {}) == ({}, {})


def test_names_are_those_of_sysctl_and_all_mistakes_are_told() -> None:
    assert parse({"net.ipv4.conf.eth0.rp_filter": 2}) == {ETH0: "2"}
    with pytest.raises(InvalidOptions) as refused:
        parse({"../etc": 1, "a b": 1})
    assert len(refused.value.errors) == 2
    with pytest.raises(InvalidOptions):
        parse(["net.ipv4.ip_forward"])
