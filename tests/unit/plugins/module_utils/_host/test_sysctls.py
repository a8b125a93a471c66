# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel parameters: names as in sysctl(8), all below /proc/sys, values with white space folded."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._host import sysctls as room
from ansible_collections.wirewright.overlay.plugins.module_utils._host.sysctls import Sysctl, parse_name, read, write
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(room, "ROOT", f"{tmp_path}/")
    (tmp_path / "net").mkdir()
    return tmp_path


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
