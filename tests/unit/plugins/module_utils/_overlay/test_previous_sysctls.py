# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel parameters that return to their previous value: which, when, and what is recorded for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._host.sysctls import Sysctl
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay import previous_sysctls as room
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.previous_sysctls import (
    Host,
    Previous,
    Record,
    dump,
    parse,
    plan,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.state_file import CorruptStateFile
from hypothesis import given
from hypothesis import strategies as st

FORWARD, OWN = "net/ipv4/ip_forward", "net/ipv4/conf/wg0/rp_filter"
ON = {FORWARD: "1"}


@dataclass
class Machine:
    """A host with values of parameters, and runs on it."""

    values: dict[str, str]
    record: Record = field(default_factory=Record)
    interfaces: set[str] = field(default_factory=set)
    use: str = ""
    file: str = ""
    by_kernel: frozenset[str] = frozenset()
    warnings: list[str] = field(default_factory=list)

    def run(self, present: Mapping[str, Mapping[str, str]], gone: Collection[str] = ()) -> None:
        """Plan, set what the interfaces of the run need, and return what is planned to."""
        host = Host(
            lambda path: Sysctl(path, self.values[path]) if path in self.values else None,
            lambda _path, _value: {},
            self.by_kernel.__contains__,
            lambda _path, _value: self.file,
            lambda _path: self.use,
        )
        found = plan(self.record, present, frozenset(gone), self.interfaces, host)
        for wanted in present.values():
            self.values.update(wanted)
        for one in found.operations:
            assert one.before is not None and one.after is not None and self.values[one.key()] == one.before.value
            self.values[one.key()] = one.after.value
        self.record, self.warnings = found.record, found.warnings
        self.interfaces = {*self.interfaces, *present} - {*gone}


def test_a_value_returns_when_the_interface_goes_or_needs_it_no_more() -> None:
    for last in (({}, ["wg0"]), ({"wg0": {}}, [])):
        host = Machine({FORWARD: "0"})
        host.run({"wg0": ON})
        assert host.values == ON and host.record.previous == {FORWARD: Previous("0", "1", {})}
        host.run({"wg0": ON})
        host.run(*last)
        assert (host.values, host.record) == ({FORWARD: "0"}, Record())


def test_a_value_that_another_interface_needs_stays_until_that_goes_too() -> None:
    host = Machine({FORWARD: "0"})
    host.run({"wg0": ON})
    host.run({"wg1": ON})
    host.run({}, ["wg0"])
    assert host.values == ON
    host.run({}, ["wg1"])
    assert host.values == {FORWARD: "0"}


def test_a_value_that_was_there_before_stays() -> None:
    host = Machine({FORWARD: "1"})
    host.run({"wg0": ON})
    host.run({}, ["wg0"])
    assert (host.values, host.record, host.warnings) == (ON, Record(), [])


def test_a_value_that_others_have_set_since_stays() -> None:
    host = Machine({OWN: "1"})
    host.run({"wg0": {OWN: "2"}})
    host.values[OWN] = "0"
    host.run({"wg0": {}})
    assert (host.values, host.record) == ({OWN: "0"}, Record())


def test_a_value_set_again_by_a_run_returns_to_what_others_have_set() -> None:
    host = Machine({OWN: "1"})
    host.run({"wg0": {OWN: "2"}})
    host.values[OWN] = "0"
    host.run({"wg0": {OWN: "2"}})
    host.run({"wg0": {}})
    assert host.values == {OWN: "0"}


@pytest.mark.parametrize(
    ("use", "file", "said"),
    [
        (
            "packets pass",
            "",
            "stays 1, because packets pass. It is not set at the next boot: .*-w net.ipv4.ip_forward=0",
        ),
        ("packets pass", "/etc/sysctl.d/router.conf", "stays 1, because /etc/sysctl.d/router.conf sets it$"),
    ],
)
def test_a_value_that_others_may_rely_on_stays_with_a_warning_once(use: str, file: str, said: str) -> None:
    host = Machine({FORWARD: "0"}, use=use, file=file)
    host.run({"wg0": ON})
    assert host.warnings == []
    host.run({"wg0": {}})
    (warning,) = host.warnings
    assert host.values == ON
    with pytest.raises(AssertionError, match=f"net.ipv4.ip_forward {said}"):
        raise AssertionError(warning)
    host.run({"wg0": {}})
    assert (host.warnings, host.record) == ([], Record())


def test_a_value_that_the_kernel_sets_for_an_interface_stays_recorded() -> None:
    host = Machine({FORWARD: "0"}, by_kernel=frozenset([FORWARD]))
    host.run({"wg0": ON})
    host.run({"wg0": {}})
    assert host.values == ON and host.record.previous
    host.by_kernel = frozenset()
    host.run({}, ["wg0"])
    assert host.values == {FORWARD: "0"} and not host.record


def test_parameters_of_a_removed_interface_go_with_it() -> None:
    host = Machine({OWN: "1"})
    host.run({"wg0": {OWN: "2"}})
    host.run({}, ["wg0"])
    assert (host.values, host.record) == ({OWN: "2"}, Record()), "nothing is written"


def test_needs_of_an_interface_that_others_have_removed_do_not_count() -> None:
    host = Machine({FORWARD: "0"})
    host.run({"wg0": ON})
    host.interfaces.clear()
    host.run({"wg1": {}})
    assert host.values == {FORWARD: "0"}


STEPS = st.lists(
    st.tuples(st.sampled_from(["wg0", "wg1"]), st.sampled_from(["on", "off", "gone", "by hand 0", "by hand 1"])),
    max_size=12,
)


@given(start=st.sampled_from("01"), steps=STEPS)
def test_without_interfaces_a_value_is_the_one_that_others_have_set_last(
    start: str, steps: list[tuple[str, str]]
) -> None:
    host, foreign = Machine({FORWARD: start}), start
    for name, step in [*steps, ("wg0", "gone"), ("wg1", "gone")]:
        known = host.record.previous.get(FORWARD)
        if step == "gone":
            host.run({}, [name])
        elif not step.startswith("by hand"):
            host.run({name: ON if step == "on" else {}})
        elif host.values[FORWARD] != step[-1] and not (known and known.given == step[-1]):  # else no run can know it
            host.values[FORWARD] = foreign = step[-1]
    assert (host.values[FORWARD], host.record) == (foreign, Record())


def test_a_record_is_read_as_written_and_refused_if_damaged(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Record({"wg0": ON}, {FORWARD: Previous("0", "1", {"net/ipv4/conf/all/accept_redirects": "0"})})
    assert parse(dump(record)) == record
    path = f"{tmp_path}/previous.json"
    monkeypatch.setattr(room, "RECORD", path)
    assert room.load() == Record()
    for text in ("", "[]", "{}", '{"version": 2}', dump(record).replace("net/ipv4/ip", "../ip")):
        with open(path, "w") as file:
            file.write(text)
        with pytest.raises(CorruptStateFile, match=r"is damaged: .*they keep their present values"):
            room.load()
