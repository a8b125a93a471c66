# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel parameters: names as in sysctl(8), all below /proc/sys, values with white space folded."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation
from ansible_collections.wirewright.overlay.plugins.module_utils._host import sysctls as room
from ansible_collections.wirewright.overlay.plugins.module_utils._host.sysctls import Sysctl, parse_name, read, write
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(room, "_ROOT", f"{tmp_path}/")
    (tmp_path / "net").mkdir()
    return tmp_path


def test_parameters_of_an_interface_are_those_that_can_be_set(root: Path) -> None:
    for family, name, value, mode in (
        ("ipv4", "forwarding", "1", 0o644),
        ("ipv4", "mc_forwarding", "0", 0o444),
        ("ipv6", "accept_ra", "2", 0o644),
    ):
        path = root / "net" / family / "conf" / "wg0" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n")
        path.chmod(mode)
    (root / "net/ipv6/conf/wg0/stable_secret").write_text("fd00::1\n")
    (root / "net/ipv6/conf/wg0/unreadable").mkdir()
    found = [Sysctl("net/ipv4/conf/wg0/forwarding", "1"), Sysctl("net/ipv6/conf/wg0/accept_ra", "2")]
    assert list(room.of_interface("wg0")) == found and not list(room.of_interface("wg1"))


def test_a_rollback_restores_what_differs(root: Path) -> None:
    (root / "net/a").write_text("1\n")
    (root / "net/b").write_text("5\n")
    done = [
        Operation(Sysctl("net/a", "0"), Sysctl("net/a", "1")),
        Operation(Sysctl("net/b", "5"), Sysctl("net/b", "6")),
    ]
    assert room.diff(done) == ("", {"net/a": "0", "net/b": "5"}, {"net/a": "1", "net/b": "6"})
    undo = room.rollback(done)
    assert undo.needed and undo.pending() == ["sysctl net/a = 0 (changed)"]
    undo.apply()
    assert not undo.pending() and room.read("net/a") == Sysctl("net/a", "0")
    assert room.apply(done) == 2 and room.read("net/b") == Sysctl("net/b", "6")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.5/forwarding", "net/ipv4/conf/eth0.5/forwarding"),
        ("net.ipv4.conf.eth0/5.forwarding", "net/ipv4/conf/eth0.5/forwarding"),
        ("kernel", "kernel"),
    ],
)
def test_names_as_sysctl_takes_them(name: str, path: str) -> None:
    assert parse_name(name) == path


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "/", "..", "/etc/passwd", "../etc/passwd", "net/../../etc/passwd", "net.//.ipv4", "net//ipv4", "net/",
        "net.", "net/./ipv4", "net.ipv4.ip_forward\nkernel.modprobe", "net.ipv4.ip_forward = 1", "net ipv4", "net\0",
        "net.ipv4.ip_forward\n", "#net.ipv4", ";net", "net=1",
    ],
)  # fmt: skip
def test_invalid_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a sysctl"):
        parse_name(name)


@given(st.text() | st.text("net./", max_size=12))
def test_every_path_is_below_proc_sys(name: str) -> None:
    try:
        path = parse_name(name)
    except ValueError:
        return
    assert not path.startswith("/")
    assert not {"", ".", ".."} & set(path.split("/"))
    assert len(path.splitlines()) == 1


def test_white_space_in_a_value_is_folded(root: Path) -> None:
    (root / "net/ports").write_text("32768\t60999\n")
    assert read("net/ports") == Sysctl("net/ports", "32768 60999")


def test_a_missing_parameter_is_none() -> None:
    assert read("net/missing") is None


def test_a_parameter_is_written(root: Path) -> None:
    (root / "net/ports").touch()
    write("net/ports", "1")
    assert (root / "net/ports").read_text() == "1\n"


def test_a_refused_value_names_the_parameter(root: Path) -> None:
    (root / "net/ports").mkdir()
    with pytest.raises(OSError, match="sysctl net/ports: Is a directory"):
        write("net/ports", "1")
