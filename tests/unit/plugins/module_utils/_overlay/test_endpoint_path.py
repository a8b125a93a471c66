# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new route that contains the endpoint of a peer is refused, before any change."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import Refused
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation
from ansible_collections.wirewright.overlay.plugins.module_utils._fib.link_routes import Route, route
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import WantedInterface, WantedPeer
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.plan import Current, Plan
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.prepare import PreparedInterface
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import route as codec
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.messages import NetlinkError
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.endpoint_path import refuse_captured_endpoints
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import parse_endpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import Device, Peer, Settings

KEY = bytes(31) + b"\1"


class _Fib:
    """Answers each lookup with the route to a network, or an error."""

    def __init__(self, network: str = "0.0.0.0/0") -> None:
        self.network = network

    def request(self, _kind: int, _payload: bytes) -> list[bytes]:
        if not self.network:
            raise NetlinkError(errno.ENETUNREACH)
        return [codec.encode_route(parse_prefix(self.network), 254, 2, 0, 2)]


def prepared(
    endpoint: str = "", new: str = "", *routes: Operation[Route], fwmark: int | None = None, **more: Any
) -> PreparedInterface:
    """Return an interface with a peer, which roamed to an endpoint, or gets a new one."""
    there = Peer(KEY, None, parse_endpoint(endpoint) if endpoint else None, None, frozenset())
    peers = (Operation(there, Peer(KEY, None, parse_endpoint(new), None, frozenset())),) if new else ()
    device = Device("wg0", Settings(bytes(32), 51820, more.pop("mark", 0)), bytes(32), (there,))
    wanted = WantedInterface("wg0", peers=(WantedPeer(there, name="s2"),), fwmark=fwmark, **more)
    return PreparedInterface(wanted, Plan("wg0", peers=peers, routes=routes, device_before=device), Current())


NEW = Operation(None, route(parse_prefix("10.50.0.0/16"), "wg0"))
LONGER = Operation(None, route(parse_prefix("10.50.2.0/24"), "wg0"))
INSIDE = "10.50.2.7:40000"


@pytest.mark.parametrize("network", ["0.0.0.0/0", "10.0.0.0/8", ""])
@pytest.mark.parametrize("where", [(INSIDE, ""), ("203.0.113.1:51820", INSIDE)])
def test_an_endpoint_inside_a_new_route(where: tuple[str, str], network: str) -> None:
    with pytest.raises(Refused, match=r"10\.50\.2\.7:40000, the endpoint of s2 on wg0, is inside 10\.50\.2\.0/24"):
        refuse_captured_endpoints(_Fib(network), [prepared(*where, NEW, LONGER)])  # type: ignore[arg-type]


def test_an_endpoint_of_another_interface() -> None:
    other = PreparedInterface(WantedInterface("wg1"), Plan("wg1", routes=(NEW,)), Current())
    with pytest.raises(Refused, match="which would be routed into wg1"):
        refuse_captured_endpoints(_Fib(), [prepared(INSIDE), other])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given",
    [
        prepared(INSIDE, "203.0.113.1:51820", NEW),
        prepared("10.51.0.1:51820", "", NEW),
        prepared("[fd50::1]:51820", "", NEW),
        prepared("hub.example.org:51820", "", NEW),
        prepared("", "", NEW),
        prepared(INSIDE, "", Operation(NEW.after, None)),
        prepared(INSIDE, "", NEW, fwmark=7),
        prepared(INSIDE, "", NEW, mark=7),
        prepared(INSIDE, "", NEW, present=False),
        prepared(INSIDE),
    ],
)
def test_other_endpoints_and_routes(given: PreparedInterface) -> None:
    refuse_captured_endpoints(_Fib(), [given])  # type: ignore[arg-type]


def test_an_endpoint_in_a_network_of_the_host() -> None:
    refuse_captured_endpoints(_Fib("10.50.2.0/24"), [prepared(INSIDE, "", NEW)])  # type: ignore[arg-type]
