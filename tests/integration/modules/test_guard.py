# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that is not confirmed is reverted by the host itself: it has its previous state by `wg`, `ip`, `nft` and the files."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from managed_host import ManagedHost, ModuleResult, wait_until
from namespaces import ChildFailed
from test_rollback import CLEAN, FIRST, NOWHERE, ROLLED_BACK, THEN, UNDO, all_of, fail_at

TOKEN, OTHER = "a token of a test", "the token of another run"
GUARD = "/run/wirewright.overlay/guard"
CLOSED = {"table": "8888", "purge": True, "routes": [{"destination": "default", "type": "blackhole"}]}
# The way to the controller's network leads nowhere.
LOCKOUT: dict[str, Any] = {
    "ip_routes": [CLOSED],
    "ip_rules": {"priorities": "8870-8879", "rules": [{"priority": 8870, "to": "192.0.2.0/24", "table": "8888"}]},
    "allow_management_change": True,
}
IS_REACHED = "ping -c 1 -W 1 192.0.2.11 >/dev/null"
ADDITIONAL = 2.0  # seconds from the deadline until the host is back
SLOW = 10.0  # of a machine that is busy with other tests


def changed(host: ManagedHost, document: dict[str, Any], timeout: int = 60, **options: Any) -> ModuleResult:
    return host.module("overlay_apply", **document, confirm_timeout=timeout, confirm_token=TOKEN, **options)


def confirmed(host: ManagedHost, token: str = TOKEN) -> ModuleResult:
    return host.module("overlay_confirm", token=token)


def persistent(seen: dict[str, Any]) -> list[str]:
    """Return the files, but for the record of kernel parameters, which is written before these change."""
    return [line for line in seen["files"] + seen["hashes"] if "/var/lib/wirewright.overlay/sysctls" not in line]


def left(host: ManagedHost) -> str:
    """Return what a run has left in memory, and its processes."""
    return "".join([host.shell(f"ls -A {GUARD} 2>/dev/null || :"), *guards(host)])


def guards(host: ManagedHost) -> list[str]:
    """Return the process IDs of the guards of a host."""
    pids = subprocess.run(
        ["ip", "netns", "pids", host.netns], capture_output=True, text=True, check=True
    ).stdout.split()
    return [pid for pid in pids if b"_overlay.guard" in command(pid)]


def command(pid: str) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


@pytest.fixture
def ready(host: ManagedHost) -> Iterator[ManagedHost]:
    clean = f"{CLEAN}\nip rule del priority 8870 2>/dev/null || :\nrm -rf {GUARD}"
    host.shell(clean)
    for name in ("wg0", "wg1", "wg2"):
        host.make_key(name)
    yield host
    host.shell(clean)


def test_a_confirmed_change_is_complete_and_leaves_nothing(ready: ManagedHost) -> None:
    assert ready.module("overlay_apply", **FIRST).changed
    before = all_of(ready)
    done = changed(ready, THEN)
    assert done.changed and done.data["confirmation"]["seconds"] == 60 and "facts" not in done.data
    assert ready.shell(f"stat -c %a {GUARD} {GUARD}/checkpoint").split() == ["700", "600"]
    waiting = all_of(ready)
    assert waiting["wireguard"] != before["wireguard"] and waiting["nftables"] != before["nftables"]
    assert persistent(waiting) == persistent(before)
    answer = confirmed(ready)
    assert answer.changed and answer.data["facts"]["wg1"]["addresses"] == ["10.45.0.1/24"]
    assert answer.data["facts"]["wg2"] is None
    wait_until(lambda: left(ready) == "confirmed.json\n", "the guard has ended")
    assert confirmed(ready).data["facts"] == answer.data["facts"], "the answer can be lost"
    # Without a change of the kernel there is no guard, nothing to confirm, and nothing is written.
    for unchanged in (ready.module("overlay_apply", **THEN), changed(ready, THEN)):
        assert not unchanged.changed and "confirmation" not in unchanged.data and left(ready) == "confirmed.json\n"
    assert confirmed(ready).data["facts"] == answer.data["facts"]
    noted = {**THEN, "interfaces": [{**THEN["interfaces"][0], "inventory_name": "h1"}, *THEN["interfaces"][1:]]}
    only_files = changed(ready, noted)
    assert only_files.changed and "confirmation" not in only_files.data and left(ready) == "confirmed.json\n"


def test_a_host_that_is_cut_off_comes_back(ready: ManagedHost) -> None:
    assert ready.module("overlay_apply", **FIRST).changed
    before = all_of(ready)
    controller = ManagedHost(ready.lab, "h2")
    controller.shell(IS_REACHED)
    assert changed(ready, {**THEN, **LOCKOUT}, 3).changed
    start = time.monotonic()
    assert controller.lab.run("h2", ["sh", "-c", IS_REACHED], check=False).returncode
    wait_until(lambda: not controller.lab.run("h2", ["sh", "-c", IS_REACHED], check=False).returncode, "it is back")
    assert time.monotonic() - start < 3 + ADDITIONAL + SLOW
    wait_until(lambda: not guards(ready), "the guard has ended")
    assert all_of(ready) == before
    late = confirmed(ready)
    assert "already reverted: no confirmation arrived over a new connection within 3 seconds" in late.failure
    assert late.data["reverted"] and "could not restore" not in late.failure
    # The next run says so, once.
    for_check = ready.module("overlay_apply", **FIRST, check_mode=True)
    later = ready.module("overlay_apply", **FIRST)
    for found in (for_check, later):
        assert not found.changed and "no confirmation arrived" in found.data["last_reverted"]["message"]
        assert "an earlier run was reverted at" in found.output
    assert "last_reverted" not in ready.module("overlay_apply", **FIRST).data
    assert not left(ready)


def test_only_the_pending_run_is_confirmed_and_no_other_one_starts(ready: ManagedHost) -> None:
    assert ready.module("overlay_apply", **FIRST).changed
    before = all_of(ready)
    assert changed(ready, THEN).changed
    refused = confirmed(ready, OTHER)
    assert "the token is not the one of that run" in refused.failure and "reverted" not in refused.data
    for options in (dict[str, Any](), {"confirm_timeout": 60, "confirm_token": OTHER}):
        said = ready.module("overlay_apply", **FIRST, **options).failure
        assert "another run changed this host" in said and "seconds ago and waits for its confirmation" in said
    assert confirmed(ready).changed and all_of(ready) != before
    assert "no run waits" in confirmed(ready, OTHER).failure


def test_a_run_that_fails_needs_no_guard_afterwards(ready: ManagedHost) -> None:
    assert ready.module("overlay_apply", **FIRST).changed
    before = all_of(ready)
    assert changed(ready, {**THEN, "ip_routes": NOWHERE}).failure.endswith(ROLLED_BACK)
    assert all_of(ready) == before
    wait_until(lambda: not left(ready), "the guard has ended")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("step", [1, 3, 6, 11, 16, 21, 26])
def test_the_guard_reverts_a_run_that_was_killed(ready: ManagedHost, step: int) -> None:
    """An odd step is done when the process is killed, an even one is not."""
    assert ready.module("overlay_apply", **FIRST).changed
    before = all_of(ready)
    options = {**THEN, "confirm_timeout": 6, "confirm_token": TOKEN}
    with suppress(ChildFailed):
        ready.call(fail_at, step + 2, options, ended=signal.SIGKILL)  # the first two write the record of the run
    wait_until(lambda: not guards(ready), "the guard has reverted the run")
    assert all_of(ready) == before
    assert "already reverted: the process that applied the run ended" in confirmed(ready).failure


def test_the_next_run_reverts_one_whose_guard_was_killed(ready: ManagedHost) -> None:
    assert ready.module("overlay_apply", **FIRST).changed
    before = all_of(ready)
    assert changed(ready, THEN).changed
    os.kill(int(ready.shell(f"cat {GUARD}/process")), signal.SIGKILL)
    wait_until(lambda: not guards(ready), "the guard is gone")
    assert (
        "the next run without check mode reverts it" in ready.module("overlay_apply", **FIRST, check_mode=True).output
    )
    again = ready.module("overlay_apply", **FIRST)
    assert not again.changed and "the guard of an unconfirmed run had ended" in again.data["last_reverted"]["message"]
    assert all_of(ready) == before and not left(ready)


def test_a_disk_that_is_full_at_the_confirmation_reverts_the_run(ready: ManagedHost) -> None:
    assert ready.module("overlay_apply", **FIRST).changed
    try:
        ready.shell(
            "mkdir -p /etc/wirewright.overlay; mount -t tmpfs -o size=4k,nr_inodes=4 none /etc/wirewright.overlay; "
            "mkdir /etc/wirewright.overlay/fib"
        )
        before = all_of(ready)
        assert changed(ready, THEN).changed
        answer = confirmed(ready)
        assert "No space left on device" in answer.failure and answer.data["reverted"]
        assert all_of(ready) == before
    finally:
        ready.shell(UNDO)


def test_nothing_is_changed_where_the_guard_cannot_start(ready: ManagedHost) -> None:
    assert ready.module("overlay_apply", **FIRST).changed
    before = all_of(ready)
    ready.shell(f"mkdir -m 700 {GUARD}; mount -t tmpfs -o size=8k,nr_inodes=3 none {GUARD}")
    try:
        said = changed(ready, THEN).failure
    finally:
        ready.shell(f"umount {GUARD}; rmdir {GUARD}")
    assert "nothing was changed: the guard that would revert this run cannot be started" in said
    assert all_of(ready) == before
