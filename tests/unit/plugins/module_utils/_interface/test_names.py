# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address of a name that a peer gets: chosen among all, kept if it is one of them, and never inside the tunnel."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.option_names import spoken
from ansible_collections.wirewright.overlay.plugins.module_utils._interface import names
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.names import Resolved, decide, tunnelled
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import WantedPeer, parse_document
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.plan import Current, names_to_resolve
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.connection import Connection
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.route_obstacle import NO_ROUTE
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint, parse_endpoint
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.option_variables import (
    option_variables,
)

from ..samples import key, key_text
from .predicted import again, converged, mesh, roamed, wanted_peer

NAME = "vpn.example.org:51820"
FOUR, SIX, OTHER = "192.0.2.1", "2001:db8::1", "192.0.2.2"


def named(family: str = "") -> WantedPeer:
    return replace(wanted_peer(1, NAME), endpoint_family=family)


def decided(current: Current, item: WantedPeer, *answers: str, barred: str = "") -> tuple[Resolved, list[str]]:
    def refusal(address: str) -> str:
        return "inside the tunnel" if address == barred else ""

    found: Mapping[str, Sequence[str]] = {"vpn.example.org": answers}
    return decide(current, "wg0", [item], found, refusal)


def endpoint(text: str) -> Resolved:
    return {key(1): parse_endpoint(text)}


@pytest.mark.parametrize(
    ("family", "answers", "chosen"),
    [
        ("ipv4", (SIX, FOUR), "192.0.2.1:51820"),
        ("ipv6", (FOUR, SIX), "[2001:db8::1]:51820"),
        ("", (SIX, FOUR), "[2001:db8::1]:51820"),
        ("", ("0.0.0.0", "127.0.0.1", FOUR), "192.0.2.1:51820"),  # noqa: S104   nothing is bound
    ],
)
def test_the_first_usable_address_is_set(family: str, answers: tuple[str, ...], chosen: str) -> None:
    assert decided(Current(), named(family), *answers) == (endpoint(chosen), [])


def test_a_name_without_usable_address_is_a_warning_that_says_why() -> None:
    resolved, (warning,) = decided(Current(), named("ipv4"), "0.0.0.0", SIX, "10.42.0.1", barred="10.42.0.1")  # noqa: S104
    assert resolved == {key(1): None}
    assert warning == (
        "wg0: peer h1: vpn.example.org has no usable address (0.0.0.0: unspecified; 2001:db8::1: not IPv4; "
        "10.42.0.1: inside the tunnel); it has no endpoint until a later run; set O(endpoint) of this peer to an address "
        "that this host reaches"
    )


def test_an_address_that_the_host_cannot_reach_is_not_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of all peers have IPv6 addresses first, and the host has no IPv6."""
    found = {"vpn.example.org": [SIX, FOUR], "six.example.org": [SIX]}
    monkeypatch.setattr(names, "look_up", lambda _names, _timeout: found)
    monkeypatch.setattr(names, "is_own", lambda _address: False)
    monkeypatch.setattr(names, "output_interface", lambda *_: "eth0")
    asked = []

    def obstacle(_fib: object, family: int, address: bytes, mark: int) -> str:
        asked.append((family, address, mark))
        return NO_ROUTE if family == socket.AF_INET6 else ""

    monkeypatch.setattr(names, "route_obstacle", obstacle)
    wanted = replace(mesh(named(), wanted_peer(2, "six.example.org:51820")), fwmark=7)
    resolved, (warning,) = names.resolve(Connection.__new__(Connection), Current(), wanted, wanted.peers or ())
    assert resolved == {key(1): parse_endpoint("192.0.2.1:51820"), key(2): None}
    assert f"peer h2: six.example.org has no usable address ({SIX}: no route from this host); it has no" in warning
    assert asked[0] == (socket.AF_INET6, socket.inet_pton(socket.AF_INET6, SIX), 7), (
        "packets of the tunnel have its mark"
    )


def test_a_warning_about_a_name_says_which_variables_to_set() -> None:
    _resolved, (warning,) = decided(Current(), named("ipv4"), SIX)
    for role in ("mesh", "hub_spoke", "node_encryption"):
        text = spoken(warning, option_variables(f"{role}_"))
        assert f"set {role}_endpoint of this peer to an address" in text
    assert "set endpoint of this peer to an address" in spoken(warning, {})


def test_a_name_that_does_not_resolve_is_a_warning() -> None:
    _resolved, (warning,) = decided(Current(), replace(named(), name=""))
    assert warning == (
        f"wg0: peer {key_text(1)}: vpn.example.org does not resolve; it has no endpoint until a later run"
    )


def test_the_current_endpoint_stays_if_it_is_one_of_the_addresses() -> None:
    host = roamed(converged(mesh(wanted_peer(1, "192.0.2.9:1"))), Endpoint(OTHER, 51820))
    assert decided(host, named(), FOUR, OTHER) == (endpoint("192.0.2.2:51820"), [])
    assert decided(host, named(), SIX, FOUR) == (endpoint("192.0.2.1:51820"), []), "its family does"


def test_the_current_endpoint_stays_if_the_name_has_no_usable_address() -> None:
    host = converged(mesh(wanted_peer(1, "192.0.2.9:1")))
    resolved, (warning,) = decided(host, named(), "0.0.0.0")  # noqa: S104   nothing is bound
    assert "(0.0.0.0: unspecified); its endpoint stays 192.0.2.9:1; set O(endpoint)" in warning
    assert not again(host, mesh(named()), resolved=resolved).peers


def test_another_family_resolves_the_name_again() -> None:
    host = converged(mesh(named()), resolved=endpoint("[2001:db8::1]:51820"))
    assert not names_to_resolve(host, mesh(named()))
    restricted = mesh(named("ipv4"))
    assert names_to_resolve(host, restricted) == [named("ipv4")]
    then = converged(restricted, host, resolved=endpoint("192.0.2.1:51820"))
    assert not names_to_resolve(then, restricted) and not again(then, restricted)
    (known,) = then.recorded.peers.values()
    assert (known.endpoint_family, known.endpoint_address) == ("ipv4", "192.0.2.1")
    assert not again(roamed(then, Endpoint("198.51.100.1", 7)), restricted), "files do not follow a peer that roams"


def test_a_family_that_no_address_has_leaves_all_as_it_is() -> None:
    host = converged(mesh(named()), resolved=endpoint("[2001:db8::1]:51820"))
    made = again(host, mesh(named("ipv4")), resolved={key(1): None})
    assert not made.peers and names_to_resolve(
        converged(mesh(named("ipv4")), host, resolved={key(1): None}), mesh(named("ipv4"))
    )


def test_the_family_of_an_address_does_not_matter() -> None:
    peer = {"public_key": key_text(1), "endpoint": "192.0.2.1:1", "endpoint_family": "ipv6"}
    (wanted,) = parse_document([{"name": "wg0", "peers": [peer]}], {})
    assert wanted.peers and wanted.peers[0].endpoint_family == ""


def test_addresses_of_peers_routed_networks_and_own_networks_are_inside_the_tunnels() -> None:
    wanted = mesh(
        wanted_peer(1, NAME, "10.42.0.1/32", "10.77.0.0/16", "0.0.0.0/0"),
        replace(wanted_peer(2, "", "10.88.0.0/16"), routed=False),
    )
    inside = {str(prefix) for prefix in tunnelled(Current(), wanted)}
    assert inside == {"10.42.0.0/24", "10.42.0.1/32", "10.42.0.2/32", "10.77.0.0/16"}
    unrouted = replace(wanted, routes=False)
    assert {str(prefix) for prefix in tunnelled(Current(), unrouted)} == inside - {"10.77.0.0/16"}
    host = converged(mesh(addresses=(parse_address("10.9.0.1/16"),)))
    assert [str(prefix) for prefix in tunnelled(host, replace(mesh(), addresses=None))] == ["10.9.0.0/16"]
