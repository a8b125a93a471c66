# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces that others made: refused, adopted as they are, or refused by what would be lost."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import (
    FleetPlan,
    HostInput,
    PlanResult,
)
from planned_fleet import (
    address_of,
    fact_of,
    key_of,
    remembered,
)

NAMES = ("h1", "h2", "h3")


def line(name: str, allowed: str = "", endpoint: str = "", keepalive: int = 0, marks: str = "runs") -> str:
    number = name[1:]
    allowed = allowed or f"10.8.0.{number}/32"
    endpoint = endpoint or f"{address_of(name)}:51999"
    return "\t".join((key_of(name), "", endpoint.replace("none", ""), allowed, str(keepalive), marks))


def existing(name: str, *extra: str, **changes: Any) -> dict[str, Any]:
    return {
        "runs": True,
        "method": "wg_quick",
        "public_key": key_of(name),
        "listen_port": 51999,
        "port_is_configured": True,
        "fwmark": 0,
        "mtu": None,
        "addresses": [f"10.8.0.{name[1:]}/24"],
        "routes": True,
        "peers": "\n".join([*(line(other) for other in NAMES if other != name), *extra]),
        "findings": [],
        **changes,
    }


def host(name: str, variables: dict[str, Any] | None = None, *extra: str, **changes: Any) -> HostInput:
    fact = fact_of(name, address_of(name), existing=existing(name, *extra, **changes))
    return HostInput(name, {"adopt": True, **(variables or {})}, address_of(name), fact)


def fleet(*hosts: HostInput) -> PlanResult:
    given = {one.name: one for one in hosts}
    return plan_mesh([given.get(name, host(name)) for name in NAMES], overlay="mesh")


def planned(result: PlanResult) -> FleetPlan:
    assert result.plan is not None, result.problems
    return result.plan


def entry(result: PlanResult, name: str) -> dict[str, Any]:
    (found,) = host_document(planned(result), name)["interfaces"]
    return dict(found)


def test_port_and_addresses_are_those_of_the_interface_and_are_noted() -> None:
    result = fleet()
    assert result.warnings == ()
    one = entry(result, "h1")
    assert (one["listen_port"], one["addresses"]) == (51999, ["10.8.0.1/24"])
    adopted_notes = {"adopted_port": "51999", "adopted_addresses": "10.8.0.1/24"}
    assert one["notes"] == {**adopted_notes, "overlay": "mesh", "port": "51999"}
    assert [peer["endpoint"] for peer in one["peers"]] == [f"{address_of(name)}:51999" for name in ("h2", "h3")]
    assert [peer["allowed_ips"] for peer in one["peers"]] == [["10.8.0.2/32"], ["10.8.0.3/32"]]


def adopted(name: str) -> HostInput:
    notes = {"adopted_port": "51999", "adopted_addresses": f"10.8.0.{name[1:]}/24", "overlay": "mesh", "port": "51999"}
    peers = "\n".join(
        remembered(other, f"10.8.0.{other[1:]}", f"{address_of(other)}:51999") for other in NAMES if other != name
    )
    fact = fact_of(name, address_of(name), notes=notes, peers=peers, addresses=[f"10.8.0.{name[1:]}/24"])
    return HostInput(name, {}, address_of(name), fact)


def test_later_runs_keep_them_without_adoption_and_without_facts() -> None:
    first = {name: entry(fleet(), name) for name in NAMES}
    silent = HostInput("h3", {}, address_of("h3"))
    for hosts in ([adopted(name) for name in NAMES], [adopted("h1"), adopted("h2"), silent]):
        result = plan_mesh(hosts, overlay="mesh")
        found = entry(result, "h1")
        for peer in found["peers"]:
            peer.pop("keep_preshared_key", None)  # of a host that is not in the run
        assert {**found, "adopt": True} == first["h1"]


def test_a_variable_comes_before_a_note() -> None:
    hosts = [adopted("h1"), adopted("h2")]
    hosts[0] = hosts[0]._replace(variables={"port": 5, "addresses": "10.9.0.1/24"})
    one = entry(plan_mesh(hosts, overlay="mesh"), "h1")
    assert (one["listen_port"], one["addresses"], one["notes"]) == (
        5,
        ["10.9.0.1/24"],
        {"overlay": "mesh", "port": "5"},
    )


HOSTILE = [
    {"adopted_port": "70000"},
    {"adopted_port": "x"},
    {"adopted_port": ["5"]},
    {"adopted_addresses": "x,,10.8.0.0/33"},
]


@pytest.mark.parametrize("notes", HOSTILE)
def test_notes_are_hostile_input(notes: dict[str, Any]) -> None:
    fact = fact_of("h1", address_of("h1"), notes=notes)
    (problem,) = plan_mesh([HostInput("h1", {}, "", fact)]).problems
    assert "the host has no overlay address" in problem
    one = entry(plan_mesh([HostInput("h1", {"addresses": "10.8.0.1/24"}, "", fact)]), "h1")
    assert (one["listen_port"], one["addresses"]) == (51820, ["10.8.0.1/24"])


def test_all_hosts_with_an_interface_of_others_are_named_at_once() -> None:
    result = plan_mesh([host(name, {"adopt": False}) for name in NAMES], overlay="mesh")
    assert result.plan is None
    (problem,) = [text for text in result.problems if "mesh_interface" in text]
    assert problem.startswith(
        "hosts 'h1', 'h2', 'h3': mesh_interface: wg0 exists and is not managed by this collection"
    )
    assert "mesh_adopt to true" in problem


def test_facts_without_adoption_do_not_suffice_for_it() -> None:
    fact = fact_of("h1", address_of("h1"), public_key=None, existing={"runs": True, "unread": True})
    result = plan_mesh([HostInput("h1", {"adopt": True, "network": "10.8.0.0/24"}, "", fact)], overlay="mesh")
    assert any(
        "host 'h1': mesh_adopt: wg0 is to be adopted" in text and "keys_adopt" in text for text in result.problems
    )


# The variables and the interface of h1, and what is said of it.
LOSSES: list[tuple[dict[str, Any], dict[str, Any], list[str], str]] = [
    ({"port": 51820}, {}, [], "mesh_port: wg0 listens on 51999, which would become 51820; set mesh_port to 51999"),
    ({"network": "10.9.0.0/24"}, {}, [], "mesh_addresses: wg0 has the address 10.8.0.1/24, which would be removed"),
    ({"addresses": "10.8.0.1/24"}, {"addresses": ["10.8.0.1/24", "fd08::1/64"]}, [], "the address fd08::1/64"),
    ({}, {"mtu": 1280}, [], "set mesh_mtu to 1280"),
    ({}, {"fwmark": 7}, [], "set mesh_fwmark to 0x7"),
    ({}, {"routes": False, "peers": line("h2", "10.8.0.2/32,10.77.0.0/16")}, [], "mesh_routes to false"),
    ({"persistence": "none"}, {}, [], "set mesh_persistence to wg_quick"),
    ({}, {"findings": ["/a, line 3: DNS sets it"]}, [], "mesh_adopt: /a, line 3: DNS sets it"),
    ({}, {"public_key": key_of("other")}, [], "mesh_private_key_file: wg0 has the key " + key_of("other")),
    (
        {},
        {},
        [line("p9", "10.8.0.9/32")],
        f"mesh_static_peers: the peer {key_of('p9')} of wg0 with 10.8.0.9/32 would be",
    ),
    ({}, {}, [line("h2", "10.8.0.2/32,10.77.0.0/16")], "add them to mesh_networks of h2"),
    ({}, {}, [line("h2", endpoint="203.0.113.2:51999")], "set mesh_endpoint of h2 to 203.0.113.2:51999"),
    ({}, {}, [line("h2", keepalive=25)], "set mesh_persistent_keepalive to 25"),
]


@pytest.mark.parametrize(("variables", "changes", "lines", "said"), LOSSES)
def test_a_loss_is_a_problem_or_a_warning(
    variables: dict[str, Any], changes: dict[str, Any], lines: list[str], said: str
) -> None:
    if "routes" in changes:
        result = plan_mesh([host("h1", variables, **changes), host("h2", {"networks": "10.77.0.0/16"})], overlay="mesh")
    else:
        result = fleet(host("h1", variables, *lines, **changes))
    assert result.plan is None
    (problem,) = [text for text in result.problems if said in text]
    assert problem.startswith("host 'h1': ") and problem.endswith("; mesh_adopt_allow_loss: true accepts the loss")
    if "routes" in changes:
        return
    allow = {"adopt_allow_loss": True}
    allowed = fleet(host("h1", {**variables, **allow}, *lines, **changes), host("h2", allow), host("h3", allow))
    assert entry(allowed, "h1")["adopt_allow_loss"] is True
    assert any("lost by adoption: " in text for text in allowed.warnings)


HUB = (
    "this is a hub with clients: import with overlay_import_role=hub_spoke, or mesh_adopt_allow_loss: true, because in a mesh "
    "each host has its own address"
)


@pytest.mark.parametrize("allowed", ["10.8.0.0/24", "10.8.0.0/16", "0.0.0.0/0", "10.8.0.0/24,10.77.0.0/16"])
@pytest.mark.parametrize("variables", [{}, {"network": "10.8.0.0/24"}])
def test_a_server_of_the_whole_network_is_named_as_a_hub(variables: dict[str, Any], allowed: str) -> None:
    def with_server(name: str, **options: Any) -> HostInput:
        peers = line("h1", allowed) if name != "h1" else "\n".join(map(line, ("h2", "h3")))
        return host(name, {**variables, **options}, peers=peers)

    (problem,) = fleet(*map(with_server, NAMES)).problems
    lost = ", ".join(allowed.split(","))
    assert problem == (
        f"hosts 'h2', 'h3': mesh_networks: the peer h1 has the allowed IPs {lost}, which would be removed; {HUB}"
    )
    accepted = fleet(*(with_server(name, adopt_allow_loss=True) for name in NAMES))
    assert accepted.plan is not None and accepted.problems == ()
    assert "hub_spoke" not in str(accepted.warnings)


@pytest.mark.parametrize("clients", ["10.8.0.64/28", "10.8.0.99/32", "10.77.0.0/16,10.8.0.64/28"])
def test_clients_of_a_server_in_the_network_of_the_overlay_are_named_as_such(clients: str) -> None:
    result = fleet(host("h1", None, line("h2", f"10.8.0.2/32,{clients}")))
    (problem,) = [text for text in result.problems if "10.8.0.64/28" in text or "10.8.0.99/32" in text]
    assert (
        "they are in the overlay's own network, so they are clients of h2: import with overlay_import_role=hub_spoke"
        in problem
    )
    assert "make mesh_network a smaller one without them, and add them to mesh_networks of h2; or" in problem


@pytest.mark.parametrize(
    ("runs", "has"), [(True, "neither the interface nor a file of it has"), (False, "no file of it has")]
)
def test_an_interface_without_a_private_key_is_refused_by_name(runs: bool, has: str) -> None:
    """A new key would be known to no peer; one that the operator wrote to the key file is used."""
    keyless = existing("h1", public_key="", runs=runs)
    allow = {"adopt": True, "adopt_allow_loss": True}
    fact = fact_of("h1", address_of("h1"), public_key=None, existing=keyless)
    result = fleet(HostInput("h1", allow, address_of("h1"), fact))
    assert result.plan is None
    assert result.problems == (
        f"host 'h1': mesh_private_key_file: wg0 is to be adopted, and {has} a private key, so a new one would be made that no "
        "peer knows: write its key to /etc/wireguard/wg0.key on the host (mode 0600); or remove the interface and its files, "
        "and a new key is made",
    )
    assert not [text for text in result.warnings if "mesh_public_key" in text]
    assert fleet(host("h1", public_key="")).problems == (), "the key file has a key"


def test_losses_are_reported_together_with_other_problems() -> None:
    dns = {"findings": ["/a, line 3: DNS sets it"]}
    hosts = [host("h1", {"port": 5}, **dns), host("h2", {"mtu": "x"}, mtu=1280, fwmark=7)]
    said = "\n".join(fleet(*hosts).problems)
    assert "host 'h2': mesh_mtu: 'x'" in said and "has the MTU" not in said, "a wrong value is not compared"
    for part in ("/a, line 3: DNS", "set mesh_port to 51999", "host 'h2': mesh_fwmark: wg0 marks"):
        assert part in said, said
    allowed = fleet(host("h1", {"port": 5, "mtu": "x", "adopt_allow_loss": True}, **dns))
    assert len(allowed.problems) == 1, allowed.problems


def test_a_profile_of_networkmanager_that_connects_by_itself_is_refused() -> None:
    """It would make the interface again at the next boot."""
    path = "/etc/NetworkManager/system-connections/wg0.nmconnection"
    (problem,) = fleet(host("h1", {"adopt_allow_loss": True}, profile=path)).problems
    said = f"host 'h1': mesh_adopt: {path}, a profile of NetworkManager, would make wg0 again at the next boot: write "
    assert problem.startswith(said) and "nmcli connection load" in problem


@pytest.mark.parametrize("adopt", [True, False])
def test_a_host_that_is_only_refused_for_adoption_has_no_unknown_key(adopt: bool) -> None:
    unread = {"runs": True, "unread": True}
    hosts = [
        HostInput(name, {"adopt": adopt, "network": "10.8.0.0/24"}, "", fact_of(name, public_key=None, existing=unread))
        for name in NAMES[:2]
    ]
    silent = HostInput("h3", {"network": "10.8.0.0/24"})
    result = plan_mesh([*hosts, silent], overlay="mesh")
    assert len(result.problems) == 1 and result.problems[0].startswith("hosts 'h1', 'h2': mesh_")
    (unknown,) = [text for text in result.warnings if "public key" in text]
    assert unknown.startswith("host 'h3': ")


def test_a_peer_is_described_kept_or_revoked() -> None:
    phone = line("p9", "10.8.0.9/32", "none", 25)
    described = {
        "name": "phone",
        "public_key": key_of("p9"),
        "allowed_ips": ["10.8.0.9/32"],
        "persistent_keepalive": 25,
    }
    for variables in ({"static_peers": [described]}, {"purge": False}, {"revoked": key_of("p9")}):
        assert fleet(host("h1", variables, phone)).problems == (), variables
    lacking = fleet(host("h1", {"static_peers": [{**described, "allowed_ips": []}]}, phone)).problems
    assert any("mesh_static_peers: the peer phone has the allowed IPs 10.8.0.9/32" in text for text in lacking)


def test_an_endpoint_learned_by_roaming_is_no_loss_where_none_is_planned() -> None:
    def seen_by(name: str, h2: str) -> HostInput:
        return host(name, peers="\n".join([h2, line("h3" if name == "h1" else "h1")]))

    learned = line("h2", endpoint="203.0.113.2:999", marks="runs,learned")
    hosts = [seen_by("h1", learned), host("h2", {"endpoint": "none"}), seen_by("h3", line("h2", endpoint="none"))]
    assert fleet(*hosts).problems == ()
    assert "203.0.113.2:999" in str(fleet(hosts[0]).problems)


def test_a_port_of_the_kernels_choice_is_not_kept() -> None:
    result = fleet(host("h1", None, listen_port=40000, port_is_configured=False))
    assert any(
        f"{address_of('h1')}:51999, which would become {address_of('h1')}:51820" in text for text in result.problems
    )
