# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Direct connections between hosts behind NAT: WireGuard with the endpoints of stun_info."""

from __future__ import annotations

from typing import Any

import pytest
from managed_host import wait_until
from nat import ENDPOINT_INDEPENDENT, SYMMETRIC, Internet, Node
from stun_server import stun_server
from test_stun_info import FIRST, SECOND, run_stun_info
from wireguard_go import public_key, wireguard

INITIATION_BYTES = 148  # the first message of a handshake, repeated every 5 seconds
FORWARDED = "forwarded"
PORTS = (51831, 51832)


def behind(internet: Internet, number: int, kind: str) -> Node:
    """Create a host behind its own gateway; a forwarded port is that of the host's interface."""
    mapping = ENDPOINT_INDEPENDENT if kind == FORWARDED else kind
    gateway = internet.gateway(f"gateway{number}", number, mapping)
    host = internet.behind(gateway, f"host{number}", number)
    if kind == FORWARDED:
        gateway.nft(f'add rule ip nat incoming iifname "wan" udp dport {PORTS[number - 2]} dnat to 192.168.{number}.2')
    return host


def session(node: Node, name: str) -> tuple[bool, int]:
    """Return whether there was a handshake with the only peer, and the number of bytes sent to it."""
    (_key, _psk, _endpoint, _ips, handshake, _rx, tx, _keepalive) = (
        node.run("wg", "show", name, "dump").splitlines()[1].split("\t")
    )
    return int(handshake) > 0, int(tx)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("left", "right", "direct"),
    [
        (ENDPOINT_INDEPENDENT, ENDPOINT_INDEPENDENT, True),
        (ENDPOINT_INDEPENDENT, SYMMETRIC, False),
        (SYMMETRIC, SYMMETRIC, False),
        (FORWARDED, SYMMETRIC, True),
    ],
    ids=["both-independent", "one-symmetric", "both-symmetric", "symmetric-and-forwarded"],
)
def test_pairs_connect_as_in_the_table(
    internet: Internet, servers: Node, names: tuple[str, str], left: str, right: str, direct: bool
) -> None:
    hosts = [behind(internet, 2, left), behind(internet, 3, right)]
    with (
        wireguard(hosts[0], names[0], "listen-port", str(PORTS[0]), address="10.9.0.1/24"),
        wireguard(hosts[1], names[1], "listen-port", str(PORTS[1]), address="10.9.0.2/24"),
    ):
        with stun_server(servers, FIRST), stun_server(servers, SECOND):
            results: list[dict[str, Any]] = [
                run_stun_info(host, FIRST, SECOND, interface=name).data["ipv4"] for host, name in zip(hosts, names)
            ]
        kinds = ["dependent" if kind == SYMMETRIC else "endpoint_independent" for kind in (left, right)]
        assert [one["nat"] for one in results] == kinds
        for at, (host, name) in enumerate(zip(hosts, names)):
            remote = results[1 - at]["mapped"]
            peer = ("peer", public_key(names[1 - at]), "endpoint", f"{remote['address']}:{remote['port']}")
            host.run("wg", "set", name, *peer, "allowed-ips", f"10.9.0.{2 - at}/32", "persistent-keepalive", "1")

        def decided() -> bool:
            sessions = [session(host, name) for host, name in zip(hosts, names)]
            tried = all(sent >= 3 * INITIATION_BYTES for _done, sent in sessions)
            return all(done for done, _sent in sessions) or tried

        wait_until(decided, "both have a session, or have tried three times")
        assert [session(host, name)[0] for host, name in zip(hosts, names)] == [direct, direct]
        if direct:
            assert "1 received" in hosts[0].run("ping", "-c", "1", "-W", "5", "10.9.0.2")
