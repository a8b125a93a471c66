# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reasons for a kernel without WireGuard, in files of modules."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._preflight import read_kernel
from ansible_collections.wirewright.overlay.plugins.module_utils._preflight.read_kernel import module_of

DEPENDENCIES = """\
kernel/net/wireguard_like/other.ko: kernel/drivers/net/wireguard/wireguard.ko
updates/dkms/wireguard.ko.xz: kernel/net/ipv4/udp_tunnel.ko
"""


def test_the_module_is_found_by_its_own_line() -> None:
    assert module_of(DEPENDENCIES, "/lib/modules/6.1") == "/lib/modules/6.1/updates/dkms/wireguard.ko.xz"
    assert module_of(DEPENDENCIES.splitlines()[0], "/lib/modules/6.1") == ""


@pytest.mark.parametrize(
    ("text", "forbids"),
    [
        ("blacklist wireguard\n", True),
        ("# blacklist wireguard\n", False),
        ("options x y\n  install wireguard /bin/false\n", True),
        ("install wireguard /usr/bin/true", True),
        ("install wireguard /sbin/modprobe --ignore-install wireguard\n", False),
        ("blacklist wireguard_next\n", False),
    ],
)
def test_modprobe_files_that_forbid_the_module(
    text: str, forbids: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.conf").write_text(text)
    monkeypatch.setattr(read_kernel.kernel_module, "available", lambda: False)
    monkeypatch.setattr(read_kernel, "_MODPROBE", (str(tmp_path),))
    state = read_kernel.read_kernel({"container": "lxc"})
    assert state.blocked_by == (str(tmp_path / "x.conf") if forbids else "")
    assert state.container and not state.has_wireguard
