# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed while it replaces masqueraded connections: the table that drops packets meanwhile does not stay."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from managed_host import ManagedHost, run_module, wait_until
from namespaces import ChildFailed

TABLE = "table inet wirewright_overlay_connections"
NOTE = "/run/wirewright.overlay/connections"
SERVER = "192.0.2.12"
INSIDE = "10.99.0.1"
ROUTES: dict[str, Any] = {
    "ip_routes": [{"table": "8888", "purge": True, "routes": [{"destination": f"{SERVER}/32", "dev": "eth0"}]}],
    "keep_masqueraded": True,
}
MASQUERADE = f"""
ip addr add {INSIDE}/32 dev lo
nft -f - <<END
table ip lab {{ chain postrouting {{ type nat hook postrouting priority 100; ip saddr {INSIDE} masquerade; }}; }}
END
"""
CLEAN = f"""
nft delete table ip lab 2>/dev/null || :
nft delete {TABLE} 2>/dev/null || :
ip addr del {INSIDE}/32 dev lo 2>/dev/null || :
ip route flush table 8888 2>/dev/null || :
rm -f {NOTE}
"""


def send() -> None:
    """Send a packet that is masqueraded."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((INSIDE, 0))
        sender.sendto(b"x", (SERVER, 7788))


def killed(options: dict[str, Any]) -> None:
    """Run overlay_apply until it replaces the first connection."""
    from ansible_collections.wirewright.overlay.plugins.module_utils._overlay import masqueraded

    masqueraded._replace = lambda *_: bool(os.kill(os.getpid(), signal.SIGKILL))
    run_module("overlay_apply", options, False)


@pytest.fixture
def masquerading(host: ManagedHost) -> Iterator[ManagedHost]:
    """A host with a masqueraded connection."""
    host.shell(CLEAN)
    host.shell(MASQUERADE)
    host.call(send)
    yield host
    host.shell(CLEAN)


def tables(host: ManagedHost) -> str:
    return host.run("nft", "list", "tables")


def test_the_next_run_removes_the_table_of_a_run_that_was_killed(masquerading: ManagedHost) -> None:
    with pytest.raises(ChildFailed):
        masquerading.call(killed, ROUTES)
    assert TABLE in tables(masquerading)
    predicted = masquerading.module("overlay_apply", check_mode=True)
    assert "the next run without check mode removes it" in predicted.data["left_table"]["message"]
    assert TABLE in tables(masquerading)
    done = masquerading.module("overlay_apply")
    assert done.data["left_table"]["message"].endswith("it was removed") and not done.changed
    assert TABLE not in tables(masquerading)
    assert "left_table" not in masquerading.module("overlay_apply").data
    assert masquerading.module("overlay_apply", **ROUTES).changed
    assert TABLE not in tables(masquerading), "the connection is replaced, and nothing remains"
    assert masquerading.shell(f"ls {NOTE} 2>/dev/null || :") == ""


def test_the_guard_removes_the_table_of_a_run_that_was_killed(masquerading: ManagedHost) -> None:
    with pytest.raises(ChildFailed):
        masquerading.call(killed, {**ROUTES, "confirm_timeout": 3, "confirm_token": "a token of a test"})
    wait_until(lambda: TABLE not in tables(masquerading), "the guard has reverted the run")
    assert masquerading.run("ip", "route", "show", "table", "8888", check=False) == ""
    assert "was reverted" in masquerading.module("overlay_apply").data["last_reverted"]["message"]


def test_without_nft_the_run_goes_on_with_a_warning(masquerading: ManagedHost) -> None:
    nft = masquerading.shell("command -v nft").strip()
    masquerading.shell(f"mount --bind /dev/null {nft}")
    try:
        done = masquerading.module("overlay_apply", **ROUTES)
    finally:
        masquerading.shell(f"umount {nft}")
    assert done.changed and " masqueraded, and may be reset: this host has no nft" in done.output
