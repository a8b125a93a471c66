# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that fails in the middle: the host is what it was, as `wg`, `ip`, `nft` and the files say, and the run says so."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from typing import Any

import pytest
from managed_host import ManagedHost, key
from witness import comparable, observe, secrets_of

ALL_BACK, NOTHING = "what was changed has been taken back", "nothing was changed"
CLEAN = """
for family in -4 -6; do
    for priority in 8880 8881 8882; do while ip $family rule del priority $priority 2>/dev/null; do :; done; done
    ip $family route flush table 8888 2>/dev/null || :
done
ip xfrm policy flush
nft flush ruleset
"""
ALPHA = {"public_key": key("alpha"), "allowed_ips": ["10.42.0.2/32", "10.77.0.0/16"], "endpoint": "192.0.2.2:51820"}
BETA = {"public_key": key("beta"), "allowed_ips": ["10.42.0.3/32"], "persistent_keepalive": 25}
GAMMA = {"public_key": key("gamma"), "allowed_ips": ["10.42.0.4/32"], "endpoint": "192.0.2.4:51820"}


def tunnel(destination: str, **more: Any) -> dict[str, Any]:
    return {
        "dir": "out",
        "src": "10.1.0.0/16",
        "dst": destination,
        "templates": [{"src": "192.0.2.1", "dst": "192.0.2.2"}],
        **more,
    }


def document(**sections: Any) -> dict[str, Any]:
    ours = {"priorities": "8880-8889", "tables": ["8888"], "purge": True}
    return {
        "interfaces": [{"userspace": True, **one} for one in sections["interfaces"]],
        "preshared_keys": {"wg0": sections["preshared_keys"]},
        "nftables": sections["nftables"],
        "temporary_sysctls": sections["temporary_sysctls"],
        "ip_routes": [{"table": "8888", "purge": True, "routes": sections["routes"]}],
        "ip_rules": {**ours, "rules": sections["rules"]},
        "xfrm_policies": {"purge": True, "policies": sections["policies"]},
    }


FIRST = document(
    interfaces=[
        {
            "name": "wg0",
            "addresses": ["10.42.0.1/24", "fd42::1/64"],
            "mtu": 1400,
            "fwmark": 0x42,
            "listen_port": 51820,
            "purge": True,
            "peers": [ALPHA, BETA],
            "persistence": "wg_quick",
            "sysctls": {"net.ipv4.ip_forward": "1"},
        },
        {"name": "wg2", "addresses": ["10.44.0.1/24"], "peers": [GAMMA], "persistence": "networkd"},
    ],
    preshared_keys={ALPHA["public_key"]: key("one"), BETA["public_key"]: key("two")},
    nftables={"wg0": {"forward": [{"iif": "wg0", "oif": "wg0"}], "clamp_mss": True}},
    temporary_sysctls={"net.ipv4.conf.eth0.rp_filter": "2"},
    routes=[
        {"destination": "default", "dev": "wg0"},
        {"destination": "10.8.0.0/16", "dev": "wg2"},
        {"destination": "10.9.0.0/16", "type": "throw"},
    ],
    rules=[
        {"priority": 8880, "table": "main", "suppress_prefixlength": 0},
        {"priority": 8881, "fwmark": "0x100/0x100", "table": "8888", "family": "both"},
    ],
    policies=[tunnel("10.2.0.0/16"), tunnel("10.3.0.0/16")],
)
THEN = document(
    interfaces=[
        {
            "name": "wg0",
            "addresses": ["10.42.0.9/24", "fd42::1/64", "10.43.0.1/24"],
            "mtu": 1300,
            "fwmark": 0x43,
            "listen_port": 51821,
            "purge": True,
            "peers": [{**ALPHA, "allowed_ips": ["10.42.0.2/32", "10.78.0.0/16"], "endpoint": "192.0.2.7:7"}, GAMMA],
            "persistence": "networkd",
            "sysctls": {"net.ipv4.ip_forward": "0"},
        },
        {"name": "wg1", "addresses": ["10.45.0.1/24"], "persistence": "wg_quick"},
        {"name": "wg2", "state": "absent", "remove_private_key": True},
    ],
    preshared_keys={ALPHA["public_key"]: key("three"), GAMMA["public_key"]: key("four")},
    nftables={
        "wg0": {"isolate": True, "clamp_mss": True},
        "wg1": {"masquerade": [{"source": "10.45.0.0/24"}], "mark_arp": {"mark": "7", "saddr": ["192.0.2.2"]}},
    },
    temporary_sysctls={},
    routes=[{"destination": "default", "dev": "wg1"}, {"destination": "10.10.0.0/16", "type": "throw"}],
    rules=[
        {"priority": 8881, "fwmark": "0x200/0x200", "table": "8888"},
        {"priority": 8882, "fwmark": "0x100/0x100", "table": "8888", "family": "both"},
    ],
    policies=[tunnel("10.2.0.0/16", priority=7), tunnel("10.4.0.0/16")],
)


@pytest.fixture
def ready(host: ManagedHost) -> Iterator[ManagedHost]:
    host.shell(CLEAN)
    for name in ("wg0", "wg1", "wg2"):
        host.make_key(name)
    yield host
    host.shell(CLEAN)


def steps_of(when: Callable[[Callable[[], Any], Sequence[object]], Any]) -> None:
    """Have every request that changes the host pass through a function, with its words, in this process."""
    from ansible_collections.wirewright.overlay.plugins.module_utils.host import files, rtnetlink, sysctls
    from ansible_collections.wirewright.overlay.plugins.module_utils.netlink.connection import Connection
    from ansible_collections.wirewright.overlay.plugins.module_utils.nftables import converge as nftables
    from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.kernel import Kernel
    from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.userspace import Userspace

    def counted(owner: Any, name: str, changes: Callable[..., bool] = lambda *_: True) -> None:
        real = getattr(owner, name)

        @wraps(real)
        def call(*args: Any, **kwargs: Any) -> Any:
            return when(lambda: real(*args, **kwargs), args) if changes(*args) else real(*args, **kwargs)

        setattr(owner, name, call)

    class Socket:
        def __init__(self, ipr: Any) -> None:
            self.ipr = ipr

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            self.ipr.close()

        def link(self, *args: Any, **kwargs: Any) -> Any:
            return when(lambda: list(self.ipr.link(*args, **kwargs)), args)

        def addr(self, *args: Any, **kwargs: Any) -> Any:
            return when(lambda: list(self.ipr.addr(*args, **kwargs)), args)

    real_socket = rtnetlink.open_socket
    rtnetlink.open_socket = lambda: Socket(real_socket())  # type: ignore[assignment]
    # Of rtnetlink's messages, two in four are no questions (linux/rtnetlink.h).
    counted(Connection, "request", lambda self, kind, *_: self._family == 0 and kind % 4 < 2)
    for owner, names in {
        Connection: ("batch", "one_datagram"),
        Kernel: ("write",),
        Userspace: ("write",),
        files: ("write", "delete"),
    }.items():
        for name in names:
            counted(owner, name)
    counted(sysctls, "write", lambda path, _value: "promote_secondaries" not in path)  # that is put back at once
    counted(nftables, "_nft", lambda *args: "-f" in args)


def fail_at(step: int, options: Mapping[str, Any], *, ended: int = 0, then: str = "") -> tuple[int, str]:
    """Run overlay_apply, and have one change fail: odd ones when they are done, even ones before. Returns how many
    changes were tried, and what is said.

    ended: the signal that the process gets instead. then: a program or a path that fails from then on, too.
    """
    from managed_host import run_module

    tried = 0

    def when(change: Callable[[], Any], words: Sequence[object]) -> Any:
        nonlocal tried
        tried += 1
        if tried == step:
            if step % 2:
                with suppress(Exception):  # such as of a kernel that has no such interface
                    change()
            if not ended:
                raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
            os.kill(os.getpid(), ended)
        if tried > step and then and then in str(words):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return change()

    steps_of(when)
    if ended:
        signal.signal(ended, signal.SIG_DFL)  # below nohup(1) it would be ignored
    result = run_module("overlay_apply", options, False)
    return tried, result.output if result.rc or tried >= step else ""


def all_of(host: ManagedHost) -> dict[str, Any]:
    """Return what the host holds; which policy was made last, and which index wireguard-go got, is not what is meant."""
    more = "cat /run/wirewright.overlay/temporary_sysctls.json /proc/sys/net/ipv4/conf/eth0/rp_filter 2>&1 || :"
    seen = {**comparable(observe(host)), "temporary": host.shell(more)}
    return {**seen, "xfrm": sorted(seen["xfrm"])}


def test_whatever_fails_the_host_is_what_it_was(ready: ManagedHost) -> None:
    """Every change of a run that touches all kinds fails once; then the run succeeds from where it began."""
    assert ready.module("overlay_apply", **FIRST).changed
    before, secrets = all_of(ready), secrets_of(ready)
    step = 0
    while True:
        step += 1
        _tried, said = ready.call(fail_at, step, THEN)
        if not said:
            break
        found = all_of(ready)
        for part, was in before.items():
            assert found[part] == was, (step, part, said)
        assert "No buffer space available" in said and (ALL_BACK in said or NOTHING in said), (step, said)
        assert "left to do" not in said and not [secret for secret in secrets if secret in said]
    assert step > 40
    assert all_of(ready) != before
    assert not ready.module("overlay_apply", **THEN).changed


NOWHERE = [
    {"table": "8888", "purge": True, "routes": [{"destination": "10.66.0.0/16", "via": "203.0.113.77", "dev": "eth0"}]}
]
# What the kernel or the disk refuses by itself, behind what it has taken; what has to be prepared, and what is said.
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a gateway that nothing leads to": ("", {**THEN, "ip_routes": NOWHERE}, "10.66.0.0/16 via 203.0.113.77"),
    "an IPv6 address where IPv6 is off": (
        "sysctl -qw net.ipv6.conf.default.disable_ipv6=1",
        {**THEN, "interfaces": [*THEN["interfaces"], {"name": "wg3", "userspace": True, "addresses": ["fd43::1/64"]}]},
        "denied",
    ),
    "a disk that is full": (
        "mkdir -p /etc/wirewright.overlay; mount -t tmpfs -o size=4k,nr_inodes=4 none /etc/wirewright.overlay; "
        "mkdir /etc/wirewright.overlay/fib",
        THEN,
        "No space left on device",
    ),
}
UNDO = "sysctl -qw net.ipv6.conf.default.disable_ipv6=0; ! mountpoint -q {0} || umount {0}".format(
    "/etc/wirewright.overlay"
)


@pytest.mark.parametrize("refused", REFUSED)
def test_what_is_refused_in_the_middle_leaves_nothing_of_the_run(ready: ManagedHost, refused: str) -> None:
    prepare, options, said = REFUSED[refused]
    ready.make_key("wg3")
    assert ready.module("overlay_apply", **FIRST).changed
    try:
        ready.shell(prepare)
        before = all_of(ready)
        failed = ready.module("overlay_apply", **options).failure
        assert all_of(ready) == before, failed
    finally:
        ready.shell(UNDO)
    assert said in failed and failed.endswith(ALL_BACK), failed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_run_that_is_ended_takes_back_what_it_changed(ready: ManagedHost, number: signal.Signals) -> None:
    """As by a stop of the host, or by the end of a terminal when the connection is cut."""
    assert ready.module("overlay_apply", **FIRST).changed
    before = all_of(ready)
    _tried, said = ready.call(fail_at, 38, THEN, ended=number)
    assert f"the run was ended by {number.name}; {ALL_BACK}" in said
    assert all_of(ready) == before


def test_what_cannot_be_taken_back_is_named_and_all_else_is(ready: ManagedHost) -> None:
    assert ready.module("overlay_apply", **FIRST).changed
    before = all_of(ready)
    path = "/etc/wireguard/wg0.conf"
    _tried, said = ready.call(fail_at, 38, THEN, then=path)
    assert f"{ALL_BACK}, and this is left to do: wg0: put back {path}" in said and said.count("; ") == 1, said
    after = all_of(ready)
    assert {part for part in before if before[part] != after[part]} == {"files", "hashes"}
    assert [line.split()[0] for line in before["files"] if line not in after["files"]] == [path]
    assert set(after["files"]) < set(before["files"])


def test_a_run_that_could_not_begin_says_so(ready: ManagedHost) -> None:
    assert ready.module("overlay_apply", **FIRST).changed
    before = all_of(ready)
    said = ready.module("overlay_apply", ip_routes=NOWHERE).failure
    assert NOTHING in said and ALL_BACK not in said and all_of(ready) == before
