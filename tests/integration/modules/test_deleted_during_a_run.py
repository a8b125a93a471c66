# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another program deletes an interface while a run changes it: the whole new state, or a failure that says so."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

import pytest
from host_state import comparable, observe
from managed_host import ManagedHost, key
from test_rollback import steps_of

ALPHA = {"public_key": key("alpha"), "allowed_ips": ["10.42.0.2/32", "10.77.0.0/16"], "endpoint": "192.0.2.2:51820"}
BETA = {"public_key": key("beta"), "allowed_ips": ["10.42.0.3/32"], "persistent_keepalive": 25}


def document(**changes: Any) -> dict[str, Any]:
    wanted = {
        "name": "wg0",
        "userspace": True,
        "listen_port": 51820,
        "addresses": ["10.42.0.1/24", "fd42::1/64"],
        "mtu": 1400,
        "purge": True,
        "peers": [ALPHA, BETA],
        "persistence": "wg_quick",
    }
    return {"interfaces": [{**wanted, **changes}]}


FIRST = document()
THEN = document(
    listen_port=51821,
    addresses=["10.42.0.9/24", "fd42::9/64"],
    mtu=1300,
    peers=[{**ALPHA, "allowed_ips": ["10.78.0.0/16"]}],
)


def delete_at(step: int, options: Mapping[str, Any]) -> tuple[int, int, str]:
    """Run overlay_apply; another program deletes wg0 before a change if its number is even, and after it if it is odd.

    Returns the number of changes tried, the exit code and the message.
    """
    from managed_host import run_module

    tried = 0

    def delete() -> None:
        subprocess.run(["ip", "link", "del", "wg0"], check=False, stderr=subprocess.DEVNULL)

    def when(change: Callable[[], Any], _words: Sequence[object]) -> Any:
        nonlocal tried
        tried += 1
        if tried == step and step % 2 == 0:
            delete()
        result = change()
        if tried == step and step % 2:
            delete()
        return result

    steps_of(when)
    result = run_module("overlay_apply", options, False)
    return tried, result.rc, result.output


@pytest.mark.parametrize("before", ["a new interface", "a change"])
def test_an_interface_that_is_deleted_during_a_run_is_never_half_configured(host: ManagedHost, before: str) -> None:
    def prepare() -> None:
        host.module("overlay_apply", interfaces=[{"name": "wg0", "state": "absent"}])
        if before == "a change":
            assert host.module("overlay_apply", **FIRST).changed

    host.make_key()
    prepare()
    assert host.module("overlay_apply", **THEN).changed
    whole = comparable(observe(host))
    named = 0
    for step in count(1):
        prepare()
        tried, rc, said = host.call(delete_at, step, THEN)
        if tried < step:
            break
        if rc == 0:
            assert not host.module("overlay_apply", **THEN).changed, (step, said)
        else:
            assert "wg0" in said and ("rolled back" in said or "nothing was changed" in said), (step, said)
            named += "another program has deleted wg0 during the run" in said
        host.module("overlay_apply", **THEN)
        assert comparable(observe(host)) == whole, (step, said)
    assert step > 6 and named
