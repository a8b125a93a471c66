# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tunnel between two hosts, a probe of it, and ping for comparison."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils._probe import run as probe_run
from managed_host import ManagedHost, ModuleResult, run_module

PORT = 51820
NUMBERS = {"h1": 1, "h2": 2}

CLEAR = """
nft delete table inet probe 2>/dev/null || :
echo "1 0" >/proc/sys/net/ipv4/ping_group_range
"""


def clear(host: ManagedHost) -> None:
    """Remove the firewall of a test and disable ping sockets, as in a new namespace."""
    host.shell(CLEAR)


def drop(host: ManagedHost, chain: str, *rules: str) -> None:
    """Drop packets that match these nftables rules on a host, in the hook input, output or forward."""
    lines = "; ".join([f"type filter hook {chain} priority 0", *(f"{rule} drop" for rule in rules)])
    text = f"table inet probe {{ chain {chain} {{ {lines}; }}; }}\n"
    host.shell("nft -f -", input=text)


def public_key(host: ManagedHost, interface: str = "wg0") -> str:
    """Return the public key of the host's key file."""
    return host.shell(f"wg pubkey </etc/wireguard/{interface}.key").strip()


def create_key(host: ManagedHost) -> str:
    """Create a private key on the host and return the public one."""
    host.make_key()
    return public_key(host)


def create_tunnel(host: ManagedHost, peers: list[dict[str, Any]], **options: Any) -> None:
    """Create wg0 on a host, with overlay addresses by its number."""
    number = NUMBERS[host.name]
    addresses = [f"10.42.0.{number}/24", f"fd42::{number}/64"]
    wanted = {"userspace": True, "listen_port": PORT, "addresses": addresses, "mtu": 1420, **options}
    assert host.apply(peers=peers, **wanted).changed


def entry(peer: ManagedHost, **options: Any) -> dict[str, Any]:
    """Return the entry of a peer: name, endpoint on the lab's network, /32 and /128."""
    number = NUMBERS[peer.name]
    return {
        "name": peer.name,
        "public_key": public_key(peer),
        "endpoint": f"192.0.2.{10 + number}:{PORT}",
        "allowed_ips": [f"10.42.0.{number}/32", f"fd42::{number}/128"],
        **options,
    }


def join(left: ManagedHost, right: ManagedHost, **options: Any) -> None:
    """Create a working tunnel between two hosts."""
    for host in (left, right):
        create_key(host)
    create_tunnel(left, [entry(right)], **options)
    create_tunnel(right, [entry(left)], **options)


def probe(host: ManagedHost, **options: Any) -> ModuleResult:
    """Run the module on a host."""
    return host.module("probe_info", **{"interface": "wg0", **options})


def probe_later(host: ManagedHost, seconds: float, **options: Any) -> ModuleResult:
    """Run the module on a host whose clock is ahead of the device's by some seconds."""
    return host.call(_run_later, seconds, {"interface": "wg0", **options})


def _run_later(seconds: float, options: Mapping[str, Any]) -> ModuleResult:
    defaults: tuple[Callable[[], float], ...] = probe_run.probe.__defaults__  # type: ignore[assignment]
    (clock,) = defaults
    probe_run.probe.__defaults__ = (lambda: clock() + seconds,)
    return run_module("probe_info", options, False)


def only_peer(result: ModuleResult) -> dict[str, Any]:
    """Return the result of the only peer."""
    assert result.rc == 0, result.output
    (peer,) = result.data["peers"]
    return dict(peer)


def ping(host: ManagedHost, address: str, size: int, seconds: int = 1) -> float | None:
    """Return the least round-trip time of ping (milliseconds) with packets of a size and DF set."""
    payload = size - (48 if ":" in address else 28)
    argv = ["ping", "-n", "-c", "3", "-i", "0.1", "-w", str(seconds), "-M", "do", "-s", str(payload), address]
    times = re.findall(r"time=([\d.]+) ms", host.run(*argv, check=False))
    return min(map(float, times), default=None)
