# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A refused value is reported once: no rule draws a conclusion from the default that replaces it. Ports and endpoints."""

from __future__ import annotations

import planned_hub_spoke
import pytest
from planned_fleet import host, interface, peers, planned, problems, warnings
from planned_hub_spoke import hub, spoke

EVERY = {"network": "0.0.0.0/0"}
REFUSED = (
    "network: '0.0.0.0/0' is every IPv4 address; write a private network that nothing else uses, such as 10.42.0.0/24 or "
    "fd42::/64"
)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"addresses": "10.1.0.1", "networks": "192.168.1.0/24"},
        {"network": ["0.0.0.0/0", "10.42.0.0/24"], "addresses": ["10.1.0.1", "10.42.0.1"]},
    ],
)
def test_a_network_of_every_address_is_the_only_problem(variables: dict[str, object]) -> None:
    one = host("h1", {**EVERY, **variables})
    assert problems(one, host("h2", EVERY)) == (f"hosts 'h1', 'h2': mesh_{REFUSED}",)
    assert problems(one, host("h2")) == (f"host 'h1': mesh_{REFUSED}",)


def test_a_refused_address_is_the_only_problem() -> None:
    (problem,) = problems(host("h1", {"network": "", "addresses": "127.0.0.1"}), host("h2"))
    assert problem.startswith(
        "host 'h1': mesh_addresses: '127.0.0.1' is a loopback address, which no other host can reach; write"
    )


def test_a_network_of_every_address_is_the_only_problem_of_hubs_and_spokes() -> None:
    first = hub("h1", {**EVERY, "masquerade": True})
    second = spoke("h2", {**EVERY, "full_tunnel": True, "addresses": "10.1.0.1"})
    assert planned_hub_spoke.problems(first, second) == (f"hosts 'h1', 'h2': hub_spoke_{REFUSED}",)
    assert planned_hub_spoke.problems(first, spoke("h2")) == (f"host 'h1': hub_spoke_{REFUSED}",)


def test_a_member_with_any_port_initiates_its_tunnels() -> None:
    plan = planned(host("h1", {"port": 0}), host("h2"))
    assert interface(plan, "h1")["listen_port"] == 0
    assert (peers(plan, "h1")["h2"]["endpoint"], peers(plan, "h1")["h2"]["persistent_keepalive"]) == (
        "198.51.100.2:51820",
        25,
    )
    assert not peers(plan, "h2")["h1"].get("endpoint")


def test_two_members_with_any_port_have_no_tunnel() -> None:
    (warning,) = warnings(*(host(name, {"port": 0}) for name in ("h1", "h2")), host("h3"))
    assert warning == (
        "host 'h1': mesh_port: neither end has an endpoint of the other, so no tunnel comes up between 'h1' and 'h2'; the "
        "port of 'h1', 'h2' is 0 (any), so they have no endpoint: set mesh_port for them"
    )


@pytest.mark.parametrize("endpoint", ["auto", "none", "192.0.2.1", "192.0.2.1:5"])
def test_a_hub_with_any_port_is_refused_in_its_port(endpoint: str) -> None:
    found = planned_hub_spoke.problems(hub("h1", {"port": 0, "endpoint": endpoint}), spoke("h2"))
    assert found[-1] == (
        "host 'h1': hub_spoke_port: 0 is any port, and others reach this host at a fixed one; write one such as 51820"
    )
    assert len(found) == (2 if endpoint == "none" else 1)


@pytest.mark.parametrize(
    "text", ["192.0.2.13,2001:db8:1::13", "192.0.2.13, 192.0.2.14", "a.example.org:1,b.example.org:2"]
)
def test_several_endpoints_are_refused(text: str) -> None:
    words = f"{text!r} lists several endpoints; write one only, or a name with several addresses"
    assert problems(host("h1", {"endpoint": text}), host("h2")) == (f"host 'h1': mesh_endpoint: {words}",)
    (override,) = problems(host("h1"), host("h2", {"peer_overrides": {"h1": {"endpoint": text}}}))
    assert override == f"host 'h2': mesh_peer_overrides: 'h1': {words}"
    (hub_endpoint, *_others) = planned_hub_spoke.problems(hub("h1", {"endpoint": text}), spoke("h2"))
    assert hub_endpoint == f"host 'h1': hub_spoke_endpoint: {words}"


def test_an_empty_endpoint_is_automatic() -> None:
    assert peers(planned(host("h1", {"endpoint": ""}), host("h2")), "h2") == peers(
        planned(host("h1"), host("h2")), "h2"
    )


def test_an_endpoint_without_a_port_is_refused_with_an_example() -> None:
    (problem,) = problems(host("h1", {"port": 0, "endpoint": "vpn.example.org"}), host("h2"))
    assert problem == (
        "host 'h1': mesh_port: 0 is any port, so packets to vpn.example.org do not arrive; write the port to which they are "
        "sent, such as 51820"
    )
    override = {"peer_overrides": {"h1": {"endpoint": "192.0.2.9"}}}
    (problem,) = problems(host("h1", {"port": 0}), host("h2", override))
    assert problem == (
        "host 'h2': mesh_peer_overrides: 'h1': '192.0.2.9' has no port; write 192.0.2.9:51820, with the port at which it is "
        "reached"
    )


def test_a_url_is_no_endpoint() -> None:
    (problem,) = problems(host("h1", {"endpoint": "https://example.com"}), host("h2"))
    assert problem == (
        "host 'h1': mesh_endpoint: 'https://example.com' is a URL; write host or host:port without the scheme, as in "
        "example.com:51820"
    )
