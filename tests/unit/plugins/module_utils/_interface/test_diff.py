# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The diff of a plan: changes before and after, without secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible.plugins.callback import CallbackBase
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.headers import with_headers
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.shown import Diff
from ansible_collections.wirewright.overlay.plugins.module_utils._host.files import HEADER, BootFile
from ansible_collections.wirewright.overlay.plugins.module_utils._host.sysctls import Sysctl
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.diff import describe
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.differences import differences
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import WantedInterface
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.plan import Current, Plan, plan
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import clamp, encode_key, public_key
from hypothesis import given, settings
from hypothesis import strategies as st

from ..samples import key, key_text, keys
from .predicted import KEY_FILE, OWN, after, again, converged, mesh, wanted_peer

BETA = wanted_peer(1, "192.0.2.1:51820", "10.42.0.1/32", "10.77.0.0/16")


def names(number_of_names: int = 2) -> Callable[[bytes], str]:
    """Return the names of the peers of `wanted_peer`."""
    known = {key(number): f"h{number}" for number in range(1, number_of_names + 1)}
    return lambda public_key: known.get(public_key, "")


def described(made: Plan) -> list[Diff]:
    """Return the diff of a plan, with headers where ``--diff`` has them."""
    return describe(made, names())


def shown(current: Current, wanted: WantedInterface) -> Diff:
    """Return the diff without files."""
    found = described(again(current, wanted))
    assert all(one.subject.startswith("/") for one in found[1:])
    assert found[0].subject == "wg0"
    return found[0]


def test_an_empty_plan_has_an_empty_diff() -> None:
    host = converged(mesh(BETA))
    assert described(again(host, mesh(BETA))) == []


def test_a_new_interface_is_shown_in_full() -> None:
    found = shown(Current(), mesh(BETA, sysctls=(Sysctl("net/ipv4/ip_forward", "1"),)))
    assert found.before == {
        "interface": {"public_key": "", "listen_port": 0},
        "addresses": [],
        "routes": [],
    }
    assert found.after == {
        "interface": {
            "mtu": 1420,
            "up": True,
            "alias": "wirewright.overlay",
            "public_key": encode_key(OWN),
            "listen_port": 51820,
        },
        "peers": {
            "h1": {
                "public_key": key_text(1),
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


def test_only_changes_are_shown() -> None:
    host = converged(mesh(BETA, wanted_peer(2), fwmark=16))
    found = shown(host, mesh(BETA, wanted_peer(2, persistent_keepalive=25), fwmark=17))
    assert found.before["interface"] == {"fwmark": 16}
    assert found.after["interface"] == {"fwmark": 17}
    assert set(found.before["peers"]) == set(found.after["peers"]) == {"h2"}
    assert set(found.before) == set(found.after) == {"interface", "peers"}


def test_a_removed_peer_is_shown_in_before_only() -> None:
    found = shown(converged(mesh(BETA, wanted_peer(2))), mesh(BETA))
    assert set(found.before["peers"]) == {"h2"}
    assert "peers" not in found.after


def test_a_peer_with_a_new_key_is_one_peer_and_one_without_a_name_is_its_key() -> None:
    host = converged(mesh(BETA, wanted_peer(7, name="")))
    made = again(host, mesh(wanted_peer(8, name="h1")))
    (found, *_files) = describe(made, lambda public_key: "h1" if public_key in (key(1), key(8)) else "")
    assert {name: peer["public_key"] for name, peer in found.before["peers"].items()} == {
        "h1": key_text(1),
        key_text(7): key_text(7),
    }
    assert {name: peer["public_key"] for name, peer in found.after["peers"].items()} == {"h1": key_text(8)}


def test_two_peers_of_one_name_are_both_shown() -> None:
    made = again(converged(mesh()), mesh(BETA, wanted_peer(2)))
    (found, *_files) = describe(made, lambda _key: "h1")
    assert len(found.after["peers"]) == 2
    assert {peer["public_key"] for peer in found.after["peers"].values()} == {key_text(1), key_text(2)}


def test_addresses_and_routes_are_shown_as_text() -> None:
    found = shown(converged(mesh(BETA)), mesh(wanted_peer(1, "192.0.2.1:51820"), addresses=()))
    assert (found.before["addresses"], found.after["addresses"]) == (["10.42.0.100/24"], [])
    assert (found.before["routes"], found.after["routes"]) == (["10.77.0.0/16"], [])


def test_a_preshared_key_is_shown_as_set_changed_or_absent() -> None:
    def peer_of(side: dict[str, Any]) -> object:
        return side["peers"]["h1"]["preshared_key"]

    plain, with_key, with_other = (mesh(wanted_peer(1, preshared_key=k)) for k in (bytes(32), key(100), key(101)))
    for before, now, expected in (
        (plain, with_key, ("", "set")),
        (with_key, with_other, ("set", "changed")),
        (with_key, plain, ("set", "")),
    ):
        found = shown(converged(before), now)
        assert (peer_of(found.before), peer_of(found.after)) == expected


def test_a_removed_interface_is_shown_with_its_peers_and_files() -> None:
    host = converged(mesh(BETA, persistence="wg_quick"))
    found, *files = described(plan(host, WantedInterface("wg0", present=False), None))
    assert found.before["interface"]["mtu"] == 1420
    assert set(found.before["peers"]) == {"h1"}
    assert found.after == {}
    assert [file.subject for file in files] == ["/etc/wireguard/wg0.conf"], "the state file is a record"


def test_the_second_diff_is_empty() -> None:
    host = converged(mesh(BETA))
    wanted = mesh(BETA, wanted_peer(2), mtu=1380)
    made = again(host, wanted)
    assert described(made)
    assert described(again(after(host, made), wanted)) == []


def test_counts_are_by_kind_and_action() -> None:
    made = again(converged(mesh(BETA, wanted_peer(2))), mesh(wanted_peer(1), wanted_peer(3)))
    assert made.counts() == {
        "peers": {"created": 1, "updated": 1, "deleted": 1},
        "addresses": {"created": 0, "updated": 0, "deleted": 0},
        "routes": {"created": 0, "updated": 0, "deleted": 1},
        "files": {"created": 0, "updated": 1, "deleted": 0},
    }


def test_one_changed_peer_of_a_thousand_is_a_few_lines() -> None:
    """With the boot file, as `--diff` prints it. The peer stands below its name."""
    many = [
        wanted_peer(number, f"192.0.2.1:{number}", f"10.77.{number // 250}.{number % 250}") for number in range(1, 1001)
    ]
    changed = [*many[:499], wanted_peer(500, "192.0.2.1:500", "10.88.0.0/24"), *many[500:]]
    host = converged(mesh(*many, persistence="wg_quick"))
    made = again(host, mesh(*changed, persistence="wg_quick"))
    text = CallbackBase()._get_diff(with_headers(describe(made, names(1000))))  # type: ignore[no-untyped-call]
    lines = text.splitlines()
    assert len(lines) <= 50 and sum(line.startswith(("+", "-")) for line in lines) <= 12, text
    assert "--- before: wg0" in lines and "--- before: /etc/wireguard/wg0.conf" in lines
    assert '"h500": {' in text and key_text(500) in text and "# h500" in text
    assert key_text(501) not in text.split("--- before: /etc/wireguard/wg0.conf", maxsplit=1)[0]


def assert_hidden(found: object, *secrets: bytes) -> None:
    text = json.dumps(found)
    for secret in secrets:
        assert encode_key(secret) not in text
        assert encode_key(secret).rstrip("=") not in text
        assert secret.hex() not in text
        assert repr(secret)[2:-1] not in text


secrets = keys.filter(any).map(clamp)


@settings(max_examples=settings.default.max_examples // 4, deadline=None)
@given(secrets, secrets, keys.filter(any), keys.filter(any), st.sampled_from(["none", "wg_quick", "networkd"]))
@pytest.mark.parametrize("removed", [False, True])
def test_no_diff_shows_a_secret(
    removed: bool, private: bytes, old_private: bytes, preshared: bytes, old_preshared: bytes, persistence: str
) -> None:
    planted = (private, old_private, preshared, old_preshared)
    if len(set(planted)) < 4 or public_key(private) == public_key(old_private):
        return
    before = mesh(
        wanted_peer(1, preshared_key=old_preshared),
        wanted_peer(2, preshared_key=old_preshared),
        persistence=persistence,
    )
    first = plan(Current(), before, old_private, systemd=True)
    host = after(Current(), first)
    key_file = BootFile(KEY_FILE, encode_key(private) + "\n", 0o600, "root", ours_by_path=True, secret=True)
    host = replace(host, files=(*host.files, key_file))
    if removed:
        made = plan(host, WantedInterface("wg0", present=False, private_key_file=KEY_FILE), None)
    else:
        wanted = mesh(wanted_peer(1, preshared_key=preshared), wanted_peer(2), persistence=persistence)
        made = plan(host, wanted, private, systemd=True)
    for text in (described(first), described(made), made.counts(), differences(made), repr(made), repr(first)):
        assert_hidden(text, *planted)


def test_a_foreign_boot_file_is_shown_without_keys() -> None:
    content = f"{HEADER}\n[Interface]\nPrivateKey={key_text(100)}\n[Peer]\npresharedkey = {key_text(101)}\n"
    found = BootFile("/etc/wireguard/wg0.conf", content, 0o600, "root")
    by_path = {
        one.subject: one for one in described(again(Current(files=(found,)), mesh(BETA, persistence="wg_quick")))
    }
    assert by_path["/etc/wireguard/wg0.conf"].before.count("(hidden)") == 2
    assert_hidden([*by_path.values()], key(100), key(101))
