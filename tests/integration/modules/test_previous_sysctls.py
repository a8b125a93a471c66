# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel parameters return to their previous values when no interface needs them, unless others may rely on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from managed_host import ManagedHost, ModuleResult

PARAMETERS = (
    "ipv4/ip_forward",
    "ipv4/conf/all/send_redirects",
    "ipv4/conf/all/accept_redirects",
    "ipv4/conf/eth0/forwarding",
    "ipv4/conf/lo/forwarding",
    "ipv6/conf/all/forwarding",
    "ipv6/conf/lo/forwarding",
)
# A hardened host accepts no ICMP redirects. Packets from one interface are forwarded, for a reason of its own.
BEFORE = dict(zip(PARAMETERS, "0101001", strict=True))
FORWARDS = {"net.ipv4.ip_forward": 1, "net.ipv4.conf.all.send_redirects": 0}
BOTH = {**FORWARDS, "net.ipv6.conf.all.forwarding": 1}
FORWARD = "net/ipv4/ip_forward"


@pytest.fixture
def hardened(host: ManagedHost) -> Iterator[ManagedHost]:
    reset(host)
    yield host
    host.shell("ip link del lan0 2>/dev/null || :; rm -f /etc/sysctl.d/99-router.conf")
    reset(host)


def reset(host: ManagedHost) -> None:
    for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding", *PARAMETERS):
        host.shell(f"echo {BEFORE[name]} >/proc/sys/net/{name}")


def values(host: ManagedHost) -> dict[str, str]:
    return {name: host.shell(f"cat /proc/sys/net/{name}").strip() for name in PARAMETERS}


def run(host: ManagedHost, **interfaces: Any) -> ModuleResult:
    """Run overlay_apply with sysctls by interface, None for an absent one. Check mode predicts the diff and the summary."""
    listed = [
        {"name": name, "state": "absent"} if sysctls is None else {"name": name, "userspace": True, "sysctls": sysctls}
        for name, sysctls in interfaces.items()
    ]
    now = values(host)
    predicted = host.module("overlay_apply", check_mode=True, interfaces=listed)
    assert values(host) == now
    result = host.module("overlay_apply", interfaces=listed)
    assert (result.data["diff"], result.data["changes"]) == (predicted.data["diff"], predicted.data["changes"])
    assert not host.module("overlay_apply", interfaces=listed).changed
    return result


def test_values_return_with_the_last_interface_that_needs_them(hardened: ManagedHost) -> None:
    for name in ("wg0", "wg1"):
        hardened.make_key(name)
    run(hardened, wg0=BOTH)
    assert values(hardened) == dict(zip(PARAMETERS, "1001111", strict=True))
    run(hardened, wg1=FORWARDS)
    run(hardened, wg0=None)
    # IPv6 was needed by wg0 alone.
    assert values(hardened) == dict(zip(PARAMETERS, "1001101", strict=True))
    last = run(hardened, wg1=None)
    assert values(hardened) == BEFORE
    assert last.diff["before"]["sysctls"] == {FORWARD: "1", "net/ipv4/conf/all/send_redirects": "0"}
    assert last.diff["after"]["sysctls"] == {FORWARD: "0", "net/ipv4/conf/all/send_redirects": "1"}
    assert hardened.shell("ls -A /var/lib/wirewright.overlay 2>/dev/null || :") == ""


def test_values_return_when_the_reason_ends(hardened: ManagedHost) -> None:
    hardened.make_key("wg0")
    own = {**FORWARDS, "net/ipv4/conf/wg0/send_redirects": 0, "net/ipv4/conf/wg0/rp_filter": 2}
    default = hardened.shell("cat /proc/sys/net/ipv4/conf/default/rp_filter")
    run(hardened, wg0=own)
    ended = run(hardened, wg0={})
    assert values(hardened) == BEFORE
    assert hardened.shell("cat /proc/sys/net/ipv4/conf/wg0/rp_filter") == default
    updated = {(one["kind"], one["action"]): one["names"] for one in ended.data["changes"]}
    assert FORWARD in updated["sysctl", "update"]


@pytest.mark.parametrize("by", ["a second interface", "a file"])
def test_a_value_that_others_may_rely_on_stays_and_the_run_says_so(hardened: ManagedHost, by: str) -> None:
    hardened.make_key("wg0")
    run(hardened, wg0=FORWARDS)
    if by == "a file":
        hardened.write("/etc/sysctl.d/99-router.conf", "net.ipv4.ip_forward = 1\n")
        said = "net.ipv4.ip_forward stays 1, because /etc/sysctl.d/99-router.conf sets it"
    else:
        hardened.shell("ip link add lan0 type veth peer name lan1; ip link set lan0 up")
        said = "net.ipv4.ip_forward stays 1, because other packets may be forwarded between eth0, lan0"
    result = run(hardened, wg0=None)
    assert values(hardened)["ipv4/ip_forward"] == "1" and values(hardened)["ipv4/conf/all/send_redirects"] == "1"
    assert said in str(result.data["warnings"])
    assert hardened.shell("ls -A /var/lib/wirewright.overlay 2>/dev/null || :") == ""


def test_a_run_that_fails_leaves_no_trace(hardened: ManagedHost) -> None:
    for name in ("wg0", "wg1"):
        hardened.make_key(name)
    run(hardened, wg0=FORWARDS)
    now = values(hardened)
    record = hardened.shell("cat /var/lib/wirewright.overlay/sysctls/previous.json")
    gone = {"name": "wg0", "state": "absent"}
    wrong = {"name": "wg1", "userspace": True, "sysctls": {**BOTH, "net/ipv4/conf/none0/rp_filter": 2}}
    assert "rolled back" in hardened.module("overlay_apply", interfaces=[gone, wrong]).failure
    assert values(hardened) == now
    assert hardened.shell("cat /var/lib/wirewright.overlay/sysctls/previous.json") == record
    run(hardened, wg0=None)
    assert values(hardened) == BEFORE
    assert "rolled back" in hardened.module("overlay_apply", interfaces=[wrong]).failure
    assert values(hardened) == BEFORE, "with what the kernel changes with forwarding"
