# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh of lab hosts, checked with wg, ip, ping and tcpdump."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_hosts import Lab, Play

NETWORK = ["10.42.0.0/24", "fd42:42::/64"]


@dataclass(frozen=True)
class PeerState:
    """One peer as `wg show IF dump` prints it; see wg(8)."""

    preshared_key: str
    endpoint: str
    allowed_ips: frozenset[str]
    latest_handshake: int
    rx_bytes: int
    tx_bytes: int
    persistent_keepalive: str

    def configuration(self) -> tuple[str, str, frozenset[str], str]:
        """The configured fields, without the counters."""
        return (self.preshared_key, self.endpoint, self.allowed_ips, self.persistent_keepalive)


def peers(lab: Lab, host: str, interface: str = "wg0") -> dict[str, PeerState]:
    """Return the peers of a host by public key."""
    lines = lab.run(host, ["wg", "show", interface, "dump"]).stdout.splitlines()[1:]
    found = {}
    for line in lines:
        key, psk, endpoint, allowed, handshake, rx, tx, keepalive = line.split("\t")
        ips = frozenset() if allowed == "(none)" else frozenset(allowed.split(","))
        found[key] = PeerState(psk, endpoint, ips, int(handshake), int(rx), int(tx), keepalive)
    return found


def configurations(lab: Lab) -> dict[str, dict[str, tuple[object, ...]]]:
    """Return the configuration of all peers, by host."""
    return {host: {key: peer.configuration() for key, peer in peers(lab, host).items()} for host in lab.hosts}


def public_key(lab: Lab, host: str, interface: str = "wg0") -> str:
    """Return the public key of a host's interface."""
    return lab.run(host, ["wg", "show", interface, "public-key"]).stdout.strip()


def addresses(lab: Lab, host: str, interface: str = "wg0") -> list[str]:
    """Return the overlay addresses of a host, without prefix lengths."""
    entries = json.loads(lab.run(host, ["ip", "-json", "address", "show", "dev", interface]).stdout)
    return [info["local"] for info in entries[0]["addr_info"] if info["scope"] == "global"]


def exists(lab: Lab, host: str, interface: str = "wg0") -> bool:
    """Return whether a host has an interface."""
    return lab.run(host, ["ip", "link", "show", "dev", interface], check=False).returncode == 0


def assert_full_mesh(lab: Lab, interface: str = "wg0") -> None:
    """Every host reaches every address of every other, and has completed a handshake."""
    names = list(lab.hosts)
    targets = {name: addresses(lab, name, interface) for name in names}
    pairs = [(a, address) for a in names for b in names if a != b for address in targets[b]]
    # One direction first: initiations that cross each other are only tried again after five seconds.
    ways = sorted(pairs, key=lambda pair: pair[0])
    forward = [pair for pair in ways if pair[1] in {a for b in names if b > pair[0] for a in targets[b]}]
    backward = [pair for pair in ways if pair not in forward]
    answers = []
    for batch in (forward, backward):
        with ThreadPoolExecutor(8) as pool:
            answers += list(pool.map(lambda pair: (pair, ping(lab, *pair)), batch))
    silent = [pair for pair, answered in answers if not answered]
    assert not silent, f"no answer: {silent}"
    for name in names:
        state = peers(lab, name, interface)
        assert len(state) == len(names) - 1
        assert all(peer.latest_handshake for peer in state.values())


def ping(lab: Lab, host: str, address: str, *options: str) -> bool:
    """Return whether an address answers a host, within a deadline.

    If both ends start a handshake at once, wireguard-go may take up to 20 seconds until packets pass in both directions.
    """
    argv = ["ping", "-n", "-c", "1", "-w", "60", *options, address]
    return lab.run(host, argv, check=False).returncode == 0


@contextlib.contextmanager
def mesh(*names: str, per_host: Any = None, converge: bool = True, **variables: Any) -> Iterator[Lab]:
    """A lab of these hosts, joined to a mesh."""
    with Lab() as lab:
        lab.up(names)
        lab.inventory(per_host, mesh_network=NETWORK, **variables)
        if converge:
            assert_ok(lab.playbook("site.yml"))
        yield lab


def assert_ok(play: Play) -> Play:
    """The run reached every host without a failure."""
    assert play.rc == 0, play
    return play


def failure(play: Play) -> str:
    """Return the messages of the failed tasks, with all problems of a plan; the run must have failed."""
    assert play.rc != 0, play
    failed = [event["result"] for event in play.events if event["event"] == "failed"]
    return "\n".join(
        str(text)
        for result in failed
        for text in (result.get("msg", ""), *result.get("problems", ()), *result.get("errors", ()))
    )


class Capture:
    """The packets on a lab's underlay bridge, recorded by tcpdump."""

    def __init__(self, lab: Lab, path: Path) -> None:
        self._lab, self._path = lab, path

    def __enter__(self) -> Capture:
        net = f"ww-{self._lab.name}-net"
        argv = [
            "ip",
            "netns",
            "exec",
            net,
            "tcpdump",
            "-Z",
            "root",
            "--immediate-mode",
            "-U",
            "-n",
            "-s",
            "65535",
            "-B",
            "16384",
            "-i",
            "any",
            "-w",
            str(self._path),
        ]
        self._tcpdump = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
        for line in self._tcpdump.stderr or ():
            if "listening on" in line:
                break
        return self

    def __exit__(self, *_: object) -> None:
        # tcpdump discards packets it has not read when it ends.
        size, since, deadline = -1, time.monotonic(), time.monotonic() + 20
        while time.monotonic() < min(since + 1, deadline):
            if size != self._path.stat().st_size:
                size, since = self._path.stat().st_size, time.monotonic()
            time.sleep(0.1)
        self._tcpdump.terminate()
        self._tcpdump.communicate(timeout=20)

    def lines(self, expression: str = "") -> list[str]:
        """Return the recorded packets that match a pcap-filter(7) expression, as tcpdump prints them."""
        argv = ["tcpdump", "-n", "-r", str(self._path), *([expression] if expression else [])]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
