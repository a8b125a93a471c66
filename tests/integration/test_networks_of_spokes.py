# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A spoke keeps the networks that it has by itself, also from direct tunnels, whose routes are longer than the networks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from hub_spoke_lab import HOSTS, SITE_OF, build, build_hosts, converge, fleet_state, reaches, routes
from lab_hosts import Lab
from mesh_lab import assert_ok, failure, ping

DIRECT = {"hub_spoke_direct": True, "hub_spoke_direct_deadline": 10}
SITE = SITE_OF["s3"]
FIRST_HALF, SECOND_HALF = "10.50.3.0/25", "10.50.3.128/25"


@contextlib.contextmanager
def lan(lab: Lab, host: str, network: str, neighbour: str, metric: int) -> Iterator[None]:
    """A LAN of a host with one neighbour, and the metric that DHCP clients or NetworkManager set."""
    length = network.partition("/")[2]
    own = neighbour.rpartition(".")[0] + ".200"
    script = (
        "ip netns add far; ip link add lan type veth peer name lan netns far; ip link set lan up; ip -n far link set lan up; "
        f"ip -n far address add {neighbour}/{length} dev lan; ip address add {own}/{length} dev lan noprefixroute; "
        f"ip route add {network} dev lan proto dhcp scope link metric {metric}"
    )
    lab.run(host, ["sh", "-ec", script])
    try:
        yield
    finally:
        lab.run(host, ["ip", "netns", "del", "far"])


@pytest.mark.slow
def test_a_direct_tunnel_leaves_networks_of_a_spoke_alone() -> None:
    with Lab() as lab:
        build(lab, ("hub1", "s3", "s4"))
        with lan(lab, "s4", SECOND_HALF, "10.50.3.177", 600):
            assert_ok(converge(lab, **DIRECT))
            direct = {destination for destination, device, _metric in routes(lab, "s4") if device == "wgdirect"}
            assert FIRST_HALF in direct and SECOND_HALF not in direct, "a tunnel to s3"
            assert (SITE, "wg0", 100) in routes(lab, "s4")
            assert ping(lab, "s4", "10.50.3.177"), "in the LAN"
            assert reaches(lab, "s4", "s3-site"), "behind s3"
            assert assert_ok(converge(lab, **DIRECT)).changed == 0
        with lan(lab, "s4", SITE, "10.50.3.177", 600):
            before = fleet_state(lab)
            message = failure(converge(lab, **DIRECT))
            assert f"hub_spoke_networks: {SITE} is a network that 's4' has by itself" in message
            assert f"{SITE} (the network on lan, metric 600)" in message
            assert f"set hub_spoke_routes_except to [{SITE}] there" in message
            assert fleet_state(lab) == before
            per_host = {"s4": {"hub_spoke_routes_except": [SITE]}}
            assert_ok(converge(lab, per_host=per_host, **DIRECT))
            assert not [entry for entry in routes(lab, "s4") if entry[0].startswith("10.50.3.")]
            assert ping(lab, "s4", "10.50.3.177")
            assert reaches(lab, "hub1", "s3-site")
            assert assert_ok(converge(lab, per_host=per_host, **DIRECT)).changed == 0


@pytest.mark.slow
def test_a_site_with_the_outer_address_of_its_spoke_is_refused() -> None:
    with Lab() as lab:
        build(lab, ("hub1", "s1", "s3"))
        assert_ok(converge(lab))
        assert reaches(lab, "s1", "s3")
        before = fleet_state(lab)
        message = failure(converge(lab, per_host={"s3": {"hub_spoke_networks": ["192.0.2.16/28"]}}))
        assert (
            "192.0.2.16/28 contains the outer address 192.0.2.23 of 's3', as 'hub1' sees it; 'hub1' would route"
            in message
        )
        assert fleet_state(lab) == before
        # s1 is behind NAT: its own address in its site is not where the hub sees it.
        assert_ok(converge(lab, per_host={"s1": {"hub_spoke_networks": ["192.168.1.0/24"]}}))
        assert reaches(lab, "hub1", "s1")


def test_an_override_inside_a_network_of_the_hub() -> None:
    """Hub and spoke in a LAN behind NAT with a port forward: the spoke uses the hub's address in the LAN."""
    chain = "type nat hook prerouting priority dstnat; udp dport 4500 dnat to 192.168.1.3:51820;"
    rules = f"table ip published {{ chain to {{ {chain} }}; }}\ninsert rule ip wirewright_lab forward ct status dnat accept\n"
    with Lab() as lab:
        hub = {"addresses": ["192.168.1.3/24"], "behind": "nat1"}
        build_hosts(lab, {"hub1": hub, "s1": HOSTS["s1"], "s4": HOSTS["s4"]})
        lab.run("nat1", ["nft", "-f", "-"], input=rules)
        spoke: dict[str, object] = {"hub_spoke_peer_overrides": {"hub1": {"endpoint": "192.168.1.3:51820"}}}
        per_host = {
            "hub1": {"hub_spoke_endpoint": "192.0.2.101:4500", "hub_spoke_networks": ["192.168.1.0/24"]},
            "s1": spoke,
        }
        refused = failure(converge(lab, per_host=per_host))
        assert "192.168.1.0/24 contains the endpoint 192.168.1.3:51820 of 'hub1'" in refused
        spoke["hub_spoke_routes_except"] = ["192.168.1.0/24"]
        assert_ok(converge(lab, per_host=per_host))
        assert reaches(lab, "s1", "hub1") and reaches(lab, "s4", "hub1") and reaches(lab, "s4", "s1")
        assert ping(lab, "s4", "192.168.1.3"), "through the tunnel"
        assert assert_ok(converge(lab, per_host=per_host)).changed == 0
