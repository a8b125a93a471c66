# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""stun_info from the port of a WireGuard interface in use: wireguard-go holds the port, and its tunnel keeps working."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from managed_host import ModuleResult, run_module, wait_until
from nat import PUBLIC, PUBLIC6, SYMMETRIC, Internet, Node
from stun_server import stun_server
from test_stun_info import FIRST, SECOND, endpoint, found, run_stun_info
from wireguard_go import public_key, wireguard

MARK = 51820
# linux/capability.h, linux/prctl.h
_CAPABILITY_VERSION_3, _CAP_DAC_READ_SEARCH, _PR_SET_KEEPCAPS = 0x20080522, 2, 8
HUB = f"{PUBLIC}.31"


@contextmanager
def tunnel(host: Node, hub: Node, names: tuple[str, str], *settings: str) -> Iterator[None]:
    """A tunnel from 10.9.0.1 on the host to 10.9.0.254 on the hub, which answers by the time this returns."""
    mine, theirs = names
    peer = ("peer", public_key(theirs), "endpoint", f"{HUB}:51820", "allowed-ips", "10.9.0.0/24")
    with ExitStack() as stack:
        hub_settings = ("listen-port", "51820", "peer", public_key(mine), "allowed-ips", "10.9.0.1/32")
        stack.enter_context(wireguard(hub, theirs, *hub_settings, address="10.9.0.254/24"))
        stack.enter_context(wireguard(host, mine, *settings, *peer, address="10.9.0.1/24"))
        wait_until(
            lambda: " 0% packet loss" in host.run("ping", "-c", "1", "-W", "1", "10.9.0.254", check=False), "it works"
        )
        yield


@contextmanager
def capture(node: Node, path: Path) -> Iterator[None]:
    """Capture the packets of a node on interface wan and STUN ports to a file."""
    argv = ("tcpdump", "-i", "wan", "-U", "--immediate-mode", "-w", str(path), "udp", "portrange", "3478-3479")
    with node.start(*argv, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            assert any("listening on" in line for line in process.stderr)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()


def questions(path: Path) -> list[tuple[str, str, str]]:
    """Return source and destination of the captured requests, and tcpdump's verdict on their checksum."""
    shown = subprocess.run(["tcpdump", "-nvvr", str(path)], text=True, capture_output=True, check=True).stdout
    return re.findall(r"(\S+) > (\S+\.347[89]): \[([^\]]*)\]", shown)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("mapping", ["masquerade", SYMMETRIC])
def test_port_of_a_tunnel_in_use(
    internet: Internet, servers: Node, names: tuple[str, str], tmp_path: Path, mapping: str
) -> None:
    gateway = internet.gateway("gateway", 2, mapping)
    host = internet.behind(gateway, "host", 1)
    with (
        tunnel(host, servers, names, "listen-port", "51830"),
        stun_server(servers, FIRST, SECOND, mode="discovery") as seen,
        capture(gateway, tmp_path / "wan.pcap"),
        host.start("ping", "-i", "0.02", "-c", "250", "10.9.0.254", stdout=subprocess.PIPE) as ping,
    ):
        assert ping.stdout is not None
        wait_until(lambda: "icmp_seq" in str(ping.stdout.readline()), "the first answer")  # type: ignore[union-attr]
        result = run_stun_info(host, FIRST, interface=names[0])
        assert ping.poll() is None, "the ping ended before the questions did"
        shown = ping.communicate(timeout=60)[0]
    assert re.search(r"250 packets transmitted, 250 received", shown), shown

    described = result.data["ipv4"]
    assert endpoint(described["local"]) == ("192.168.1.2", 51830)
    assert endpoint(described["mapped"]) == seen[0].source
    nat = "endpoint_independent" if mapping == "masquerade" else "address_and_port_dependent"
    assert found(result) == (nat, "address_and_port_dependent", False)

    # Behind the gateway, the mapped address is the packet's source, and our checksum is right. The fresh port, whose
    # checksums are offloaded, sends to the first address only.
    in_capture = questions(tmp_path / "wan.pcap")
    assert in_capture[0] == (".".join(map(str, endpoint(described["mapped"]))), f"{FIRST}.3478", "udp sum ok")
    others = [checksum for _source, destination, checksum in in_capture if destination.startswith(SECOND)]
    assert set(others) == {"udp sum ok"}


def test_port_over_ipv6(internet: Internet, servers: Node, names: tuple[str, str], tmp_path: Path) -> None:
    host = internet.behind(internet.gateway("gateway", 2), "host", 1)
    first, second = f"{PUBLIC6}::1", f"{PUBLIC6}::11"
    with (
        tunnel(host, servers, names, "listen-port", "51830"),
        stun_server(servers, first, second, mode="discovery") as seen,
        capture(servers, tmp_path / "wan.pcap"),
    ):
        result = run_stun_info(host, first, interface=names[0], family="ipv6")
    assert found(result, "ipv6") == ("none", "address_and_port_dependent", False)
    assert endpoint(result.data["ipv6"]["mapped"]) == seen[0].source == ("2001:db8:1::2", 51830)
    ours = [checksum for source, _to, checksum in questions(tmp_path / "wan.pcap") if source.endswith(".51830")]
    assert set(ours) == {"udp sum ok"}


def test_raw_socket_receives_icmp_refusals(internet: Internet, servers: Node, names: tuple[str, str]) -> None:
    host = internet.behind(internet.gateway("gateway", 2), "host", 1)
    with tunnel(host, servers, names, "listen-port", "51830"):
        result = run_stun_info(host, FIRST, f"{PUBLIC6}::1", interface=names[0], family="both")
    assert [server["outcome"] for server in result.data["servers"]] == ["refused", "refused"]


def test_firewall_mark_of_the_interface_is_used(internet: Internet, servers: Node, names: tuple[str, str]) -> None:
    host = internet.behind(internet.gateway("gateway", 2), "host", 1)
    with (
        tunnel(host, servers, names, "listen-port", "51830", "fwmark", str(MARK)),
        stun_server(servers, FIRST, SECOND, mode="discovery"),
    ):
        host.ip("route add blackhole default table 100")
        host.ip(f"rule add priority 100 not fwmark {MARK} table 100")
        unmarked = run_stun_info(host, FIRST)
        marked = run_stun_info(host, FIRST, interface=names[0])
    assert unmarked.data["servers"][0]["outcome"] == "unreachable"
    assert found(marked) == ("endpoint_independent", "address_and_port_dependent", False)


def test_invalid_sources_are_refused(internet: Internet, servers: Node, names: tuple[str, str]) -> None:
    mine = names[0]
    missing = servers.module("stun_info", servers=[FIRST], interface=mine)
    assert f"this host has no WireGuard interface {mine}" in missing.failure
    with wireguard(servers, mine, address="10.9.0.1/24"):
        both = servers.module("stun_info", servers=[FIRST], interface=mine, port=1)
        unprivileged = servers.call(as_nobody, {"servers": [FIRST], "interface": mine})
    assert "mutually exclusive" in both.failure
    assert "run the task as root" in unprivileged.failure
    wrong = servers.module("stun_info", servers=["224.0.0.1", FIRST, f"{FIRST}:3478"], timeout=0)
    assert [error.partition(":")[0] for error in wrong.data["errors"]] == ["timeout", "servers[0]", "servers[2]"]


def as_nobody(arguments: dict[str, Any]) -> ModuleResult:
    """Run the module as another user, who may only read all files: the checkout may be in a home directory."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgid(65534)
    os.setuid(65534)
    reads = 1 << _CAP_DAC_READ_SEARCH
    if libc.capset(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), struct.pack("=6I", reads, reads, 0, 0, 0, 0)):
        raise OSError(ctypes.get_errno(), "capset")
    return run_module("stun_info", arguments, False)
