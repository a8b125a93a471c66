# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""overlay_apply with IPsec: states and policies in one call, in an order in which no packet waits or leaks."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from ipsec_host import Hosts, IpsecHost
from managed_host import run_module
from variants import key
from xfrm_steps import FOREIGN_POLICY, FOREIGN_STATE, take_twelve_steps

ENDS = [("192.0.2.1", "192.0.2.2"), ("192.0.2.2", "192.0.2.1")]
NETWORKS = ["10.1.0.0/16", "10.2.0.0/16"]


def document(seed: str, *directions: str) -> dict[str, Any]:
    """Return both states of a tunnel and its policies; without directions there are none of them."""
    states: list[dict[str, Any]] = []
    keys = {}
    for number, (source, destination) in enumerate(ENDS if directions else ()):
        enc, auth = f"enc {number}", f"auth {number}"
        keys.update({enc: key(f"{seed} {enc}", 32), auth: key(f"{seed} {auth}", 32)})
        states.append(
            {
                "src": source,
                "dst": destination,
                "spi": hex(0x1001 + number),
                "enc": {"algorithm": "aes", "key_name": enc},
                "auth": {"algorithm": "sha256", "key_name": auth},
            }
        )
    policies = []
    for direction in directions:
        there = direction == "out"
        (source, destination), (near, far) = ENDS[not there], NETWORKS if there else NETWORKS[::-1]
        template = {"src": source, "dst": destination}
        policies.append({"dir": direction, "src": near, "dst": far, "templates": [template]})
    return {
        "xfrm_states": {"states": states, "purge": True},
        "xfrm_keys": keys,
        "xfrm_policies": {"policies": policies, "purge": True},
    }


@pytest.mark.long
def test_tunnel_takes_twelve_steps(hosts: Hosts) -> None:
    host = hosts[0]
    host.xfrm(FOREIGN_STATE)
    host.xfrm(FOREIGN_POLICY)
    foreign = host.states(), host.policies()
    steps = document("old", "out", "in", "fwd"), document("new", "out", "in"), document("new")
    take_twelve_steps(host, "overlay_apply", *steps)
    assert (host.states(), host.policies()) == foreign


def test_states_are_created_before_policies_and_deleted_after_them(hosts: Hosts, tmp_path: Path) -> None:
    host = hosts[0]
    for arguments, order in (
        (document("x", "out", "in"), ["state", "policy"]),
        (document("x"), ["policy", "state"]),
    ):
        with Monitor(host, tmp_path / "monitor") as monitor:
            assert host.module("overlay_apply", **arguments).changed
            seen = monitor.wait(4)
        assert list(dict.fromkeys(seen)) == order, seen


def test_a_failure_after_the_states_rolls_them_back_before_any_deletion(hosts: Hosts) -> None:
    """One state is changed in place, one created, one to be deleted, and a policy fails."""
    host = hosts[0]
    first = document("old", "out", "in")
    assert host.module("overlay_apply", **first).changed
    before = host.states(), host.policies(), host.limits("state")
    then = document("old", "out", "in", "fwd")
    kept, other = then["xfrm_states"]["states"]
    then["xfrm_states"]["states"] = [{**kept, "limits": {"packet_hard": 10**9}}, {**other, "spi": "0x2001"}]
    failed = host.call(_fail_at_policies, host.memory, then)
    assert failed.endswith("no room for it; rolled back"), failed
    assert (host.states(), host.policies(), host.limits("state")) == before
    assert host.module("overlay_apply", **then).changed
    assert "0x00002001" in host.states() and "0x00001002" not in host.states()


def _fail_at_policies(memory: str, arguments: dict[str, Any]) -> str:
    from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import kernel, key_uses

    real, seen = kernel.apply_policies, []

    def apply_once(connection: Any, operations: Any) -> int:
        done = real(connection, operations)
        seen.append(read_states(connection))
        if len(seen) == 1:
            raise OSError("no room for it")
        return done

    read_states = kernel.read_states
    kernel.apply_policies = apply_once
    key_uses.PATH = memory
    failed = run_module("overlay_apply", arguments, False)
    assert {state.spi for state in seen[0]} == {0x1001, 0x1002, 0x2001}, seen
    return failed.failure


class Monitor:
    """The events of `ip xfrm monitor` in a host: "state" and "policy", in order."""

    def __init__(self, host: IpsecHost, path: Path) -> None:
        self.path = path
        with path.open("w") as file:
            argv = ["ip", "-n", host.name, "xfrm", "monitor", "all"]
            self.process = subprocess.Popen(argv, stdout=file)
        # Its socket is the only sign that it listens.
        deadline = time.monotonic() + 20
        while str(self.process.pid) not in host.run("cat", "/proc/net/netlink") and time.monotonic() < deadline:
            time.sleep(0.05)

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.process.kill()
        self.process.wait()

    def wait(self, count: int) -> list[str]:
        """Return the events once there are this many objects, or after 20 seconds."""
        deadline = time.monotonic() + 20
        while len(self.seen()) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.seen()

    def seen(self) -> list[str]:
        found = []
        for line in self.path.read_text().splitlines():
            if line.startswith(("src ", "Deleted src ")):
                found.append("state" if not line.split()[-1].count("/") and "/" not in line else "policy")
        return found
