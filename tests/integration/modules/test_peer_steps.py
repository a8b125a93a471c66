# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""wg_peer in twelve steps, one case for each option of a peer and each kind of change."""

from __future__ import annotations

from typing import Any

import pytest
from managed_host import ManagedHost, key
from twelve_steps import Case, take_twelve_steps

KEY_FILE = "/etc/wireguard/wg0.key"
GIVEN = (
    ("wg_key", {"path": KEY_FILE}),
    ("wg_interface", {"interface": "wg0", "userspace": True, "private_key_file": KEY_FILE, "listen_port": 51820}),
)
A, B, C = key("peer a"), key("peer b"), key("peer c")
NAMES = "192.0.2.77 four.test\n2001:db8:1::77 six.test\n"

# The first and the second state of peer A.
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "keepalive set": ({}, {"persistent_keepalive": 25}),
    "keepalive changed": ({"persistent_keepalive": 25}, {"persistent_keepalive": 65535}),
    "keepalive cleared": ({"persistent_keepalive": 25}, {"persistent_keepalive": 0}),
    "preshared key set": ({}, {"preshared_key": key("psk 1")}),
    "preshared key changed": ({"preshared_key": key("psk 1")}, {"preshared_key": key("psk 2")}),
    "preshared key cleared": ({"preshared_key": key("psk 1")}, {"preshared_key": ""}),
    "allowed ip added": ({"allowed_ips": ["10.1.0.0/16"]}, {"allowed_ips": ["10.1.0.0/16", "fd01::/48"]}),
    "allowed ip removed": ({"allowed_ips": ["10.1.0.0/16", "fd01::/48"]}, {"allowed_ips": ["fd01::/48"]}),
    "allowed ip replaced": ({"allowed_ips": ["10.1.0.0/16"]}, {"allowed_ips": ["10.1.0.0/17"]}),
    "allowed ips emptied": ({"allowed_ips": ["10.1.0.0/16", "fd01::/48"]}, {"allowed_ips": []}),
    "default routes": ({"allowed_ips": []}, {"allowed_ips": ["0.0.0.0/0", "::/0"]}),
    "endpoint set": ({}, {"endpoint": "192.0.2.50:51820"}),
    "endpoint's port": ({"endpoint": "192.0.2.50:51820"}, {"endpoint": "192.0.2.50:51821"}),
    "endpoint from ipv4 to ipv6": ({"endpoint": "192.0.2.50:51820"}, {"endpoint": "[2001:db8:1::50]:51820"}),
    "endpoint from ipv6 to a name": ({"endpoint": "[2001:db8:1::50]:51820"}, {"endpoint": "four.test:51820"}),
    "endpoint from a name to a name": ({"endpoint": "four.test:51820"}, {"endpoint": "six.test:51820"}),
    "endpoint with a scope": ({"endpoint": "192.0.2.50:51820"}, {"endpoint": "[fe80::50%eth0]:51820"}),
    "everything": (
        {"endpoint": "192.0.2.50:1", "preshared_key": key("psk 1"), "allowed_ips": ["10.1.0.0/16"]},
        {
            "endpoint": "[2001:db8:1::50]:2",
            "preshared_key": "",
            "allowed_ips": ["fd01::/48"],
            "persistent_keepalive": 9,
        },
    ),
}
ON_KERNEL = (pytest.mark.both, pytest.mark.long)


def peers(*entries: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"interface": "wg0", "peers": list(entries), **options}


@pytest.fixture
def host(host: ManagedHost) -> ManagedHost:
    if "four.test" not in host.run("cat", "/etc/hosts"):
        host.shell("cat >>/etc/hosts", input=NAMES)
    return host


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    "change", [pytest.param(name, marks=ON_KERNEL if name == "everything" else ()) for name in CHANGES]
)
def test_peer_takes_twelve_steps(host: ManagedHost, change: str) -> None:
    first, then = ({"public_key": A, **options} for options in CHANGES[change])
    gone = {"public_key": A, "state": "absent"}
    take_twelve_steps(host, Case("wg_peer", peers(first), peers(then), peers(gone), given=GIVEN))


@pytest.mark.parametrize(
    ("create", "modify", "delete"),
    [
        pytest.param(
            peers({"public_key": A, "allowed_ips": ["10.1.0.0/16"]}, {"public_key": B, "allowed_ips": []}),
            peers({"public_key": A, "allowed_ips": []}, {"public_key": B, "allowed_ips": ["10.1.0.0/16"]}),
            peers({"public_key": B, "state": "absent"}, {"public_key": A, "state": "absent"}),
            id="an allowed ip moves from one peer to another",
        ),
        pytest.param(
            peers({"public_key": A, "allowed_ips": ["10.1.0.0/16"]}, {"public_key": B, "allowed_ips": ["10.2.0.0/16"]}),
            peers({"public_key": A, "allowed_ips": ["10.2.0.0/16"]}, {"public_key": B, "allowed_ips": ["10.1.0.0/16"]}),
            peers(purge=True),
            id="two peers swap their allowed ips",
            marks=(pytest.mark.both, pytest.mark.long),
        ),
        pytest.param(
            peers({"public_key": A}, {"public_key": B}, {"public_key": C}),
            peers({"public_key": B, "state": "absent"}, {"public_key": C, "persistent_keepalive": 5}),
            peers({"public_key": C}, purge=True),
            id="one is removed and another changed in one call",
        ),
        pytest.param(
            peers({"public_key": A, "name": "alpha"}),
            peers({"public_key": A, "name": "omega"}),
            peers({"public_key": A, "state": "absent"}),
            id="a peer gets another name",
        ),
    ],
)
def test_peers_take_twelve_steps(
    host: ManagedHost, create: dict[str, Any], modify: dict[str, Any], delete: dict[str, Any]
) -> None:
    take_twelve_steps(host, Case("wg_peer", create, modify, delete, given=GIVEN))


def prepare(host: ManagedHost) -> None:
    for module, arguments in GIVEN:
        assert host.module(module, **arguments).changed


def test_options_that_are_left_out_are_not_changed(host: ManagedHost) -> None:
    prepare(host)
    everything = {
        "public_key": A,
        "endpoint": "192.0.2.50:51820",
        "preshared_key": key("psk 1"),
        "persistent_keepalive": 25,
        "allowed_ips": ["10.1.0.0/16"],
    }
    host.module("wg_peer", **peers(everything))
    before = host.wg_dump()[1][:4]
    assert not host.module("wg_peer", **peers({"public_key": A})).changed
    assert host.module("wg_peer", **peers({"public_key": A, "persistent_keepalive": 0})).changed
    assert host.wg_dump()[1][:4] == before


def test_a_loop_over_peers_changes_nothing_the_second_time(host: ManagedHost) -> None:
    prepare(host)
    calls = [peers({"public_key": one, "allowed_ips": [f"10.{at}.0.0/16"]}) for at, one in enumerate((A, B, C), 1)]
    first, second = ([host.module("wg_peer", **call).changed for call in calls] for _each in range(2))
    assert (first, second) == ([True] * 3, [False] * 3)


@pytest.mark.both
def test_an_allowed_ip_moves_from_an_unlisted_peer(host: ManagedHost) -> None:
    prepare(host)
    host.module("wg_peer", **peers({"public_key": A, "allowed_ips": ["10.1.0.0/16", "10.2.0.0/16"]}))
    taking = peers({"public_key": B, "allowed_ips": ["10.2.0.0/16"]})
    assert host.module("wg_peer", **taking).changed
    assert {peer[0]: peer[3] for peer in host.wg_dump()[1:]} == {A: "10.1.0.0/16", B: "10.2.0.0/16"}
    assert not host.module("wg_peer", **taking).changed


def test_the_same_allowed_ip_of_two_peers_is_refused(host: ManagedHost) -> None:
    prepare(host)
    shared = [{"public_key": one, "allowed_ips": ["10.1.0.0/16"]} for one in (A, B)]
    assert (
        "allowed IP 10.1.0.0/16 belongs to peers[0] and to peers[1]" in host.module("wg_peer", **peers(*shared)).failure
    )
    named = [{**one, "name": name} for one, name in zip(shared, ("alpha", "beta"))]
    failed = host.module("overlay_apply", interfaces=[{"name": "wg0", "userspace": True, "peers": named}])
    assert "allowed IP 10.1.0.0/16 belongs to alpha and to beta" in failed.failure
    assert len(host.wg_dump()) == 1


@pytest.mark.both
def test_allowed_ips_inside_those_of_another_peer_are_a_warning(host: ManagedHost) -> None:
    """The kernel takes the longest prefix, so that can be intended."""
    prepare(host)
    outer = {"public_key": A, "name": "alpha", "allowed_ips": ["10.0.0.0/8", "fd00::/8", "0.0.0.0/0"]}
    inner = {"public_key": B, "allowed_ips": ["10.1.0.0/16", "fd01::/64", "192.0.2.0/24"]}
    said = [
        f"wg0: {outer} of alpha contains {one} of {B}; the longer"
        for outer, one in (("10.0.0.0/8", "10.1.0.0/16"), ("fd00::/8", "fd01::/64"))
    ]
    assert "warnings" not in host.module("wg_peer", **peers(outer)).data
    for changed in (True, False):
        done = host.module("wg_peer", **peers(inner))
        assert done.changed is changed
        assert all(one in str(done.data["warnings"]) for one in said) and len(done.data["warnings"]) == 2
    assert {one[0]: set(one[3].split(",")) for one in host.wg_dump()[1:]} == {
        one["public_key"]: set(one["allowed_ips"]) for one in (outer, inner)
    }
    other = {"public_key": C, "allowed_ips": ["172.16.0.0/12"]}
    assert "warnings" not in host.module("wg_peer", **peers(other)).data, (
        "peers that the call does not list are no news"
    )


@pytest.mark.both
def test_own_key_as_a_peer_is_refused(host: ManagedHost) -> None:
    prepare(host)
    own = host.wg_dump()[0][1]
    refused = host.module("wg_peer", **peers({"public_key": A}, {"public_key": own}))
    assert "own public key" in refused.failure
    assert len(host.wg_dump()) == 1, "the other peer was not made either"


def test_an_unresolved_name_is_a_warning_and_resolved_again(host: ManagedHost) -> None:
    prepare(host)
    wanted = peers({"public_key": A, "endpoint": "late.test:51820"}, {"public_key": B, "endpoint": "four.test:51820"})
    first = host.module("wg_peer", **wanted)
    assert first.changed and "late.test" in str(first.data["warnings"])
    assert {peer[0]: peer[2] for peer in host.wg_dump()[1:]} == {A: "(none)", B: "192.0.2.77:51820"}
    host.shell("cp /etc/hosts /etc/hosts.kept; echo 192.0.2.78 late.test >>/etc/hosts")
    try:
        second = host.module("wg_peer", **wanted)
    finally:
        host.shell("cat /etc/hosts.kept >/etc/hosts")
    assert second.changed and "warnings" not in second.data
    assert {peer[0]: peer[2] for peer in host.wg_dump()[1:]}[A] == "192.0.2.78:51820"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"public_key": "short"}, ("public_key", "44 characters")),
        ({"public_key": key(1)[:-1] + "\n"}, ("public_key", "44 characters")),
        ({"public_key": "A" * 43 + "="}, ("public_key", "low-order")),
        ({"public_key": A, "preshared_key": "secret" * 7}, ("preshared_key", "44 characters")),
        ({"public_key": A, "endpoint": "192.0.2.1"}, ("endpoint", "host:port")),
        ({"public_key": A, "endpoint": "2001:db8::1:51820"}, ("endpoint", "brackets")),
        ({"public_key": A, "endpoint": "0.0.0.0:51820"}, ("endpoint", "unspecified")),
        ({"public_key": A, "endpoint": "[fe80::1]:51820"}, ("endpoint", "%eth0")),
        ({"public_key": A, "persistent_keepalive": 65536}, ("persistent_keepalive", "65535")),
        ({"public_key": A, "allowed_ips": ["10.1.0.5/16"]}, ("allowed_ips", "10.1.0.0/16")),
        ({"public_key": A, "name": "x\n[Peer]"}, ("name", "line break")),
    ],
)
def test_bad_input_is_refused_before_anything_changes(
    host: ManagedHost, entry: dict[str, Any], words: tuple[str, ...]
) -> None:
    prepare(host)
    refused = host.module("wg_peer", **peers({"public_key": C}, entry))
    assert all(word in refused.failure for word in words), refused.failure
    assert "secretsecret" not in refused.output
    assert len(host.wg_dump()) == 1


def test_all_errors_are_reported_at_once(host: ManagedHost) -> None:
    prepare(host)
    wrong = peers({"public_key": A, "endpoint": "x"}, {"public_key": B, "allowed_ips": ["10.1.0.5/16"]})
    message = host.module("wg_peer", **wrong).failure
    assert "peers[0].endpoint" in message and "peers[1].allowed_ips" in message


def test_a_missing_interface_is_named(host: ManagedHost) -> None:
    assert "wg9" in host.module("wg_peer", interface="wg9", peers=[{"public_key": A}]).failure


def test_a_purge_of_many_peers_needs_permission(host: ManagedHost) -> None:
    """A list of peers that is empty by mistake would remove all."""
    prepare(host)
    listed = [{"public_key": key(f"peer {n}"), "name": f"n{n}", "allowed_ips": [f"10.{n}.0.0/16"]} for n in range(1, 8)]
    assert host.module("wg_peer", **peers(*listed)).changed
    before = sorted(host.wg_dump())
    for check_mode in (True, False):
        for kept in (0, 4):
            failed = host.module("wg_peer", check_mode=check_mode, **peers(*listed[:kept], purge=True))
            assert f"{7 - kept} of 7 peers would be removed (n{kept + 1}, " in failed.failure
            assert "allow_mass_removal: true" in failed.failure
            assert sorted(host.wg_dump()) == before
    assert host.module("wg_peer", **peers(*listed[:5], purge=True)).changed, "two are few"
    gone = [{"public_key": one["public_key"], "state": "absent"} for one in listed[:4]]
    assert host.module("wg_peer", **peers(*gone)).changed, "those that are named one by one are meant"
    assert len(host.wg_dump()) == 2
    assert host.module("wg_peer", **peers(*listed)).changed
    assert host.module("wg_peer", **peers(purge=True, allow_mass_removal=True)).changed
    assert len(host.wg_dump()) == 1
