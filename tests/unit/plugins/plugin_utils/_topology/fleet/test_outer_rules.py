# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network with the outer address of a host: the packets of its tunnel would be routed into a tunnel."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.outer_rules import is_private
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from planned_fleet import host, key_of, planned, problems
from planned_hub_spoke import SECOND, device_key, hub, spoke
from planned_hub_spoke import problems as hub_spoke_problems
from planned_hub_spoke import warnings as hub_spoke_warnings


def having(given: HostInput, *routes: str) -> HostInput:
    """Return a host that reports these routes of its own."""
    assert given.fact is not None
    return given._replace(fact={**given.fact, "routes": "\n".join(routes)})


def seeing(given: HostInput, name: str, endpoint: str, age: int = 30, interface: str = "wg0") -> HostInput:
    """Return a hub that has a session with a spoke."""
    assert given.fact is not None
    devices = given.fact["interfaces"]
    sessions = f"{device_key(name, interface)}\t{endpoint}\t{age}"
    return given._replace(
        fact={**given.fact, "interfaces": {**devices, interface: {**devices[interface], "sessions": sessions}}}
    )


@pytest.mark.parametrize("address", ["10.9.8.7", "172.31.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "fe80::1"])
def test_private(address: str) -> None:
    assert is_private(parse_prefix(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1", "203.0.113.7"])
def test_public(address: str) -> None:
    assert not is_private(parse_prefix(address))


SITE: dict[str, Any] = {"networks": "198.51.100.0/28"}  # with the addresses of h1 to h14


def test_a_site_with_the_own_address_of_its_spoke() -> None:
    (found,) = hub_spoke_problems(hub("h1", ipv4="203.0.113.1"), spoke("h2", SITE), spoke("h30"))
    assert found == (
        "host 'h2': hub_spoke_networks: 198.51.100.0/28 contains the outer address 198.51.100.2 of 'h2', which it reports; 'h1' "
        "would route the packets of the tunnel to 'h2' into the tunnel itself; list longer networks, without this address"
    )


def test_a_site_with_the_address_of_another_spoke() -> None:
    (found,) = hub_spoke_problems(hub("h1", ipv4="203.0.113.1"), spoke("h20", SITE), spoke("h3"))
    assert "the outer address 198.51.100.3 of 'h3'" in found and "into the tunnel;" in found


def test_a_site_of_the_only_hub_is_not_in_a_tunnel_of_the_hub() -> None:
    lan = "198.51.100.0/28\teth1\t0\tconnected"
    site = {**SITE, "endpoint": "203.0.113.1"}
    spoke_there = having(spoke("h3", {"routes_except": "198.51.100.0/28"}), lan)
    assert hub_spoke_problems(having(hub("h1", site), lan), spoke_there) == ()
    (found,) = hub_spoke_problems(having(hub("h1", site), lan), hub("h40", SECOND), spoke_there)
    assert "'h40' would route the packets of the tunnel to 'h3'" in found


@pytest.mark.parametrize(
    "excepted",
    [
        {"routes_except": "198.51.100.0/24"},
        {"routes": False},
    ],
)
def test_a_hub_without_the_route(excepted: dict[str, Any]) -> None:
    assert hub_spoke_problems(hub("h1", excepted, ipv4="203.0.113.1"), spoke("h2", SITE)) == ()


def test_a_hub_that_has_a_longer_route_to_the_address() -> None:
    lan = "198.51.100.0/29\teth0\t0\tconnected"
    assert hub_spoke_problems(having(hub("h1", ipv4="203.0.113.1"), lan), spoke("h2", SITE)) == ()


PRIVATE: dict[str, Any] = {"networks": "192.168.2.0/24"}


def test_a_private_address_behind_nat() -> None:
    """The usual gateway with one interface: hubs see the address of its NAT."""
    fleet = [hub("h1"), spoke("h2", PRIVATE, ipv4="192.168.2.9")]
    assert hub_spoke_problems(*fleet) == ()
    assert hub_spoke_warnings(*fleet) == ()
    assert hub_spoke_problems(seeing(fleet[0], "h2", "203.0.113.99:40000"), fleet[1]) == ()


def test_an_address_that_a_hub_sees() -> None:
    gateway = spoke("h2", PRIVATE, ipv4="192.168.2.9")
    (found,) = hub_spoke_problems(seeing(hub("h1"), "h2", "192.168.2.9:40000"), gateway)
    assert "the outer address 192.168.2.9 of 'h2', as 'h1' sees it" in found
    assert hub_spoke_problems(seeing(hub("h1"), "h2", "192.168.2.9:40000", age=4000), gateway) == (), (
        "it may have moved"
    )


def test_what_a_hub_sees_counts_for_that_hub() -> None:
    fleet = [hub("h1"), hub("h40", SECOND), spoke("h2", PRIVATE, ipv4="192.168.2.9")]
    (found,) = hub_spoke_problems(fleet[0], seeing(fleet[1], "h2", "192.168.2.9:40000", interface="wg1"), fleet[2])
    assert "as 'h40' sees it; 'h40' would route" in found


def test_a_private_address_and_a_hub_with_a_private_address() -> None:
    """Nobody knows whether there is a NAT gateway between them, until the hub has seen the spoke."""
    fleet = [hub("h1", ipv4="10.1.1.1"), spoke("h2", PRIVATE, ipv4="192.168.2.9")]
    (found,) = hub_spoke_warnings(*fleet)
    assert found == (
        "host 'h2': hub_spoke_networks: 192.168.2.0/24 contains the address 192.168.2.9 of 'h2'; if 'h1' sees it there, and not "
        "behind NAT, the tunnel is routed into itself; then list longer networks, without this address"
    )
    assert hub_spoke_warnings(seeing(fleet[0], "h2", "10.1.1.2:40000"), fleet[1]) == ()


def test_a_configured_endpoint_of_a_spoke_has_a_rule_of_its_own() -> None:
    found = hub_spoke_problems(hub("h1", ipv4="203.0.113.1"), spoke("h2", {**SITE, "endpoint": "198.51.100.2"}))
    assert (
        len(found) == 1 and "hub_spoke_networks: 198.51.100.0/28 contains the endpoint 198.51.100.2:51820" in found[0]
    )


def test_a_mesh_host_without_an_endpoint() -> None:
    (found,) = problems(host("h20", SITE), host("h3", {"endpoint": "none"}), host("h30"))
    assert found.startswith(
        "host 'h20': mesh_networks: 198.51.100.0/28 contains the outer address 198.51.100.3 of 'h3'"
    )
    assert problems(host("h20", SITE), host("h3", {"endpoint": "none"})) == (), "h20 is in its own network"
    private = {"endpoint": "none", "networks": "192.168.2.0/24"}
    assert problems(host("h20"), host("h3", private, ipv4="192.168.2.9"), host("h30")) == ()


def test_static_peers_of_the_host_that_sends() -> None:
    peer = {"static_peers": [{"name": "dc", "public_key": key_of("dc"), "allowed_ips": "198.51.100.0/28"}]}
    hidden = {"endpoint": "none"}
    (found,) = problems(host("h20", peer), host("h3", hidden), host("h30"))
    assert found.startswith("host 'h20': mesh_static_peers: 198.51.100.0/28 contains the outer address 198.51.100.3")
    assert "; 'h20' would route" in found
    assert problems(host("h20"), host("h3", {**peer, **hidden}), host("h30")) == ()


def test_default_routes_are_routed_by_the_administrator() -> None:
    everything = {
        "static_peers": [{"name": "x", "public_key": key_of("x"), "allowed_ips": "0.0.0.0/0"}],
        "routes": False,
    }
    planned(
        host("h20", {**everything, "addresses": "10.42.0.1"}),
        host("h3", {"endpoint": "none", "addresses": "10.42.0.3"}),
    )


def test_a_site_to_which_nobody_else_has_a_route() -> None:
    hidden = {"endpoint": "203.0.113.5", "routes": False}
    assert problems(host("h1", {"networks": "203.0.113.0/24"}), host("h2", hidden)) == ()
