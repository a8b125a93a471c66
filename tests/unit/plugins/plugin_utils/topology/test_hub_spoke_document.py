# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's document has beside interfaces: rules of nftables, and secrets."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.nftables.options import parse
from ansible_collections.wirewright.overlay.plugins.plugin_utils.psk import PresharedKeys
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.document import host_document, lacks_key
from planned_fleet import key_of
from planned_hub_spoke import SECOND, device_key, hub, planned, spoke

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
    assert parse(sections).sections


def test_a_spoke_has_no_rules() -> None:
    plan = planned(hub("h1"), spoke("h2", {"networks": "10.50.2.0/24"}))
    assert set(host_document(plan, "h2")) == {"interfaces"}


def test_open_firewall() -> None:
    plan = planned(hub("h1", {"open_firewall": "yes"}), spoke("h2"), spoke("h3", {"open_firewall": True}))
    assert [host_document(plan, name).get("open_firewall") for name in ("h1", "h2", "h3")] == [True, None, True]


def test_preshared_keys_are_those_of_the_pair_of_devices() -> None:
    plan = planned(hub("h1"), hub("h2", SECOND), spoke("h3"))
    secrets = host_document(plan, "h3", MASTER)["preshared_keys"]
    derive = PresharedKeys(MASTER)
    for interface, name in (("wg0", "h1"), ("wg1", "h2")):
        pair = [base64.b64decode(device_key(host, interface)) for host in ("h3", name)]
        assert secrets[interface] == {device_key(name, interface): derive.between(*pair)}
        own = host_document(plan, name, MASTER)["preshared_keys"][interface]
        assert own[device_key("h3", interface)] == derive.between(*pair)


def test_static_peers_of_a_hub() -> None:
    secret = base64.b64encode(bytes(range(32))).decode()
    phone = {"name": "phone", "public_key": key_of("phone"), "allowed_ips": "10.43.0.9"}
    document = host_document(
        planned(hub("h1", {"static_peers": [phone]}), spoke("h2")), "h1", "", 0, {key_of("phone"): secret}
    )
    assert document["preshared_keys"] == {"wg0": {key_of("phone"): secret}}
    assert [peer["name"] for peer in document["interfaces"][0]["peers"]] == ["h2", "phone"]


def test_who_lacks_a_key() -> None:
    plan = planned(hub("h1"), hub("h2", SECOND), spoke("h3", devices={"wg0": {}}), spoke("h4"))
    assert [lacks_key(plan, name) for name in ("h1", "h3", "h4")] == [False, True, False]
