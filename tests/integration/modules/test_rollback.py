# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that fails is rolled back: the host has its previous state by `wg`, `ip`, `nft` and the files."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from itertools import count
from typing import Any

import pytest
from host_state import comparable, observe, secrets_of
from managed_host import ManagedHost, key

ROLLED_BACK, NOTHING = "rolled back", "nothing was changed"
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
            "addresses": ["10.42.0.9/24", "fd42::1/56", "10.43.0.1/24"],
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
    """Pass every request that changes the host through a function, with its arguments, in this process."""
    from ansible_collections.wirewright.overlay.plugins.module_utils._host import file_changes, rtnetlink, sysctls
    from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.connection import Connection
    from ansible_collections.wirewright.overlay.plugins.module_utils._nftables import stage as nftables
    from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.kernel import Kernel
    from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.userspace import Userspace

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
    # Of each four message types of rtnetlink, the first two (new, delete) change something (linux/rtnetlink.h).
    counted(Connection, "request", lambda self, kind, *_: self._family == 0 and kind % 4 < 2)
    for owner, names in {
        Connection: ("batch", "one_datagram"),
        Kernel: ("write",),
        Userspace: ("write",),
        file_changes: ("write", "delete"),
    }.items():
        for name in names:
            counted(owner, name)
    counted(sysctls, "write", lambda path, _value: "promote_secondaries" not in path)  # that is restored at once
    counted(nftables, "run_nft", lambda *args: "-f" in args)


def fail_at(step: int, options: Mapping[str, Any], *, ended: int = 0, then: str = "") -> tuple[int, str]:
    """Run overlay_apply, and let one change fail: an odd one after it is done, an even one before. Returns the number of
    changes tried, and the message.

    ended: the signal that the process gets instead. then: a program or path that fails from then on.
    """
    from managed_host import run_module

    tried = 0

    def when(change: Callable[[], Any], words: Sequence[object]) -> Any:
        nonlocal tried
        tried += 1
        if tried == step:
            if step % 2:
                with suppress(Exception):  # for example of a kernel without that interface
                    change()
            if not ended:
                raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
            os.kill(os.getpid(), ended)
        if tried > step and then and then in str(words):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return change()

    steps_of(when)
    if ended and ended != signal.SIGKILL:
        signal.signal(ended, signal.SIG_DFL)  # below nohup(1) it would be ignored
    result = run_module("overlay_apply", options, False)
    return tried, result.output if result.rc or tried >= step else ""


def all_of(host: ManagedHost) -> dict[str, Any]:
    """Return the state of the host, without the order of policies and the index of wireguard-go interfaces."""
    more = "cat /run/wirewright.overlay/temporary_sysctls.json /proc/sys/net/ipv4/conf/eth0/rp_filter 2>&1 || :"
    seen = {**comparable(observe(host)), "temporary": host.shell(more)}
    return {**seen, "xfrm": sorted(seen["xfrm"])}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("first", [1, 2, 3])
def test_failure_at_any_step_restores_the_host(ready: ManagedHost, first: int) -> None:
    """Each third change of a run with all kinds fails once; then the run succeeds from the initial state."""
    assert ready.module("overlay_apply", **FIRST).changed
    # What the kernel removes with an interface, whoever set it, comes back too.
    ready.run(
        "ip", "route", "add", "10.99.0.0/16", "dev", "wg2", "table", "77", "proto", "static", "mtu", "lock", "1300"
    )
    ready.run("ip", "addr", "add", "10.98.0.1/32", "dev", "wg2", "label", "wg2:more")
    ready.run("ip", "addr", "add", "fe80::1/64", "dev", "wg2")
    before, secrets = all_of(ready), secrets_of(ready)
    for step in count(first, 3):
        _tried, said = ready.call(fail_at, step, THEN)
        if not said:
            break
        found = all_of(ready)
        for part, was in before.items():
            assert found[part] == was, (step, part, said)
        assert "No buffer space available" in said and (ROLLED_BACK in said or NOTHING in said), (step, said)
        assert "could not restore" not in said and not [secret for secret in secrets if secret in said]
    assert step > 40
    assert all_of(ready) != before
    assert not ready.module("overlay_apply", **THEN).changed


NOWHERE = [
    {"table": "8888", "purge": True, "routes": [{"destination": "10.66.0.0/16", "via": "203.0.113.77", "dev": "eth0"}]}
]
# Requests that the kernel or the disk refuses after earlier ones succeeded: preparation, and message.
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
def test_kernel_refusal_rolls_back_the_run(ready: ManagedHost, refused: str) -> None:
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
    assert said in failed and failed.endswith(ROLLED_BACK), failed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_terminated_run_rolls_back(ready: ManagedHost, number: signal.Signals) -> None:
    """SIGTERM as on shutdown, SIGHUP as on a lost connection."""
    assert ready.module("overlay_apply", **FIRST).changed
    before = all_of(ready)
    _tried, said = ready.call(fail_at, 38, THEN, ended=number)
    assert f"the run was interrupted by {number.name}; {ROLLED_BACK}" in said
    assert all_of(ready) == before


def test_objects_that_cannot_be_restored_are_named(ready: ManagedHost) -> None:
    assert ready.module("overlay_apply", **FIRST).changed
    before = all_of(ready)
    path = "/etc/wireguard/wg0.conf"
    _tried, said = ready.call(fail_at, 38, THEN, then=path)
    assert f"{ROLLED_BACK}; could not restore: wg0: {path} (missing)" in said and said.count("; ") == 2, said
    after = all_of(ready)
    assert {part for part in before if before[part] != after[part]} == {"files", "hashes"}
    assert [line.split()[0] for line in before["files"] if line not in after["files"]] == [path]
    assert set(after["files"]) < set(before["files"])


def test_a_failure_before_the_first_change_is_reported_as_such(ready: ManagedHost) -> None:
    assert ready.module("overlay_apply", **FIRST).changed
    before = all_of(ready)
    said = ready.module("overlay_apply", ip_routes=NOWHERE).failure
    assert NOTHING in said and ROLLED_BACK not in said and all_of(ready) == before


def test_a_first_run_with_ipsec_that_the_kernel_refuses_leaves_no_file(host: ManagedHost) -> None:
    """An algorithm that no kernel has. A key that no state has sent with is not recorded as used."""
    state = {
        "src": "192.0.2.1",
        "dst": "192.0.2.2",
        "spi": 0x1001,
        "key_survives_reboot": False,
        "aead": {"algorithm": "rfc4106(gcm(none))", "key_name": "one", "icv_bits": 128},
    }
    first = {
        "xfrm_states": {"states": [state]},
        "xfrm_keys": {"one": "0x" + "5a" * 20},
        "xfrm_boot": {"epoch": 1, "ahead": {"2": [{**state, "spi": 0x1002}]}, "index": 1, "nodes": {}, "slots": 4},
    }
    before = observe(host)
    for _attempt in range(2):
        failure = host.module("overlay_apply", **first).failure
        assert ROLLED_BACK in failure and "could not restore" not in failure
        assert comparable(observe(host)) == comparable(before)
    assert host.shell("find /etc/wirewright.overlay /var/lib/wirewright.overlay 2>/dev/null || :") == ""


def flush_and_fail(arguments: Mapping[str, Any]) -> str:
    """Run a document while another program flushes the packet filter, and then the kernel refuses a change."""
    import subprocess

    from ansible_collections.wirewright.overlay.plugins.module_utils._overlay import execute
    from managed_host import run_module

    def verify(_stages: object) -> None:
        subprocess.run(["nft", "flush", "ruleset"], check=True)
        raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))

    execute.verify = verify
    return str(run_module("overlay_apply", arguments, False).failure)


def test_chains_that_others_flushed_during_a_run_are_named(host: ManagedHost) -> None:
    host.make_key()
    wg0 = {"name": "wg0", "userspace": True, "addresses": ["10.42.0.1/24"]}
    assert host.module("overlay_apply", interfaces=[wg0], nftables={"wg0": {"clamp_mss": True}}).changed
    then = {"interfaces": [wg0], "nftables": {"wg0": {"clamp_mss": True, "isolate": True}}}
    failure = host.call(flush_and_fail, then)
    assert f"{ROLLED_BACK}; could not restore: packet filter " in failure and "(missing)" in failure, failure
    assert host.module("overlay_apply", **then).changed, "a run restores all"


def test_what_an_interface_takes_with_it_comes_back(ready: ManagedHost) -> None:
    """Also a route of ours in a table that the run does not manage, and kernel parameters of the interface."""
    wg2 = {**FIRST["interfaces"][1], "addresses": ["10.44.0.1/24", "fd44::1/64"]}
    assert ready.module("overlay_apply", interfaces=[wg2]).changed
    ready.shell(
        "ip route add 10.97.0.0/16 dev wg2 table 78 proto 87; ip -6 route add fd97::/48 dev wg2 table 78 proto 87; "
        "sysctl -qw net.ipv4.conf.wg2.rp_filter=2 net.ipv6.conf.wg2.accept_ra=0 "
        "net.ipv6.conf.default.disable_ipv6=1"
    )

    def seen() -> Any:
        parameters = "grep -s . /proc/sys/net/ipv[46]/conf/wg2/* | grep -v stable_secret || :"
        return {**all_of(ready), "parameters": ready.shell(parameters)}

    before = seen()
    step = 0
    try:
        while True:
            step += 1
            _tried, said = ready.call(fail_at, step, {"interfaces": [{"name": "wg2", "state": "absent"}]})
            if not said:
                break
            found = seen()
            for part, was in before.items():
                assert found[part] == was, (step, part, said)
            assert "could not restore" not in said, said
    finally:
        ready.shell(UNDO)
    assert step > 4 and "10.97" not in ready.shell("ip route show table all")
