# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An announced network with endpoints inside is refused where it is announced, once."""

from __future__ import annotations

import planned_hub_spoke
import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from planned_fleet import host, key_of, problems
from planned_hub_spoke import SECOND, hub, spoke

SITE = {"networks": "203.0.113.0/24"}
H2, H3 = host("h2", {"endpoint": "203.0.113.5"}), host("h3", {"endpoint": "203.0.113.6:5000"})
PHONE = {"name": "phone", "public_key": key_of("phone"), "allowed_ips": ["203.0.113.0/24"]}
ONE = (
    "203.0.113.0/24{} contains the endpoint {}, so packets to it would be routed into the tunnel to {}; list smaller networks "
    "without this address, or set another address in {}"
)
CASES: list[tuple[list[HostInput], str]] = [
    (
        [host("h1", SITE), H2],
        "host 'h1': mesh_networks: " + ONE.format("", "203.0.113.5:51820 of 'h2'", "'h1'", "mesh_endpoint"),
    ),
    (
        [host("h1", {**SITE, "endpoint": "203.0.113.7"}), host("h2")],
        "host 'h1': mesh_networks: " + ONE.format("", "203.0.113.7:51820 of 'h1'", "'h1'", "mesh_endpoint"),
    ),
    (
        [host("h1", {**SITE, "routes": False}), H2, host("h3")],
        "host 'h1': mesh_networks: " + ONE.format("", "203.0.113.5:51820 of 'h2'", "'h1'", "mesh_endpoint"),
    ),
    (
        [host("h1", SITE), H2, H3],
        "host 'h1': mesh_networks: 203.0.113.0/24 contains the endpoints 203.0.113.5:51820 of 'h2', 203.0.113.6:5000 of 'h3', "
        "so packets to them would be routed into the tunnel to 'h1'; list smaller networks without these addresses, or set "
        "another address in mesh_endpoint",
    ),
    (
        [host("h1", {"static_peers": [PHONE]}), H2],
        "host 'h1': mesh_static_peers: "
        + ONE.format(" of 'phone'", "203.0.113.5:51820 of 'h2'", "'phone'", "mesh_endpoint"),
    ),
    (
        [host("h1", {"static_peers": [{**PHONE, "endpoint": "203.0.113.9:1"}]}), host("h2")],
        "host 'h1': mesh_static_peers: "
        + ONE.format(" of 'phone'", "203.0.113.9:1 of 'phone'", "'phone'", "mesh_static_peers"),
    ),
    (
        [host("h1", SITE), host("h2"), host("h3", {"peer_overrides": {"h2": {"endpoint": "203.0.113.8"}}})],
        "host 'h1': mesh_networks: " + ONE.format("", "203.0.113.8:51820 of 'h2'", "'h1'", "mesh_peer_overrides"),
    ),
]


@pytest.mark.parametrize(("hosts", "expected"), CASES)
def test_endpoints_in_an_announced_network(hosts: list[HostInput], expected: str) -> None:
    assert problems(*hosts) == problems(*reversed(hosts)) == (expected,)


@pytest.mark.parametrize(
    ("one", "other", "is_refused"),
    [
        ({}, {}, True),
        ({"routes_except": "203.0.113.0/24"}, {}, False),
        ({"routes_except": "203.0.0.0/16"}, {}, False),
        ({"routes_except": "203.0.113.0/25"}, {}, True),
        ({"routes": False}, {}, False),
        # The route of another host leads nowhere near the endpoint that this one uses.
        ({}, {"routes_except": "203.0.113.0/24"}, True),
    ],
)
def test_an_override_counts_on_its_own_host_only(
    one: dict[str, object], other: dict[str, object], is_refused: bool
) -> None:
    override = {"peer_overrides": {"h2": {"endpoint": "203.0.113.8"}}}
    assert bool(problems(host("h1", SITE), host("h2", other), host("h3", {**override, **one}))) == is_refused
    fleet = (
        hub("h1", SITE),
        spoke("h2", other),
        spoke("h3", {"peer_overrides": {"h1": {"endpoint": "203.0.113.8"}}, **one}),
    )
    assert bool(planned_hub_spoke.problems(*fleet)) == is_refused


def test_an_override_of_the_host_that_announces_the_network_is_not_refused() -> None:
    assert (
        problems(host("h1", {**SITE, "peer_overrides": {"h2": {"endpoint": "203.0.113.8"}}}), host("h2"), host("h3"))
        == ()
    )


def test_many_endpoints_are_counted() -> None:
    hosts = [host(f"h{number}", {"endpoint": f"203.0.113.{number}"}) for number in range(10, 18)]
    (problem,) = problems(host("h1", SITE), *hosts)
    assert "203.0.113.14:51820 of 'h14' and 3 more, so packets to them" in problem


def test_an_endpoint_among_overlay_addresses_is_refused_at_the_endpoint() -> None:
    (problem,) = problems(host("h1"), host("h2", {"endpoint": "10.42.0.77"}))
    assert problem.startswith(
        "host 'h2': mesh_endpoint: 10.42.0.77:51820 is inside the tunnel, in 10.42.0.0/24 (the overlay"
    )


def test_no_endpoint_is_inside_without_routes_or_outside_of_the_network() -> None:
    assert problems(host("h1", SITE), host("h2", {"endpoint": "203.0.114.5"})) == ()
    assert (
        problems(host("h1", {**SITE, "routes": False}), host("h2", {"endpoint": "203.0.113.5", "routes": False})) == ()
    )


@pytest.mark.parametrize("routes", [True, False])
def test_a_default_route_is_one_problem(routes: bool) -> None:
    (problem,) = problems(host("h1", {"networks": "0.0.0.0/0", "routes": routes}), host("h2"), host("h3"))
    assert problem == (
        "host 'h1': mesh_networks: 0.0.0.0/0 would send all traffic of other hosts into one tunnel; list only the networks "
        "behind this host"
    )


def test_a_network_of_a_spoke_with_endpoints_of_two_hubs_is_one_problem() -> None:
    hosts = [hub("h1"), hub("h4", SECOND), spoke("h2", {"networks": "198.51.100.0/24"})]
    (problem,) = (one for one in planned_hub_spoke.problems(*hosts) if "endpoint" in one)
    assert problem.startswith(
        "host 'h2': hub_spoke_networks: 198.51.100.0/24 contains the endpoints 198.51.100.1:51820 of 'h1', 198.51.100.4:"
    )


OWN = "198.51.100.1:51820 of 'phone' is the endpoint of this host itself; write that of the peer"


def test_a_static_peer_or_override_with_the_endpoint_of_the_host_itself_is_refused() -> None:
    phone = {"name": "phone", "public_key": key_of("phone"), "allowed_ips": ["10.9.0.1/32"]}
    own = {**phone, "endpoint": "198.51.100.1:51820"}
    assert problems(host("h1", {"static_peers": [own]}), host("h2")) == (f"host 'h1': mesh_static_peers: {OWN}",)
    assert problems(host("h2", {"static_peers": [own]}), host("h3")) == ()
    assert problems(host("h1", {"static_peers": [{**own, "endpoint": "198.51.100.1:4000"}]}), host("h2")) == ()
    behind = {"endpoint": "203.0.113.5:4000", "static_peers": [{**own, "endpoint": "203.0.113.5:4000"}]}
    (problem,) = problems(host("h1", behind), host("h2"))
    assert "203.0.113.5:4000 of 'phone' is the endpoint of this host itself" in problem
    (problem,) = problems(host("h1", {"peer_overrides": {"h2": {"endpoint": "198.51.100.1"}}}), host("h2"))
    assert problem == f"host 'h1': mesh_peer_overrides: {OWN.replace('phone', 'h2')}"


def test_a_static_peer_of_a_hub_with_the_endpoint_of_the_hub_itself_is_refused() -> None:
    phone = {"name": "phone", "public_key": key_of("phone"), "allowed_ips": ["10.9.0.1/32"]}
    one = hub("h1", {"static_peers": [{**phone, "endpoint": "198.51.100.1:51820"}]})
    (problem,) = planned_hub_spoke.problems(one, spoke("s3", {}, {"wg0": {}}))
    assert problem == f"host 'h1': hub_spoke_static_peers: {OWN}"


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("127.0.0.1:4000", "loopback"),
        ("localhost:4000", "loopback"),
        ("[::1]:4000", "loopback"),
        ("0.0.0.0:4000", "unspecified"),
        ("[::]:4000", "unspecified"),
        ("10.42.0.7:4000", "is inside the tunnel, in 10.42.0.0/24"),
    ],
)
def test_static_peers_have_endpoints_of_other_hosts(endpoint: str, words: str) -> None:
    phone = {"name": "phone", "public_key": key_of("phone"), "allowed_ips": ["10.9.0.1/32"], "endpoint": endpoint}
    (problem,) = problems(host("h1", {"static_peers": [phone]}), host("h2"))
    assert problem.startswith("host 'h1': mesh_static_peers") and words in problem
