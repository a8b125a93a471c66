# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of interfaces that are not WireGuard."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._host import links
from ansible_collections.wirewright.overlay.plugins.module_utils._host.links import Link
from ansible_collections.wirewright.overlay.plugins.module_utils._interface import other_kind as subject
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import route_lookup
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard import uapi_socket

KINDS = {"wg0": "wireguard", "wg1": "tun", "tun0": "tun", "br0": "bridge", "eth0": "", "lo": ""}


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def opened() -> Iterator[None]:
        yield None

    def index(name: str) -> int:
        if name not in KINDS:
            raise OSError(19, "No such device")
        return 1

    monkeypatch.setattr(subject.socket, "if_nametoindex", index)
    monkeypatch.setattr(route_lookup, "open_connection", opened)
    monkeypatch.setattr(links, "read", lambda _fib, name: Link(name, KINDS[name]) if name in KINDS else None)
    monkeypatch.setattr(uapi_socket, "is_running", lambda name: name == "wg1")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("wg0", ""),
        ("wg1", ""),  # of wireguard-go
        ("tun0", "tun"),
        ("br0", "bridge"),
        ("eth0", "physical"),
        ("lo", "loopback"),
        ("none0", ""),
    ],
)
def test_the_kind_of_an_interface_that_is_not_wireguard(name: str, kind: str) -> None:
    assert subject.other_kind(name) == kind
