# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as people read it: what changes, as it is before and after, and never a secret."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.host.files import HEADER, BootFile
from ansible_collections.wirewright.overlay.plugins.module_utils.host.sysctls import Sysctl
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.desired import WantedInterface
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.difference import describe
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.plan import Current, plan
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard import memory as memories
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.keys import clamp, encode_key, public_key
from hypothesis import given, settings
from hypothesis import strategies as st

from ..samples import key, key_text, keys
from .predicted import KEY_FILE, OWN, after, again, asked, converged, mesh

BETA = asked(1, "192.0.2.1:51820", "10.42.0.1/32", "10.77.0.0/16")
MEMORY = memories.path_of("wg0")


def shown(current: Current, wanted: WantedInterface) -> dict[str, dict[str, Any]]:
    """Return the diff without files."""
    described = describe(again(current, wanted))
    return {side: {kind: what for kind, what in kinds.items() if kind != "files"} for side, kinds in described.items()}


def test_nothing_to_do_is_an_empty_diff() -> None:
    host = converged(mesh(BETA))
    assert describe(again(host, mesh(BETA))) == {"before": {}, "after": {}}


def test_a_new_interface_is_shown_whole() -> None:
    described = shown(Current(), mesh(BETA, sysctls=(Sysctl("net/ipv4/ip_forward", "1"),)))
    assert described["before"] == {
        "interface": {"public_key": "", "listen_port": 0},
        "addresses": [],
        "routes": [],
    }
    assert described["after"] == {
        "interface": {
            "mtu": 1420,
            "up": True,
            "alias": "wirewright.overlay",
            "public_key": encode_key(OWN),
            "listen_port": 51820,
        },
        "peers": {
            key_text(1): {
                "endpoint": "192.0.2.1:51820",
                "persistent_keepalive": 0,
                "allowed_ips": ["10.42.0.1/32", "10.77.0.0/16"],
                "preshared_key": "",
            }
        },
        "sysctls": {"net/ipv4/ip_forward": "1"},
        "addresses": ["10.42.0.100/24"],
        "routes": ["10.77.0.0/16"],
    }


def test_only_what_changes_is_shown() -> None:
    host = converged(mesh(BETA, asked(2), fwmark=16))
    described = shown(host, mesh(BETA, asked(2, persistent_keepalive=25), fwmark=17))
    assert described["before"]["interface"] == {"fwmark": 16}
    assert described["after"]["interface"] == {"fwmark": 17}
    assert set(described["before"]["peers"]) == set(described["after"]["peers"]) == {key_text(2)}
    assert set(described["before"]) == set(described["after"]) == {"interface", "peers"}


def test_a_peer_that_goes_is_shown_before_only() -> None:
    described = shown(converged(mesh(BETA, asked(2))), mesh(BETA))
    assert set(described["before"]["peers"]) == {key_text(2)}
    assert "peers" not in described["after"]


def test_addresses_and_routes_are_shown_as_text() -> None:
    described = shown(converged(mesh(BETA)), mesh(asked(1, "192.0.2.1:51820"), addresses=()))
    assert (described["before"]["addresses"], described["after"]["addresses"]) == (["10.42.0.100/24"], [])
    assert (described["before"]["routes"], described["after"]["routes"]) == (["10.77.0.0/16"], [])


def test_a_preshared_key_is_shown_as_set_set_anew_or_gone() -> None:
    def peer_of(side: dict[str, Any]) -> object:
        return side["peers"][key_text(1)]["preshared_key"]

    plain, with_key, with_other = (mesh(asked(1, preshared_key=k)) for k in (bytes(32), key(100), key(101)))
    for before, now, expected in (
        (plain, with_key, ("", "set")),
        (with_key, with_other, ("set", "set anew")),
        (with_key, plain, ("set", "")),
    ):
        described = shown(converged(before), now)
        assert (peer_of(described["before"]), peer_of(described["after"])) == expected


def test_a_removed_interface_is_shown_with_its_peers() -> None:
    host = converged(mesh(BETA, persistence="wg_quick"))
    described = describe(plan(host, WantedInterface("wg0", present=False), None))
    assert described["before"]["interface"]["mtu"] == 1420
    assert set(described["before"]["peers"]) == {key_text(1)}
    assert set(described["before"]["files"]) == {"/etc/wireguard/wg0.conf", MEMORY}
    assert described["after"] == {"interface": {}}


def test_a_diff_predicts_what_a_second_plan_finds_done() -> None:
    host = converged(mesh(BETA))
    wanted = mesh(BETA, asked(2), mtu=1380)
    made = again(host, wanted)
    assert describe(made)["after"]
    assert describe(again(after(host, made), wanted)) == {"before": {}, "after": {}}


def test_counts_are_by_kind_and_action() -> None:
    made = again(converged(mesh(BETA, asked(2))), mesh(asked(1), asked(3)))
    assert made.counts() == {
        "peers": {"created": 1, "updated": 1, "deleted": 1},
        "addresses": {"created": 0, "updated": 0, "deleted": 0},
        "routes": {"created": 0, "updated": 0, "deleted": 1},
        "files": {"created": 0, "updated": 1, "deleted": 0},
    }


def assert_hidden(described: object, *secrets: bytes) -> None:
    text = json.dumps(described)
    for secret in secrets:
        assert encode_key(secret) not in text
        assert encode_key(secret).rstrip("=") not in text
        assert secret.hex() not in text
        assert repr(secret)[2:-1] not in text


secrets = keys.filter(any).map(clamp)


@settings(max_examples=settings.default.max_examples // 4, deadline=None)
@given(secrets, secrets, keys.filter(any), keys.filter(any), st.sampled_from(["none", "wg_quick", "networkd"]))
@pytest.mark.parametrize("goes", [False, True])
def test_no_diff_shows_a_secret(
    goes: bool, private: bytes, old_private: bytes, preshared: bytes, old_preshared: bytes, persistence: str
) -> None:
    planted = (private, old_private, preshared, old_preshared)
    if len(set(planted)) < 4 or public_key(private) == public_key(old_private):
        return
    before = mesh(asked(1, preshared_key=old_preshared), asked(2, preshared_key=old_preshared), persistence=persistence)
    first = plan(Current(), before, old_private, systemd=True)
    host = after(Current(), first)
    key_file = BootFile(KEY_FILE, encode_key(private) + "\n", 0o600, "root", ours_by_path=True, secret=True)
    host = replace(host, files=(*host.files, key_file))
    if goes:
        made = plan(host, WantedInterface("wg0", present=False, private_key_file=KEY_FILE), None)
    else:
        wanted = mesh(asked(1, preshared_key=preshared), asked(2), persistence=persistence)
        made = plan(host, wanted, private, systemd=True)
    for described in (describe(first), describe(made), made.counts(), made.differences(), repr(made), repr(first)):
        assert_hidden(described, *planted)


def test_a_boot_file_of_another_hand_is_shown_without_its_keys() -> None:
    content = f"{HEADER}\n[Interface]\nPrivateKey={key_text(100)}\n[Peer]\npresharedkey = {key_text(101)}\n"
    found = BootFile("/etc/wireguard/wg0.conf", content, 0o600, "root")
    described = describe(again(Current(files=(found,)), mesh(BETA, persistence="wg_quick")))
    assert "(hidden)" in described["before"]["files"]["/etc/wireguard/wg0.conf"]["content"]
    assert_hidden(described, key(100), key(101))
