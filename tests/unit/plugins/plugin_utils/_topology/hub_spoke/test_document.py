# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's document besides interfaces: nftables rules and secrets."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.options import parse
from ansible_collections.wirewright.overlay.plugins.plugin_utils._preshared_keys import PresharedKeys
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import (
    Secrets,
    host_document,
    key_missing,
)
from planned_fleet import key_of
from planned_hub_spoke import SECOND, device_key, hub, interfaces, peers, planned, spoke

MASTER = "a-master-of-good-length"
THROUGH = [{"iif": "wg0"}, {"oif": "wg0"}]
AMONG = [{"iif": "wg0", "oif": "wg0"}]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {"forward": AMONG}),
        ({"isolate": True}, {"isolate": True}),
        ({"isolate": True, "networks": "10.60.0.0/16"}, {"isolate": True, "forward": THROUGH}),
        ({"networks": "10.60.0.0/16"}, {"forward": AMONG + THROUGH}),
        ({"masquerade": True}, {"forward": AMONG + THROUGH, "masquerade": [{"source": "10.43.0.0/24"}]}),
        (
            {"masquerade": ["10.43.0.0/25", "10.50.0.0/16"]},
            {"forward": AMONG + THROUGH, "masquerade": [{"source": "10.43.0.0/25"}, {"source": "10.50.0.0/16"}]},
        ),
        ({"masquerade": False}, {"forward": AMONG}),
        ({"masquerade": "no"}, {"forward": AMONG}),
    ],
)
def test_rules_of_a_hub(variables: dict[str, object], expected: dict[str, object]) -> None:
    plan = planned(hub("h1", variables), spoke("h2"))
    sections = host_document(plan, "h1")["nftables"]
    assert sections == {"wg0": {"forward": [], "isolate": False, "masquerade": [], "clamp_mss": True, **expected}}
    assert parse(sections).parts


def test_a_spoke_has_no_rules() -> None:
    plan = planned(hub("h1"), spoke("h2", {"networks": "10.50.2.0/24"}))
    assert "nftables" not in host_document(plan, "h2")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"networks": "10.50.2.0/24"}, ["10.50.2.0/24"]),
        ({"networks": "10.50.2.0/24", "forward": False}, None),
        ({"forward": True}, []),
    ],
)
def test_what_a_spoke_forwards_is_checked_against_its_firewall(
    variables: dict[str, object], expected: list[str] | None
) -> None:
    plan = planned(hub("h1"), hub("h3", SECOND), spoke("h2", variables))
    forwards = host_document(plan, "h2").get("forwards")
    assert forwards == (None if expected is None else dict.fromkeys(("wg0", "wg1"), expected))
    assert "forwards" not in host_document(plan, "h1"), "a hub's packet filter names what it forwards"


def test_open_firewall() -> None:
    plan = planned(hub("h1", {"open_firewall": "yes"}), spoke("h2"), spoke("h3", {"open_firewall": True}))
    assert [host_document(plan, name).get("open_firewall") for name in ("h1", "h2", "h3")] == [True, None, True]


def test_preshared_keys_are_derived_per_pair_of_devices() -> None:
    plan = planned(hub("h1"), hub("h2", SECOND), spoke("h3"))
    secrets = host_document(plan, "h3", Secrets(MASTER))["preshared_keys"]
    derive = PresharedKeys(MASTER)
    for interface, name in (("wg0", "h1"), ("wg1", "h2")):
        pair = [base64.b64decode(device_key(host, interface)) for host in ("h3", name)]
        assert secrets[interface] == {device_key(name, interface): derive.between(*pair)}
        own = host_document(plan, name, Secrets(MASTER))["preshared_keys"][interface]
        assert own[device_key("h3", interface)] == derive.between(*pair)


def test_static_peers_of_a_hub() -> None:
    secret = base64.b64encode(bytes(range(32))).decode()
    phone = {"name": "phone", "public_key": key_of("phone"), "allowed_ips": "10.43.0.9"}
    document = host_document(
        planned(hub("h1", {"static_peers": [phone]}), spoke("h2")),
        "h1",
        Secrets(static_preshared_keys={key_of("phone"): secret}),
    )
    assert document["preshared_keys"] == {"wg0": {key_of("phone"): secret}}
    assert [peer["name"] for peer in document["interfaces"][0]["peers"]] == ["h2", "phone"]


def static_peers(*addresses: str) -> dict[str, object]:
    """Return a variable with one unmanaged peer for each address."""
    peers = [
        {"name": f"phone {one}", "public_key": key_of(one), "allowed_ips": f"{one} 10.99.0.0/24"}
        for one in addresses[:1]
    ]
    peers += [{"name": f"phone {one}", "public_key": key_of(one), "allowed_ips": one} for one in addresses[1:]]
    return {"static_peers": peers}


def test_static_peers_of_any_hub_are_reached_through_it() -> None:
    second, third = (
        {**SECOND, **static_peers("10.43.0.202")},
        {"interface": "wg2", "priority": 300, **static_peers("10.43.0.203")},
    )
    own = {"wg0": {}, "wg1": {}, "wg2": {}}
    plan = planned(
        hub("h1", static_peers("10.43.0.201")), hub("h2", second), hub("h3", third), spoke("h4", devices=own)
    )
    spoke_side = {number: peers(plan, "h4", f"wg{number}")[f"h{number + 1}"]["allowed_ips"] for number in range(3)}
    phones = {f"10.43.0.20{number}/32" for number in (1, 2, 3)}
    assert not phones & {*spoke_side[0]}, "the network leads to the preferred hub"
    assert "10.43.0.202/32" in spoke_side[1] and "10.43.0.203/32" in spoke_side[2]
    for name, interface in (("h1", "wg0"), ("h2", "wg1"), ("h3", "wg2")):
        for other, phone in (("h1", "10.43.0.201/32"), ("h2", "10.43.0.202/32"), ("h3", "10.43.0.203/32")):
            if other != name:
                assert phone in peers(plan, name, interface)[other]["allowed_ips"], (name, other)
    everywhere = {ip for number in range(3) for ip in spoke_side[number]}
    assert "10.99.0.0/24" not in everywhere, "networks behind a static peer are not routed to others"


def test_a_static_peer_of_several_hubs_has_one_place_on_each_host() -> None:
    both = static_peers("10.43.0.201")
    other = {"interface": "wg2", "priority": 300}
    own = {"wg0": {}, "wg1": {}, "wg2": {}}
    plan = planned(hub("h1", both), hub("h2", {**SECOND, **both}), hub("h3", other), spoke("h4", devices=own))
    assert "10.43.0.201/32" not in peers(plan, "h4", "wg1")["h2"]["allowed_ips"]
    assert "10.43.0.201/32" not in peers(plan, "h1")["h2"]["allowed_ips"], "it has the peer itself"
    owners = [name for name, peer in peers(plan, "h3", "wg2").items() if "10.43.0.201/32" in peer["allowed_ips"]]
    assert owners == ["h1"]


def test_isolated_spokes_do_not_reach_static_peers() -> None:
    second = {**SECOND, "isolate": True, **static_peers("10.43.0.202")}
    plan = planned(hub("h1", {"isolate": True}), hub("h2", second), spoke("h3"))
    assert "10.43.0.202/32" not in peers(plan, "h3", "wg1")["h2"]["allowed_ips"]


def test_members_without_a_key() -> None:
    plan = planned(hub("h1"), hub("h2", SECOND), spoke("h3", devices={"wg0": {}}), spoke("h4"))
    assert [key_missing(plan, name) for name in ("h1", "h3", "h4")] == [False, True, False]


def test_a_spoke_without_addresses_of_a_family_has_no_routes_of_it() -> None:
    both = {"network": ["10.43.0.0/24", "fd43::/64"]}
    own = {**both, "addresses": ["10.43.0.3"]}
    plan = planned(hub("h1", {**both, "addresses": ["10.43.0.1", "fd43::1"]}), spoke("s3", own), spoke("s4", both))
    assert interfaces(plan, "s3")["wg0"]["routes_except"] == ["::/0"]
    assert "routes_except" not in interfaces(plan, "s4")["wg0"] and "routes_except" not in interfaces(plan, "h1")["wg0"]
