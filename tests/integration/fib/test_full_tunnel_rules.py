# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of a full tunnel select packets by source in both families, as route lookups of the kernel show."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.full_tunnel import rules_and_routes
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import (
    FleetPlan,
    FullTunnel,
    HostPlan,
    Hub,
)
from fib_host import TABLE, ip
from managed_host import ManagedHost

# va is the tunnel, vc the underlay.
ADDRESSES = ("198.51.100.1/24", "2001:db8:2::1/64")
FAR = {4: "192.88.99.9", 6: "2001:db8:f::9"}
UNDERLAY = {4: "203.0.113.1", 6: "2001:db8:3::1"}
MARK = 0x1C02


@pytest.fixture
def spoke(router: ManagedHost) -> Iterator[ManagedHost]:
    """A host with default routes through vc, and a full tunnel through va."""
    hub = HostPlan(None, hub=Hub("va", 100))
    tunnel = FullTunnel(TABLE, 90, MARK, {"hub": ("ipv4", "ipv6")})
    host = HostPlan(None, addresses=tuple(parse_address(text) for text in ADDRESSES))
    document = rules_and_routes(FleetPlan("va", {"hub": hub, "spoke": host}), host, tunnel)
    ip(router, "-4 route add default via 203.0.113.9 dev vc proto 99")
    ip(router, "-6 route add default via 2001:db8:3::9 dev vc proto 99")
    assert router.module("overlay_apply", **document).changed
    assert not router.module("overlay_apply", **document).changed
    yield router
    gone = rules_and_routes(FleetPlan("va", {"hub": hub}), host, FullTunnel(TABLE, 90))
    assert router.module("overlay_apply", **gone).changed
    for version in (4, 6):
        assert leaves_by(router, version, FAR[version]) == "vc"
        ip(router, f"-{version} route flush proto 99")


def leaves_by(host: ManagedHost, version: int, words: str) -> str:
    return str(json.loads(ip(host, f"-j -{version} route get {words}"))[0]["dev"])


@pytest.mark.parametrize("version", [4, 6])
def test_the_source_address_selects_the_tunnel(spoke: ManagedHost, version: int) -> None:
    far, underlay = FAR[version], UNDERLAY[version]
    overlay = ADDRESSES[version == 6].partition("/")[0]
    assert leaves_by(spoke, version, far) == "va", "no source yet"
    assert leaves_by(spoke, version, f"{far} from {overlay}") == "va"
    assert leaves_by(spoke, version, f"{far} from {underlay}") == "vc", "a reply, or a socket bound to the underlay"
    assert leaves_by(spoke, version, f"{far} mark {MARK}") == "vc", "WireGuard's own packets"
    assert leaves_by(spoke, version, f"{far} oif vc") == "vc"
    on_link = {4: "203.0.113.77", 6: "2001:db8:3::77"}[version]
    assert leaves_by(spoke, version, on_link) == "vc", "a more specific route of the main table"
    # A new address of the underlay needs no new rule.
    ip(spoke, f"-{version} addr add {({4: '203.0.113.200/24', 6: '2001:db8:3::200/64 nodad'})[version]} dev vc")
    assert leaves_by(spoke, version, f"{far} from {({4: '203.0.113.200', 6: '2001:db8:3::200'})[version]}") == "vc"


@pytest.mark.parametrize("version", [4, 6])
def test_a_socket_gets_the_address_of_the_tunnel_unless_it_is_bound(spoke: ManagedHost, version: int) -> None:
    assert spoke.call(chosen, version, "") == ADDRESSES[version == 6].partition("/")[0]
    assert spoke.call(chosen, version, UNDERLAY[version]) == UNDERLAY[version]


def chosen(version: int, bound: str) -> str:
    """Return the source address of a socket connected to a remote address."""
    with socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        if bound:
            sender.bind((bound, 0))
        sender.connect((FAR[version], 9))
        return str(sender.getsockname()[0])
