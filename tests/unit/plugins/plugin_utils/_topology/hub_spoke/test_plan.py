# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of hubs and spokes from the inventory, facts and reports of peers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.settings import VARIABLES
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import FleetPlan, HostInput
from hypothesis import given
from hypothesis import strategies as st
from planned_fleet import key_of, remembered
from planned_hub_spoke import (
    SECOND,
    address,
    applied,
    device_key,
    hub,
    interfaces,
    peers,
    planned,
    silent,
    spoke,
)

FLEET = (hub("h1"), hub("h2", SECOND), spoke("h3", {"networks": "10.50.3.0/24"}), spoke("h4"), spoke("h5"))
NAMES = {host.name for host in FLEET}
NEW = {"new_key": True}


def test_a_hub_and_a_spoke() -> None:
    plan = planned(
        hub("h1", {"addresses": "10.43.0.1", "networks": "10.60.0.0/16"}),
        spoke("h2", {"addresses": "10.43.0.2", "networks": "10.50.2.0/24"}),
        spoke("h3", {"addresses": "10.43.0.3", "networks": "10.50.3.0/24"}),
    )
    common = {
        "fwmark": 0,
        "mtu": 1440,
        "routes": True,
        "purge": True,
        "userspace": False,
        "adopt": False,
        "persistence": "wg_quick",
        "allow_mass_removal": False,
        "unknown_peers": [],
        "revoked": {},
        "sysctls": {
            "net.ipv4.ip_forward": "1",
            "net.ipv4.conf.all.send_redirects": "0",
            "net/ipv4/conf/wg0/send_redirects": "0",
        },
        "name": "wg0",
        "private_key_file": "/etc/wireguard/wg0.key",
        "listen_port": 51820,
        "notes": {"port": "51820"},
    }
    assert interfaces(plan, "h2")["wg0"] == {
        **common,
        "inventory_name": "h2",
        "addresses": ["10.43.0.2/32"],
        "route_metric": 100,
        "peers": [
            {
                "public_key": key_of("h1"),
                "name": "h1",
                "endpoint": "198.51.100.1:51820",
                "allowed_ips": ["10.43.0.1/32", "10.60.0.0/16", "10.43.0.0/24", "10.50.3.0/24"],
                "persistent_keepalive": 25,
                "addresses": ["10.43.0.1"],
            }
        ],
    }
    assert interfaces(plan, "h1")["wg0"] == {
        **common,
        "inventory_name": "h1",
        "addresses": ["10.43.0.1/24"],
        "peers": [
            {
                "public_key": key_of(f"h{number}"),
                "name": f"h{number}",
                "endpoint": None,
                "allowed_ips": [f"10.43.0.{number}/32", f"10.50.{number}.0/24"],
                "persistent_keepalive": 0,
                "addresses": [f"10.43.0.{number}"],
            }
            for number in (2, 3)
        ],
    }


@given(st.permutations(FLEET))
def test_the_order_of_the_inventory_does_not_matter(hosts: list[HostInput]) -> None:
    assert json.dumps(planned(*hosts).to_dict()) == json.dumps(planned(*FLEET).to_dict())


def test_a_plan_survives_serialization() -> None:
    plan = planned(*FLEET)
    data = json.loads(json.dumps(plan.to_dict()))
    assert FleetPlan.from_dict(data) == plan
    read = FleetPlan.from_dict(data, device_of="h3")
    assert host_document(read, "h3") == host_document(plan, "h3")


@given(st.sets(st.sampled_from(sorted(NAMES))))
def test_an_unreachable_host_is_kept(down: set[str]) -> None:
    """After one complete run, reachable hosts get the same document again."""
    first = planned(*FLEET)
    again = [applied(host, first) for host in FLEET]
    second = planned(*(silent(host) if host.name in down else host for host in again))
    restored = {host.name: host for host in again}
    for name in NAMES - down:
        before, after = interfaces(first, name), interfaces(second, name)
        for interface, entry in after.items():
            known = {peer["name"]: peer for peer in entry["peers"]}
            had = {
                peer["name"]: {**peer, "keep_preshared_key": True} if peer["name"] in down else peer
                for peer in before[interface]["peers"]
            }
            # Only the hub knows a spoke's key, all spokes know a hub's.
            assert known == {peer: had[peer] for peer in known}
            assert set(had) - set(known) == set(entry["unknown_peers"])
            remembered = str(restored[name].fact)
            assert not [peer for peer in entry["unknown_peers"] if had[peer]["public_key"] in remembered]


def test_each_device_of_a_spoke_has_its_own_key_and_the_hubs_metric() -> None:
    plan = planned(*FLEET)
    devices = interfaces(plan, "h4")
    assert list(devices) == ["wg0", "wg1"]
    assert [(entry["private_key_file"], entry["route_metric"], entry["listen_port"]) for entry in devices.values()] == [
        ("/etc/wireguard/wg0.key", 100, 51820),
        ("/etc/wireguard/wg1.key", 200, 0),
    ]
    assert [list(peers(plan, "h4", interface)) for interface in devices] == [["h1"], ["h2"]]
    assert {entry["addresses"][0] for entry in devices.values()} == {address(plan, "h4") + "/32"}
    assert peers(plan, "h1")["h4"]["public_key"] == device_key("h4", "wg0")
    assert peers(plan, "h2", "wg1")["h4"]["public_key"] == device_key("h4", "wg1")


def test_hubs_are_peers_of_each_other_on_their_own_devices() -> None:
    plan = planned(hub("h1"), hub("h2", {**SECOND, "networks": "10.60.2.0/24"}), spoke("h3"))
    assert peers(plan, "h1")["h2"]["public_key"] == device_key("h2", "wg1")
    assert peers(plan, "h1")["h2"]["endpoint"] == "198.51.100.2:51820"
    assert peers(plan, "h1")["h2"]["allowed_ips"] == [address(plan, "h2") + "/32", "10.60.2.0/24"]
    assert peers(plan, "h2", "wg1")["h1"]["public_key"] == device_key("h1", "wg0")


def test_networks_behind_a_hub_are_sent_to_that_hub_only() -> None:
    """A hub accepts a spoke's packets from that spoke only, so another hub cannot forward them."""
    plan = planned(hub("h1"), hub("h2", {**SECOND, "networks": "10.60.2.0/24"}), spoke("h3"))
    allowed = [peers(plan, "h3", interface)[name]["allowed_ips"] for interface, name in (("wg0", "h1"), ("wg1", "h2"))]
    assert allowed == [
        [address(plan, "h1") + "/32", "10.43.0.0/24"],
        [address(plan, "h2") + "/32", "10.60.2.0/24", "10.43.0.0/24"],
    ]


def test_a_new_spoke_changes_nothing_on_the_others() -> None:
    before = planned(*FLEET)
    after = planned(*FLEET, spoke("h6"))
    for name in ("h3", "h4", "h5"):
        assert host_document(after, name) == host_document(before, name)
    assert set(peers(after, "h1")) - set(peers(before, "h1")) == {"h6"}


def test_a_new_hub_adds_a_device_and_keeps_the_first() -> None:
    one, *spokes = FLEET[0], *FLEET[2:]
    before, after = planned(one, *spokes), planned(*FLEET)
    for name in ("h3", "h4", "h5"):
        old, new = interfaces(before, name), interfaces(after, name)
        assert set(new) - set(old) == {"wg1"}
        assert {**new["wg0"], "sysctls": {}} == {**old["wg0"], "sysctls": {}}
        assert new["wg0"]["sysctls"] == {**old["wg0"]["sysctls"], "net/ipv4/conf/wg0/rp_filter": "2"}


def test_a_new_preferred_hub_keeps_the_port_of_the_first_device() -> None:
    plan = planned(hub("h1"), hub("h2", {"interface": "wg1", "priority": 50}), spoke("h3"))
    devices = interfaces(plan, "h3")
    assert {name: (entry["listen_port"], entry["route_metric"]) for name, entry in devices.items()} == {
        "wg1": (0, 50),
        "wg0": (51820, 100),
    }


def test_a_site_added_to_a_spoke_is_one_more_allowed_ip_of_the_others() -> None:
    sites = [planned(hub("h1"), spoke("h2"), spoke("h3", {"networks": site})) for site in ("", "10.50.3.0/24")]
    before, after = (peers(plan, "h2")["h1"]["allowed_ips"] for plan in sites)
    assert after == [*before, "10.50.3.0/24"]
    own = [peers(plan, "h3")["h1"]["allowed_ips"] for plan in sites]
    assert own[0] == own[1]


def test_isolated_spokes_have_allowed_ips_of_the_hub_and_networks_behind_it_only() -> None:
    isolated = {"isolate": True}
    plan = planned(
        hub("h1", {**isolated, "networks": "10.60.0.0/16"}),
        hub("h2", {**isolated, **SECOND}),
        spoke("h3"),
        spoke("h4", {"networks": "10.50.4.0/24"}),
    )
    assert peers(plan, "h3")["h1"]["allowed_ips"] == [address(plan, "h1") + "/32", "10.60.0.0/16"]
    assert peers(plan, "h3", "wg1")["h2"]["allowed_ips"] == [address(plan, "h2") + "/32"]
    assert peers(plan, "h1")["h4"]["allowed_ips"] == [address(plan, "h4") + "/32", "10.50.4.0/24"]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, 25),
        ({"endpoint": "none"}, 25),
        ({"endpoint": "auto"}, 25),
        ({"endpoint": "vpn.example.org"}, 0),
        ({"persistent_keepalive": 10}, 10),
        ({"persistent_keepalive": 0}, 0),
        ({"endpoint": "vpn.example.org", "persistent_keepalive": "15"}, 15),
    ],
)
def test_keepalive_is_on_the_side_behind_nat(variables: dict[str, object], expected: int) -> None:
    plan = planned(hub("h1"), spoke("h2", variables))
    assert peers(plan, "h2")["h1"]["persistent_keepalive"] == expected
    assert peers(plan, "h1")["h2"]["persistent_keepalive"] == 0


def test_a_spoke_has_no_endpoint_unless_it_is_configured() -> None:
    variables = {"endpoint": "192.0.2.3:7000", "ports": {"wg1": 51821}}
    plan = planned(hub("h1"), hub("h2", SECOND), spoke("h3", variables), spoke("h4", {"endpoint": "192.0.2.4"}))
    assert peers(plan, "h1")["h3"]["endpoint"] == "192.0.2.3:7000"
    assert peers(plan, "h2", "wg1")["h3"]["endpoint"] == "192.0.2.3:51821"
    assert peers(plan, "h1")["h4"]["endpoint"] == "192.0.2.4:51820"
    assert peers(plan, "h2", "wg1")["h4"]["endpoint"] is None
    assert peers(planned(*FLEET), "h1")["h4"]["endpoint"] is None


def test_ports_of_a_spokes_devices() -> None:
    plan = planned(hub("h1"), hub("h2", SECOND), spoke("h3", {"port": 7000, "ports": {"wg1": 7001}}))
    assert [entry["listen_port"] for entry in interfaces(plan, "h3").values()] == [7000, 7001]


def test_the_port_is_on_the_first_device_if_no_name_matches() -> None:
    plan = planned(
        hub("h1", {"interface": "wg-b", "priority": 20}),
        hub("h2", {"interface": "wg-a", "priority": 10}),
        spoke("h3", devices={"wg-a": {}, "wg-b": {}}),
    )
    assert {name: entry["listen_port"] for name, entry in interfaces(plan, "h3").items()} == {"wg-a": 51820, "wg-b": 0}


def test_one_key_file_for_all_devices() -> None:
    same = {name: {"public_key": key_of("h3")} for name in ("wg0", "wg1")}
    plan = planned(hub("h1"), hub("h2", SECOND), spoke("h3", {"private_key_file": "/etc/wireguard/x.key"}, same))
    assert {entry["private_key_file"] for entry in interfaces(plan, "h3").values()} == {"/etc/wireguard/x.key"}
    assert peers(plan, "h1")["h3"]["public_key"] == peers(plan, "h2", "wg1")["h3"]["public_key"] == key_of("h3")


def test_forwarding() -> None:
    both = {"network": ["10.43.0.0/24", "fd43::/64"]}
    plan = planned(hub("h1", both), spoke("h2", {**both, "networks": "10.50.2.0/24"}), spoke("h3", both))
    ipv4 = {"net.ipv4.ip_forward", "net.ipv4.conf.all.send_redirects", "net/ipv4/conf/wg0/send_redirects"}
    assert set(interfaces(plan, "h1")["wg0"]["sysctls"]) == {*ipv4, "net.ipv6.conf.all.forwarding"}
    assert set(interfaces(plan, "h2")["wg0"]["sysctls"]) == ipv4
    assert interfaces(plan, "h3")["wg0"]["sysctls"] == {}


def test_both_families() -> None:
    both = {"network": ["10.43.0.0/24", "fd43::/64"]}
    plan = planned(hub("h1", both), spoke("h2", both))
    assert [text.rpartition("/")[2] for text in interfaces(plan, "h2")["wg0"]["addresses"]] == ["32", "128"]
    assert peers(plan, "h2")["h1"]["allowed_ips"][2:] == ["10.43.0.0/24", "fd43::/64"]


def test_the_mtu_follows_the_tunnels_to_hubs() -> None:
    """The address family of a spoke affects the hub's MTU, not that of other spokes."""
    plan = planned(hub("h1", ipv6="2001:db8::1"), spoke("h2"), spoke("h3", ipv4="", ipv6="2001:db8::3"))
    assert [interfaces(plan, name)["wg0"]["mtu"] for name in ("h1", "h2", "h3")] == [1420, 1440, 1420]


def test_a_spoke_reports_an_unreachable_hub() -> None:
    first = planned(*FLEET)
    plan = planned(silent(FLEET[0]), *(applied(host, first) for host in FLEET[1:]))
    hub_name = FLEET[0].name
    assert peers(plan, "h4") == {
        name: {**peer, "keep_preshared_key": True} if name == hub_name else peer
        for name, peer in peers(first, "h4").items()
    }


def test_a_hub_with_an_unknown_key() -> None:
    plan = planned(silent(hub("h1")), spoke("h2"))
    assert peers(plan, "h2") == {}
    assert interfaces(plan, "h2")["wg0"]["unknown_peers"] == ["h1"]
    assert plan.unknown == ("h1",)


@pytest.mark.parametrize(("reached", "warned"), [("s3", False), ("h1", True)])
def test_the_unknown_key_of_a_spoke_concerns_its_hub_only(reached: str, warned: bool) -> None:
    """A run limited to another spoke needs no key of it: spokes are no peers of each other."""
    known = "\n".join(remembered(name, f"10.43.0.{name[1:]}") for name in ("h1", "s3"))
    hosts = [hub("h1", peers=known), spoke("s3", peers=known), silent(spoke("s4"))]
    outcome = plan_hub_spoke([one._replace(reached=one.name == reached, outside=one.name != reached) for one in hosts])
    assert outcome.plan is not None, outcome.problems
    assert any("'s4': hub_spoke_public_key" in line for line in outcome.warnings) is warned


def test_a_spoke_with_an_unknown_key_on_one_device() -> None:
    plan = planned(*FLEET[:2], spoke("h3", devices={"wg0": {}}), spoke("h4"))
    assert set(peers(plan, "h1")) == {"h2", "h3", "h4"}
    assert set(peers(plan, "h2", "wg1")) == {"h1", "h4"}
    assert interfaces(plan, "h2")["wg1"]["unknown_peers"] == ["h3"]


def test_a_new_host_gets_a_free_address() -> None:
    first = planned(*FLEET)
    again = [applied(host, first) for host in FLEET]
    plan = planned(again[0], again[1], *(silent(host) for host in again[2:]), spoke("h6"))
    assert {name: plan.hosts[name].addresses for name in NAMES} == {name: first.hosts[name].addresses for name in NAMES}


def test_a_revoked_spoke_is_dropped_with_the_keys_of_all_its_devices() -> None:
    plan = planned(hub("h1", {"revoked": ["h4"]}), *FLEET[1:])
    assert plan.excluded == ("h4",)
    assert plan.revoked == {device_key("h4", interface): "h4" for interface in ("wg0", "wg1")}
    assert set(peers(plan, "h1")) == {"h2", "h3", "h5"}


def test_the_device_to_a_revoked_hub_is_removed() -> None:
    plan = planned(hub("h1", {"revoked": ["h2"]}), *FLEET[1:])
    assert plan.retired == ("wg1",)
    assert interfaces(plan, "h4")["wg1"] == {"name": "wg1", "state": "absent"}
    assert list(interfaces(plan, "h1")) == ["wg0"]


def test_variables_that_depend_on_facts_of_an_unreachable_spoke() -> None:
    unreachable = silent(spoke("h3"))._replace(unresolved={"networks": "undefined"})
    plan = planned(hub("h1"), unreachable, spoke("h4"))
    assert plan.hosts["h3"].device is None
    assert interfaces(plan, "h1")["wg0"]["unknown_peers"] == ["h3"]


def test_the_plan_describes_each_host_once_and_has_no_secret() -> None:
    peer = {"name": "phone", "public_key": key_of("phone"), "preshared_key": "canary"}
    sizes = []
    for count in (50, 100):
        spokes = [spoke(f"h{number}") for number in range(3, count + 3)]
        text = json.dumps(planned(hub("h1", {"static_peers": [peer]}), hub("h2", SECOND), *spokes).to_dict())
        assert "canary" not in text
        sizes.append(len(text))
    assert sizes[1] < 2.1 * sizes[0]


def test_the_plan_depends_on_its_input_only() -> None:
    assert plan_hub_spoke(FLEET) == plan_hub_spoke(FLEET)


def test_all_variables_are_options_of_the_role() -> None:
    role = Path(__file__).parents[6] / "roles/hub_spoke/meta/argument_specs.yml"
    options = yaml.safe_load(role.read_text())["argument_specs"]["main"]["options"]
    assert {f"hub_spoke_{variable}" for variable in VARIABLES} <= set(options)


def test_each_interface_of_a_spoke_has_a_placeholder_for_a_key_of_its_own() -> None:
    fleet = (hub("h1", new_key=True), hub("h2", SECOND), spoke("s1", None, {"wg0": NEW, "wg1": NEW}))
    plan = planned(*fleet)
    assert {name: one["new_key"] for name, one in interfaces(plan, "s1").items()} == {
        "wg0": "the new key of s1",
        "wg1": "the new key of s1 on wg1",
    }
    assert peers(plan, "h1")["s1"]["public_key"] == "the new key of s1"
    assert peers(plan, "h2", "wg1")["s1"]["public_key"] == "the new key of s1 on wg1"
    assert peers(plan, "s1")["h1"]["public_key"] == "the new key of h1"


def test_a_key_file_for_all_interfaces_has_one_placeholder() -> None:
    one = {"private_key_file": "/etc/wireguard/one.key"}
    plan = planned(hub("h1"), hub("h2", SECOND), spoke("s1", one, {"wg0": NEW, "wg1": NEW}))
    assert {one["new_key"] for one in interfaces(plan, "s1").values()} == {"the new key of s1"}
