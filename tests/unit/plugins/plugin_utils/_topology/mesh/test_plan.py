# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans out of variables, facts and cached state."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.facts import peer_lines
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import (
    decode_key,
    encode_key,
    public_key,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.state_file import KnownPeer
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import NotInPlan, host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import FleetPlan, HostInput
from hypothesis import given
from hypothesis import strategies as st
from planned_fleet import (
    fact_of,
    first_addresses,
    host,
    interface,
    key_of,
    peers,
    planned,
    problems,
    remembered,
    silent,
    warnings,
)

# The hosts send no ICMP redirects (IN_DEV_TX_REDIRECTS: the interface's own value or that of all).
FORWARDS = {
    "net.ipv4.ip_forward": "1",
    "net.ipv4.conf.all.send_redirects": "0",
    "net/ipv4/conf/wg0/send_redirects": "0",
}

NAMES = [f"h{number}" for number in range(1, 8)]


def remembering(plan: FleetPlan, name: str) -> dict[str, Any]:
    """Return the fact of a host after its plan was applied."""
    return {
        "addresses": list(plan.hosts[name].addresses),
        "peers": peer_lines(
            {
                peer["public_key"]: KnownPeer(other, tuple(peer["addresses"]), peer["endpoint"] or "")
                for other, peer in peers(plan, name).items()
            }
        ),
    }


def test_a_fleet_of_two() -> None:
    plan = planned(
        host("h1", {"addresses": "10.42.0.1", "networks": "192.168.1.0/24"}),
        host("h2", {"addresses": "10.42.0.2", "persistent_keepalive": 25}),
    )
    assert interface(plan, "h2") == {
        "name": "wg0",
        "inventory_name": "h2",
        "private_key_file": "/etc/wireguard/wg0.key",
        "listen_port": 51820,
        "fwmark": 0,
        "mtu": 1440,
        "addresses": ["10.42.0.2/24"],
        "routes": True,
        "purge": True,
        "userspace": False,
        "adopt": False,
        "persistence": "wg_quick",
        "allow_mass_removal": False,
        "peers": [
            {
                "public_key": key_of("h1"),
                "name": "h1",
                "endpoint": "198.51.100.1:51820",
                "allowed_ips": ["10.42.0.1/32", "192.168.1.0/24"],
                "persistent_keepalive": 25,
                "addresses": ["10.42.0.1"],
            }
        ],
        "unknown_peers": [],
        "revoked": {},
        "sysctls": {},
        "notes": {"port": "51820"},
    }
    assert interface(plan, "h1")["sysctls"] == FORWARDS


@given(st.permutations(NAMES))
def test_the_order_of_the_inventory_does_not_matter(names: list[str]) -> None:
    assert json.dumps(planned(*map(host, names)).to_dict()) == json.dumps(planned(*map(host, NAMES)).to_dict())


@given(st.sets(st.sampled_from(NAMES), min_size=1), st.sets(st.sampled_from(NAMES)))
def test_unreachable_hosts_stay_peers(members: set[str], down: set[str]) -> None:
    """After one complete run, the reachable hosts have cached the state of the others."""
    first = planned(*map(host, members))
    up = members - down
    if not up:
        return
    second = planned(
        *(host(name, **remembering(first, name)) for name in up),
        *(silent(name) for name in members - up),
    )
    assert first_addresses(second, members) == first_addresses(first, members)
    assert second.unknown == ()
    for name in up:
        kept = [
            {**peer, "keep_preshared_key": True} if peer["name"] in down else peer
            for peer in interface(first, name)["peers"]
        ]
        assert interface(second, name)["peers"] == kept


def test_a_new_host_gets_an_unreachable_host_as_peer() -> None:
    first = planned(host("h1"), host("h2"))
    second = planned(host("h1", **remembering(first, "h1")), silent("h2"), host("h3"))
    assert peers(second, "h3")["h2"] == {**peers(first, "h1")["h2"], "keep_preshared_key": True}


def test_a_reported_key_comes_before_cached_ones() -> None:
    plan = planned(host("h1"), host("h2", peers=remembered("h1", "10.42.0.9", key=key_of("older"))))
    assert plan.hosts["h1"].public_key == key_of("h1")


def test_the_inventory_comes_before_cached_keys() -> None:
    known = silent("h1", {"public_key": key_of("x") + "\n"})
    plan = planned(known, host("h2", peers=remembered("h1", key=key_of("older"))))
    assert plan.hosts["h1"].public_key == key_of("x")


def test_revoked_cached_keys_are_no_contradiction() -> None:
    neighbours = [
        host("h2", peers=remembered("h1", key=key_of("older"))),
        host("h3", {"revoked": key_of("older")}, peers=remembered("h1")),
    ]
    plan = planned(silent("h1"), *neighbours)
    assert plan.hosts["h1"].public_key == key_of("h1")


def test_an_unknown_key() -> None:
    plan = planned(host("h1"), host("h2"), silent("h3"))
    assert plan.unknown == ("h3",)
    assert set(peers(plan, "h1")) == {"h2"}
    assert interface(plan, "h1")["unknown_peers"] == ["h3"]
    with pytest.raises(NotInPlan, match="no facts of 'h3'"):
        host_document(plan, "h3")


def test_keys_that_a_run_will_generate_are_placeholders() -> None:
    """Old keys in state files or with others do not count: the run replaces them."""
    old = {"peers": remembered("h1", "10.42.0.99", key=key_of("older"))}
    plan = planned(host("h1", public_key=key_of("older"), new_key=True), host("h2", **old), host("h3", new_key=True))
    assert plan.unknown == ()
    assert (interface(plan, "h1")["new_key"], "new_key" in interface(plan, "h2")) == ("the new key of h1", False)
    of_h2 = peers(plan, "h2")
    assert {name: peer["public_key"] for name, peer in of_h2.items()} == {
        "h1": "the new key of h1",
        "h3": "the new key of h3",
    }
    real = planned(host("h1"), host("h2", **old), host("h3"))
    assert of_h2 == {
        name: {**peer, "public_key": of_h2[name]["public_key"]} for name, peer in peers(real, "h2").items()
    }


def test_a_private_key_in_the_inventory_is_refused_without_quoting_it() -> None:
    private = key_of("private")
    of_h1 = encode_key(public_key(decode_key(private)))
    (problem,) = problems(host("h1", {"public_key": private}, public_key=of_h1), host("h2"))
    assert "mesh_public_key: this is the private key of the host" in problem and "regenerate=true" in problem
    (other,) = problems(host("h1", {"public_key": private}), host("h2"))
    assert private not in problem + other


def test_a_key_in_the_inventory_that_a_new_one_would_contradict() -> None:
    (problem,) = problems(host("h1", {"public_key": key_of("h1")}, new_key=True), host("h2"))
    assert "the inventory has a key, but the host has none" in problem and key_of("h1") not in problem
    assert "mesh_public_key" in problem and "/etc/wireguard/wg0.key" in problem


def test_a_reinstalled_host_gets_its_address_back() -> None:
    others = [host(name, peers=remembered("h1", "10.42.0.99", key=key_of("older"))) for name in ("h2", "h3")]
    plan = planned(host("h1"), *others)
    assert plan.hosts["h1"].addresses == (parse_address("10.42.0.99/24"),)
    assert plan.hosts["h1"].public_key == key_of("h1")


def test_a_false_report_gets_no_address_of_another_host() -> None:
    """The third host has cached the owner of the address; otherwise its packets would go to the false claimant."""
    victim = host("h2", addresses=["10.42.0.99/24"])
    knows = host("h3", peers=remembered("h2", "10.42.0.99", "198.51.100.2:51820"))
    plan = planned(host("h1", addresses=["10.42.0.99/24"]), victim, knows)
    assert plan.hosts["h2"].addresses == (parse_address("10.42.0.99/24"),)
    assert plan.hosts["h1"].addresses != (parse_address("10.42.0.99/24"),)


def test_a_report_that_others_contradict_changes_no_other_host() -> None:
    """The owner is unreachable, so nobody can say who is right: the third host keeps what it has of both."""
    knows = host("h3", peers=remembered("h2", "10.42.0.99", "198.51.100.2:51820"))
    plan = planned(host("h1", addresses=["10.42.0.99/24"]), silent("h2"), knows)
    assert peers(plan, "h3") == {}
    assert interface(plan, "h3")["unknown_peers"] == ["h1", "h2"]
    with pytest.raises(
        NotInPlan, match=r"'h1' is refused, so its overlay is not changed: 10.42.0.99 is the address of 'h2'"
    ):
        host_document(plan, "h1")


def test_a_second_network_keeps_the_addresses_of_the_first() -> None:
    both = {"network": ["10.42.0.0/24", "fd42::/64"]}
    before = planned(*map(host, NAMES))
    after = planned(*(host(name, both, **remembering(before, name)) for name in NAMES))
    assert first_addresses(after, NAMES) == first_addresses(before, NAMES)
    assert all(len(after.hosts[name].addresses) == 2 for name in NAMES)


def test_revoked_hosts_with_all_their_keys() -> None:
    plan = planned(
        host("h1", {"revoked": ["h2", "gone"]}),
        host("h2"),
        host("h3", peers="\n".join((remembered("h2", key=key_of("older")), remembered("gone")))),
        host("h4", revoked={key_of("long ago"): "h0"}),
    )
    assert set(plan.hosts) == {"h1", "h3", "h4"}
    assert plan.excluded == ("h2",)
    assert plan.revoked == {
        key_of("h2"): "h2",
        key_of("older"): "h2",
        key_of("gone"): "gone",
    }
    assert interface(plan, "h1")["revoked"] == plan.revoked


def test_facts_of_a_revoked_host_are_ignored() -> None:
    liar = host(
        "h2",
        revoked={key_of("h3"): "h3"},
        peers="\n".join((remembered("h1", key=key_of("evil")), remembered("h9", key=key_of("evil")))),
    )
    plan = planned(silent("h1"), liar, host("h3", {"revoked": "h2"}, peers=remembered("h1")))
    assert plan.hosts["h1"].public_key == key_of("h1")
    assert plan.revoked == {}, "h1 does not report its key, so it may be the one that h2 reports"
    assert set(peers(plan, "h3")) == {"h1"}


def test_a_reinstalled_host_with_a_new_key() -> None:
    plan = planned(host("h1", public_key=key_of("new")), host("h2", revoked={key_of("h1"): "h1"}))
    assert plan.hosts["h1"].public_key == key_of("new")
    assert set(peers(plan, "h2")) == {"h1"}


def test_variables_that_depend_on_missing_facts() -> None:
    first = planned(host("h1"), host("h2"))
    unheard = HostInput("h2", {"network": "10.42.0.0/24"}, unresolved={"networks": "undefined"})
    outcome = plan_mesh([host("h1", **remembering(first, "h1")), unheard, host("h3")])
    assert outcome.plan is not None
    assert interface(outcome.plan, "h1")["unknown_peers"] == ["h2"]
    assert set(peers(outcome.plan, "h1")) == {"h3"}
    assert "and mesh_networks undefined, without its facts; other hosts keep" in outcome.warnings[0]
    assert first.hosts["h2"].addresses[0] not in outcome.plan.hosts["h3"].addresses


def test_variables_that_cannot_be_evaluated_with_facts() -> None:
    outcome = plan_mesh([HostInput("h1", {}, "", fact_of("h1"), {"mtu": "'x' is undefined"})])
    assert "host 'h1': mesh_mtu: 'x' is undefined" in outcome.problems


def test_variables_that_depend_on_facts_of_a_later_batch_or_of_a_host_outside_of_the_run() -> None:
    other = HostInput("h2", {"network": "10.42.0.0/24"}, "", fact_of("h2"), {"mtu": "'x' is undefined"}, reached=False)
    (problem,) = plan_mesh([host("h1"), other]).problems
    assert problem.startswith("host 'h2': mesh_mtu: 'x' is undefined; the host is of a later batch")
    outside = other._replace(outside=True)
    (problem,) = plan_mesh([host("h1"), outside]).problems
    assert problem == (
        "host 'h2': mesh_mtu: 'x' is undefined; the host is not in this run, and 'h1' has no tunnel to it yet: gather its facts "
        "in a play before this one, which --limit has too, or write a value without facts"
    )
    # A host that cannot be reached, or that is a peer already, prevents nothing.
    for one in (host("h1"), host("h1", peers=remembered("h2"))):
        outcome = plan_mesh(
            [one, outside._replace(fact=None) if not one.fact["interfaces"]["wg0"]["peers"] else outside]
        )
        assert outcome.plan is not None and interface(outcome.plan, "h1")["unknown_peers"] == ["h2"]
        assert "the host is not in this run, and mesh_mtu 'x' is undefined, without its facts; " in outcome.warnings[0]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"networks": "192.168.1.0/24"}, FORWARDS),
        ({"networks": "fd43::/64"}, {"net.ipv6.conf.all.forwarding": "1"}),
        (
            {"networks": ["192.168.1.0/24", "fd43::/64"]},
            {**FORWARDS, "net.ipv6.conf.all.forwarding": "1"},
        ),
        ({"networks": "192.168.1.0/24", "forward": False}, {}),
        ({"forward": True}, FORWARDS),
        ({"forward": "auto"}, {}),
        ({}, {}),
    ],
)
def test_forwarding(variables: dict[str, object], expected: dict[str, str]) -> None:
    assert interface(planned(host("h1", variables), host("h2")), "h1")["sysctls"] == expected


@pytest.mark.parametrize(
    ("variables", "fact", "expected"),
    [
        ({}, "networkd", "networkd"),
        ({}, "nonsense", "none"),
        ({"persistence": "wg_quick"}, "networkd", "wg_quick"),
        ({"persistence": "none"}, "networkd", "none"),
    ],
)
def test_persistence(variables: dict[str, object], fact: str, expected: str) -> None:
    assert interface(planned(host("h1", variables, persistence=fact), host("h2")), "h1")["persistence"] == expected


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (host("h2"), 1440),
        (host("h2", {"endpoint": "vpn.example.org"}), 1420),
        (host("h2", {"endpoint": "none"}), 1440),
        (host("h2", {"endpoint": "2001:db8::2"}), 1420),
    ],
)
def test_the_mtu_follows_the_underlay(other: HostInput, expected: int) -> None:
    one = host("h1", ipv6="2001:db8::1")
    assert interface(planned(one, other), "h1")["mtu"] == expected


def test_the_mtu_accounts_for_static_peers_and_overrides() -> None:
    peer = {"public_key": key_of("x"), "endpoint": "[2001:db8::9]:1"}
    assert interface(planned(host("h1", {"static_peers": [peer]}), host("h2")), "h1")["mtu"] == 1420
    override = {"peer_overrides": {"h2": {"endpoint": "2001:db8::9"}}}
    assert interface(planned(host("h1", override), host("h2")), "h1")["mtu"] == 1420


def test_one_host_alone() -> None:
    plan = planned(host("h1", ipv6="2001:db8::1"))
    assert interface(plan, "h1")["peers"] == []
    assert interface(plan, "h1")["mtu"] == 1420


def test_assumed_mtus_give_no_warning() -> None:
    plan = planned(host("h1", mtu=9000), host("h2", mtu=9000))
    again = [host("h1", mtu=9000, **remembering(plan, "h1")), silent("h2")]
    assert warnings(*again) == ()


def test_the_plan_has_each_host_once_and_no_secret() -> None:
    peer = {"name": "phone", "public_key": key_of("phone"), "preshared_key": "canary"}
    sizes = []
    for count in (50, 100):
        hosts = [host(f"h{number}", {"static_peers": [peer]}) for number in range(1, count + 1)]
        text = json.dumps(planned(*hosts).to_dict())
        assert "canary" not in text
        sizes.append(len(text))
    assert sizes[1] < 2.1 * sizes[0]


def test_what_a_gateway_forwards_is_checked_against_its_firewall() -> None:
    plan = planned(
        host("h1", {"networks": "10.77.0.0/24"}),
        host("h2", {"forward": True, "open_firewall": True}),
        host("h3", {"networks": "10.78.0.0/24", "forward": False}),
    )
    documents = {name: host_document(plan, name) for name in plan.hosts}
    assert {name: document.get("forwards") for name, document in documents.items()} == {
        "h1": {"wg0": ["10.77.0.0/24"]},
        "h2": {"wg0": []},
        "h3": None,
    }
    assert [name for name, document in documents.items() if document.get("open_firewall")] == ["h2"]
