# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document of one host."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._preshared_keys import PresharedKeys
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import (
    NotInPlan,
    Secrets,
    host_document,
)
from planned_fleet import host, interface, key_of, peers, planned, silent

MASTER = "a-master-of-good-length"
PSK = base64.b64encode(bytes(range(32))).decode()
PHONE = {"name": "phone", "public_key": key_of("phone"), "endpoint": "vpn.example.org:1", "allowed_ips": "10.42.0.9"}


def test_peers_are_sorted_by_name() -> None:
    plan = planned(host("h10"), host("h9"), host("h1", {"static_peers": [PHONE, {"public_key": key_of("x")}]}))
    assert [peer["name"] for peer in interface(plan, "h1")["peers"]] == ["", "h10", "h9", "phone"]


def test_static_peers() -> None:
    plan = planned(host("h1", {"static_peers": [{**PHONE, "persistent_keepalive": "15"}]}), host("h2"))
    assert peers(plan, "h1")["phone"] == {
        "public_key": key_of("phone"),
        "name": "phone",
        "endpoint": "vpn.example.org:1",
        "allowed_ips": ["10.42.0.9/32"],
        "persistent_keepalive": 15,
        "addresses": [],
    }
    assert set(peers(plan, "h2")) == {"h1"}


def test_peer_overrides() -> None:
    views = {
        "h2": {"endpoint": "192.0.2.7", "persistent_keepalive": 0},
        "h3": {"endpoint": "none"},
        "h4": {"endpoint": "[2001:db8::4]:99"},
        "h5": {"persistent_keepalive": 5},
    }
    others = [host(f"h{number}", {"port": 5000 + number}) for number in (2, 3, 4, 5)]
    plan = planned(host("h1", {"peer_overrides": views, "persistent_keepalive": 25}), *others)
    seen = peers(plan, "h1")
    assert [(seen[name]["endpoint"], seen[name]["persistent_keepalive"]) for name in sorted(seen)] == [
        ("192.0.2.7:5002", 0),
        (None, 25),
        ("[2001:db8::4]:99", 25),
        ("198.51.100.5:5005", 5),
    ]
    assert peers(plan, "h2")["h3"]["endpoint"] == "198.51.100.3:5003"


def test_both_address_families_become_host_routes() -> None:
    plan = planned(*(host(name, {"network": "10.42.0.0/24 fd42::/64"}) for name in ("h1", "h2")))
    (ipv4, ipv6) = peers(plan, "h1")["h2"]["allowed_ips"]
    assert (ipv4.partition("/")[2], ipv6.partition("/")[2]) == ("32", "128")


def test_an_interface_without_addresses_of_a_family_has_no_routes_of_it() -> None:
    both = {"network": ["10.42.0.0/24", "fd42::/64"]}
    old, dual = {**both, "addresses": ["10.42.0.1"]}, {**both, "addresses": ["10.42.0.2", "fd42::2"]}
    plan = planned(host("h1", old), host("h2", dual), host("h3", {**both, "addresses": ["fd42::3"]}))
    assert interface(plan, "h1")["routes_except"] == ["::/0"]
    assert "routes_except" not in interface(plan, "h2")
    assert interface(plan, "h3")["routes_except"] == ["0.0.0.0/0"]
    assert peers(plan, "h1")["h2"]["allowed_ips"] == ["10.42.0.2/32", "fd42::2/128"], "which may stay"
    # What forwards the family, or has an unmanaged peer of it, needs the routes.
    site = {**old, "networks": ["fd99::/64"]}
    vendor = {"public_key": key_of("vendor"), "allowed_ips": ["fd77::/64"]}
    for own in (site, {**old, "static_peers": [vendor]}):
        assert "routes_except" not in interface(planned(host("h1", own), host("h2", dual)), "h1")
    assert "routes_except" not in interface(
        planned(host("h1", old), host("h2", old | {"addresses": ["10.42.0.2"]})), "h1"
    )


def test_preshared_keys() -> None:
    plan = planned(host("h1", {"static_peers": [PHONE]}), host("h2"), silent("h3"))
    document = host_document(plan, "h1", Secrets(MASTER, 3, {key_of("phone"): PSK + "\n", key_of("stranger"): PSK}))
    raw = [base64.b64decode(key_of(name)) for name in ("h1", "h2")]
    assert document["preshared_keys"] == {
        "wg0": {key_of("h2"): PresharedKeys(MASTER, 3).between(*raw), key_of("phone"): PSK}
    }
    assert PSK not in str(document["interfaces"])


def test_without_secrets_there_are_none() -> None:
    assert set(host_document(planned(host("h1"), host("h2")), "h1")) == {"interfaces"}


@pytest.mark.parametrize("secret", ["x" * 44, "A" * 43 + "=", PSK[:-1], PSK.replace("=", "!")])
def test_wrong_preshared_keys_are_not_shown(secret: str) -> None:
    plan = planned(host("h1", {"static_peers": [PHONE]}), host("h2"))
    with pytest.raises(ValueError, match="static peer 'phone'") as caught:
        host_document(plan, "h1", Secrets(static_preshared_keys={key_of("phone"): secret}))
    assert secret not in str(caught.value)


def test_all_wrong_preshared_keys_are_named_at_once() -> None:
    laptop = {**PHONE, "name": "laptop", "public_key": key_of("laptop"), "allowed_ips": ["10.99.0.2/32"]}
    plan = planned(host("h1", {"static_peers": [PHONE, laptop]}), host("h2"))
    with pytest.raises(ValueError, match=r"static peer 'phone'.*static peer 'laptop'"):
        host_document(plan, "h1", Secrets(static_preshared_keys={key_of("phone"): "x", key_of("laptop"): "y"}))


def test_secrets_are_not_shown() -> None:
    shown = repr(Secrets(MASTER, 3, {key_of("phone"): PSK}, "another master"))
    assert not [secret for secret in (MASTER, PSK, "another") if secret in shown]


def test_hosts_without_a_document() -> None:
    plan = planned(host("h1", {"revoked": "h2"}), host("h2"))
    with pytest.raises(NotInPlan, match="'h2' is revoked") as caught:
        host_document(plan, "h2")
    assert caught.value.skipped
    with pytest.raises(NotInPlan, match="'h9' is not a member") as caught:
        host_document(plan, "h9")
    assert not caught.value.skipped


def test_a_host_with_an_unknown_key_still_has_its_document() -> None:
    plan = planned(host("h1", public_key=None), host("h2"))
    document = host_document(plan, "h1", Secrets(MASTER))
    assert set(peers(plan, "h1")) == {"h2"}
    assert "preshared_keys" not in document


def test_preshared_keys_are_predicted_for_keys_that_are_not_generated_yet() -> None:
    plan = planned(host("h1"), host("h2"), host("h3", new_key=True))
    of_h1 = host_document(plan, "h1", Secrets(MASTER))["preshared_keys"]["wg0"]
    assert set(of_h1) == {key_of("h2"), "the new key of h3"}
    assert host_document(plan, "h3", Secrets(MASTER))["preshared_keys"]["wg0"].keys() == {key_of("h1"), key_of("h2")}
