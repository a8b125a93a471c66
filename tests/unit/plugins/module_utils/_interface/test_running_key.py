# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A missing key file gets the key of the running interface, if this collection made the interface and it has a key."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._host import links
from ansible_collections.wirewright.overlay.plugins.module_utils._host.links import OWNER_ALIAS, WIREGUARD, Link
from ansible_collections.wirewright.overlay.plugins.module_utils._interface import read
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.running_key import held_key
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import route_lookup
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.key_change import HeldKey
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import ZERO
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import Device, Settings

from ..samples import key

# By interface, its alias and its private key; None for a kind without keys.
RUNNING: dict[str, tuple[str | None, bytes | None]] = {
    "wg0": (OWNER_ALIAS, key(1)),
    "wg1": (OWNER_ALIAS, ZERO),
    "wg2": (OWNER_ALIAS, key(2)),
    "foreign": (None, key(3)),
    "dummy0": (OWNER_ALIAS, None),
}


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def opened() -> Iterator[None]:
        yield None

    def device(name: str) -> Device | None:
        private = RUNNING[name][1]
        return None if private is None else Device(name, Settings(private, 51820, 0), ZERO)

    def link(_fib: object, name: str) -> Link:
        return Link(name, WIREGUARD, 1420, True, RUNNING[name][0], 7)

    monkeypatch.setattr(socket, "if_nameindex", lambda: list(enumerate(RUNNING, 1)))
    monkeypatch.setattr(route_lookup, "open_connection", opened)
    monkeypatch.setattr(links, "read", link)
    monkeypatch.setattr(read, "read_device", device)


@pytest.mark.parametrize(
    ("interfaces", "expected"),
    [
        (["wg0"], HeldKey("wg0", key(1))),
        (["absent", "foreign", "dummy0", "wg1", "wg2", "wg0"], HeldKey("wg2", key(2))),
        (["wg1"], None),
        (["foreign"], None),
        (["dummy0"], None),
        (["absent"], None),
        ([], None),
    ],
)
def test_only_an_interface_of_this_collection_with_a_key_counts(
    tmp_path: Path, interfaces: list[str], expected: HeldKey | None
) -> None:
    assert held_key(str(tmp_path / "wg0.key"), interfaces) == expected


def test_a_file_that_exists_is_not_completed(tmp_path: Path) -> None:
    there, link = tmp_path / "wg0.key", tmp_path / "link.key"
    there.write_text("")
    link.symlink_to("nowhere")
    assert held_key(str(there), ["wg0"]) is held_key(str(link), ["wg0"]) is None
