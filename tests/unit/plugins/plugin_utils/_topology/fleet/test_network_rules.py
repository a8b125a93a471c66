# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No route of an overlay takes a network that a host has by itself; a conflict is refused for the whole fleet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from planned_fleet import host, interface, key_of, planned, problems, silent
from planned_hub_spoke import SECOND, hub, spoke
from planned_hub_spoke import problems as hub_spoke_problems

LAN = "192.168.50.0/24\teth1\t100\tconnected"
SITE = {"networks": "192.168.50.0/24"}


def having(given: HostInput, *routes: str) -> HostInput:
    """Return a host that reports these routes of its own."""
    assert given.fact is not None
    return given._replace(fact={**given.fact, "routes": "\n".join(routes)})


def mesh(site: dict[str, Any], *routes: str, **variables: Any) -> tuple[str, ...]:
    """Return the problems of a mesh of h1 with a site, h2 with own routes, and h3."""
    return problems(host("h1", site), having(host("h2", variables), *routes), host("h3"))


def test_the_refusal_names_host_variable_network_device_and_remedy() -> None:
    assert mesh(SITE, LAN) == (
        "host 'h1': mesh_networks: 192.168.50.0/24 is a network that 'h2' has by itself, 192.168.50.0/24 (the network on "
        "eth1, metric 100); use other addresses for one of them, or, if 'h2' is to keep its own, set mesh_routes_except to "
        "[192.168.50.0/24] there, and no route is added",
    )


@pytest.mark.parametrize(
    ("site", "route", "refused"),
    [
        ("192.168.50.0/24", LAN, True),
        ("192.168.50.0/25", LAN, True),  # half of the LAN
        ("192.168.50.128/25", LAN, True),
        ("192.168.50.7", LAN, True),
        ("192.168.0.0/16", LAN, False),  # contains the LAN, which has the longer prefix
        ("192.168.51.0/24", LAN, False),
        # The metrics of connected networks do not matter: one of the two networks is not reached.
        ("192.168.50.0/24", "192.168.50.0/24\teth1\t0\tconnected", True),
        ("fd50::/64", "fd50::/64\teth1\t256\tconnected", True),
        ("fd50::/64", "fd50::/64\teth1\t1024\tconnected", True),
        ("fd50::/65", "fd50::/64\teth1\t100\tconnected", True),
        ("fd50::/56", "fd50::/64\teth1\t256\tconnected", False),
        # A path through a gateway: only the same network conflicts, and not where the host's own path comes first.
        ("10.60.0.0/16", "10.60.0.0/16\teth0\t0\trouted", True),
        ("10.60.0.0/16", "10.60.0.0/16\teth0\t100\trouted", True),
        ("10.60.0.0/24", "10.60.0.0/16\teth0\t0\trouted", False),
        ("10.60.0.0/15", "10.60.0.0/16\teth0\t0\trouted", False),
        ("fd60::/64", "fd60::/64\teth0\t1024\trouted", True),
        ("fd60::/64", "fd60::/64\teth0\t100\trouted", False),
        ("fd60::/64", "fd60::/64\teth0\t2000\trouted", True),
    ],
)
def test_networks_behind_other_hosts(site: str, route: str, refused: bool) -> None:
    found = mesh({"networks": site}, route)
    assert bool(found) == refused, found
    assert all(f"host 'h1': mesh_networks: {site}" in problem for problem in found)


def test_the_lan_of_a_site_is_that_of_its_own_host() -> None:
    assert problems(having(host("h1", SITE), LAN), host("h2")) == ()


def test_hosts_with_the_same_lan_share_a_problem() -> None:
    (found,) = problems(host("h1", SITE), having(host("h2"), LAN), having(host("h3"), LAN))
    assert "a network that 'h2', 'h3' have by themselves" in found


def test_a_host_can_keep_its_own_network() -> None:
    fleet = [
        host("h1", {"networks": "192.168.50.0/24, 10.77.0.0/24"}),
        having(host("h2", {"routes_except": "192.168.50.0/24"}), LAN),
    ]
    assert problems(*fleet) == ()
    plan = planned(*fleet, host("h3"))
    assert interface(plan, "h2")["routes_except"] == ["192.168.50.0/24"]
    assert "192.168.50.0/24" in interface(plan, "h2")["peers"][0]["allowed_ips"], "packets from there are accepted"
    assert "routes_except" not in interface(plan, "h3")


@pytest.mark.parametrize(
    ("excepted", "site", "refused"),
    [
        ("192.168.0.0/16", SITE, False),
        ("192.168.50.0/25", SITE, True),
        ("192.168.50.0/25", {"networks": "192.168.50.0/25"}, False),
    ],
)
def test_an_exception_covers_a_whole_network_or_nothing(excepted: str, site: dict[str, Any], refused: bool) -> None:
    assert bool(mesh(site, LAN, routes_except=excepted)) == refused


def test_exceptions_are_checked() -> None:
    (found,) = mesh({}, routes_except="10.42.0.0/16")
    assert found.startswith("host 'h2': mesh_routes_except: 10.42.0.0/16 has the overlay's own network 10.42.0.0/24")
    (found,) = mesh({}, routes_except="192.168.50.1/24")
    assert found.startswith("host 'h2': mesh_routes_except: '192.168.50.1/24' has host bits set")


def test_without_routes_nothing_is_taken() -> None:
    assert mesh(SITE, LAN, routes=False) == ()


@pytest.mark.parametrize(
    ("route", "text"),
    [
        ("10.42.0.0/24\teth1\t100\tconnected", "10.42.0.0/24 is a network that this host has by itself"),
        ("10.42.0.0/16\teth1\t0\tconnected", "10.42.0.0/24 is inside a network that this host has by itself"),
        ("10.42.0.0/24\teth0\t0\trouted", "10.42.0.0/24 (routed through eth0); choose another network"),
        # A second overlay on the host, with the network of the first.
        (
            "10.42.0.0/24\twg7\t0\tconnected",
            "10.42.0.0/24 (the network on wg7); choose another network for the overlay",
        ),
    ],
)
@pytest.mark.parametrize("routes", [True, False])
def test_the_network_of_the_overlay(route: str, text: str, routes: bool) -> None:
    (found,) = mesh({}, route, routes=routes)
    assert found.startswith("host 'h2': mesh_network: ")
    assert text in found


@pytest.mark.parametrize(
    "route",
    [
        "10.42.0.0/24\twg0\t0\tconnected",  # the overlay's own interface
        "10.77.0.0/24\twg0\t0\trouted",
        "10.0.0.0/8\teth0\t0\trouted",  # the overlay is inside a network that a gateway leads to
    ],
)
def test_routes_that_do_not_matter(route: str) -> None:
    assert mesh({"networks": "10.77.0.0/24"}, route) == ()


def test_an_overlay_around_a_lan_needs_addresses_outside_of_it() -> None:
    wide = {"network": "10.42.0.0/16"}
    route = "10.42.7.0/24\teth1\t0\tconnected"
    fleet = [
        host("h1", {**wide, "addresses": "10.42.1.1"}),
        having(host("h2", {**wide, "addresses": "10.42.1.2"}), route),
    ]
    assert problems(*fleet) == ()
    (found,) = problems(*fleet, host("h3", {**wide, "addresses": "10.42.7.3"}))
    assert found == (
        "host 'h3': mesh_addresses: 10.42.7.3/32 is inside a network that 'h2' has by itself, 10.42.7.0/24 (the network on "
        "eth1); choose an address, or a network for the overlay, outside of it"
    )


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        ("192.168.50.0/24", True),
        ("192.168.50.64/26", True),
        ("192.168.50.200", False),  # in the LAN of a host that is its ARP proxy
        ("128.0.0.0/1", False),  # half of all addresses: every LAN has a longer prefix
    ],
)
def test_unmanaged_peers(allowed: str, refused: bool) -> None:
    phone = {"static_peers": [{"name": "phone", "public_key": key_of("phone"), "allowed_ips": allowed}]}
    hidden = {"endpoint": "none"}
    found = problems(host("h1", hidden, ipv4="10.1.1.1"), having(host("h2", {**phone, **hidden}, ipv4="10.1.1.2"), LAN))
    assert bool(found) == refused, found
    if refused:
        assert found[0].startswith(f"host 'h2': mesh_static_peers: {allowed} of 'phone' is ")
    without = having(host("h2", hidden, ipv4="10.1.1.2"), LAN)
    assert problems(host("h1", {**phone, **hidden}, ipv4="10.1.1.1"), without) == (), "h2 has no route to it"


SPOKE_ROUTES = [
    ("192.168.50.0/24", LAN, True),
    ("192.168.50.0/24", "192.168.50.0/24\teth1\t600\tconnected", True),
    ("192.168.50.0/25", LAN, True),
    ("192.168.0.0/16", LAN, False),
    ("10.60.0.0/16", "10.60.0.0/16\teth0\t600\trouted", True),
    ("10.60.0.0/16", "10.60.0.0/16\teth0\t20\trouted", False),  # the hub has metric 100
    ("fd60::/64", "fd60::/64\teth0\t20\trouted", False),
]


@pytest.mark.parametrize(("site", "route", "refused"), SPOKE_ROUTES)
@pytest.mark.parametrize("direct", [False, True])
def test_spokes(site: str, route: str, refused: bool, direct: bool) -> None:
    fleet = [
        hub("h1"),
        spoke("h2", {"networks": site, "direct": direct}),
        having(spoke("h3", {"direct": direct}), route),
    ]
    found = hub_spoke_problems(*fleet)
    assert bool(found) == refused, found
    assert all(line.startswith(f"host 'h2': hub_spoke_networks: {site}") for line in found)


@pytest.mark.parametrize(
    ("isolate", "site_of_hub", "refused"), [(False, False, True), (True, False, False), (True, True, True)]
)
def test_isolated_spokes_have_no_routes_to_each_other(isolate: bool, site_of_hub: bool, refused: bool) -> None:
    fleet = [
        hub("h1", {"isolate": isolate, **(SITE if site_of_hub else {})}),
        spoke("h2", {} if site_of_hub else SITE),
        having(spoke("h3"), LAN),
    ]
    assert bool(hub_spoke_problems(*fleet)) == refused


def test_hubs_have_networks_too() -> None:
    (found,) = hub_spoke_problems(having(hub("h1"), LAN), spoke("h2", SITE))
    assert "a network that 'h1' has by itself" in found
    assert "hub_spoke_routes_except" in found


@pytest.mark.parametrize(
    ("plan", "fleet"),
    [
        (plan_hub_spoke, [hub("h1"), hub("h4", SECOND), spoke("h2"), spoke("h3", {"direct": True})]),
        (plan_mesh, [host("h1"), host("h3")]),
    ],
)
def test_routes_through_interfaces_of_the_plan_do_not_count(
    plan: Callable[..., Any], fleet: Sequence[HostInput]
) -> None:
    network = str(fleet[0].variables["network"])
    for device in ("wg0", *(["wg1", "wgdirect"] if plan is plan_hub_spoke else [])):
        last = having(fleet[-1], f"{network}\t{device}\t0\tconnected")
        assert plan([*fleet[:-1], last]).problems == ()


def test_an_interface_that_its_own_overlay_no_longer_uses_does_not_count() -> None:
    routes = "10.43.0.0/24\twg9\t100\trouted"
    left = {"notes": {"overlay": "hub_spoke hubs spokes"}, "addresses": ["10.43.0.9/32"]}
    noted = having(spoke("h2", devices={"wg0": {}, "wg9": left}), routes)
    assert plan_hub_spoke([hub("h1"), noted], overlay="hub_spoke hubs spokes").problems == ()
    (found,) = plan_hub_spoke([hub("h1"), noted], overlay="hub_spoke others").problems
    assert "10.43.0.0/24 (routed through wg9, metric 100)" in found


def test_an_unreachable_host_has_no_known_networks() -> None:
    assert problems(host("h1", SITE), silent("h2", {"public_key": key_of("h2")})) == ()


def test_both_devices_of_a_spoke_get_the_exceptions() -> None:
    fleet = [
        hub("h1"),
        hub("h4", SECOND),
        spoke("h2", SITE),
        having(spoke("h3", {"routes_except": "192.168.50.0/24"}), LAN),
    ]
    plan = plan_hub_spoke(fleet).plan
    assert plan is not None
    for entry in host_document(plan, "h3")["interfaces"]:
        assert entry["routes_except"] == ["192.168.50.0/24"]
