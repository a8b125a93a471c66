# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Invalid options are refused with place and reason, all at once, and without secrets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import InvalidOptions
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.module_options import parse_module_peers
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import (
    interface_name,
    parse_document,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import decode_key, decode_predicted_key
from hypothesis import given
from hypothesis import strategies as st

from ..samples import key_text

PEER = {"public_key": key_text(1), "name": "beta", "allowed_ips": ["10.42.0.2/32"]}
OTHER = {"public_key": key_text(2), "name": "gamma", "allowed_ips": ["10.42.0.3/32"]}
ZERO_TEXT = "A" * 43 + "="
PRESHARED = key_text(100)


def errors_of(interface: dict[str, Any], preshared_keys: Any = None) -> tuple[str, ...]:
    """Return what is wrong with one interface."""
    with pytest.raises(InvalidOptions) as caught:
        parse_document([{"name": "wg0", **interface}], {"wg0": preshared_keys} if preshared_keys else {})
    assert str(caught.value) == "; ".join(caught.value.errors)
    return caught.value.errors


def peer_errors(**fields: Any) -> tuple[str, ...]:
    """Return what is wrong with one peer."""
    return errors_of({"peers": [{**PEER, **fields}]})


AT = "interfaces[0] (wg0)"
AT_PEER = f"{AT}.peers[0] (beta)"

BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"listen_port": -1}, f"{AT}.listen_port: -1 is not a number from 0 to 65535"),
    ({"listen_port": 65536}, f"{AT}.listen_port: 65536 is not a number from 0 to 65535"),
    ({"listen_port": "ssh"}, f"{AT}.listen_port: 'ssh' is not a number from 0 to 65535"),
    ({"listen_port": 51820.5}, f"{AT}.listen_port: 51820.5 is not a number from 0 to 65535"),
    ({"listen_port": True}, f"{AT}.listen_port: true is not a number from 0 to 65535"),
    ({"listen_port": [1]}, f"{AT}.listen_port: [1] is not a number from 0 to 65535"),
    ({"fwmark": 2**32}, f"{AT}.fwmark: 4294967296 is not a number from 0 to 4294967295"),
    ({"fwmark": "0xzz"}, f"{AT}.fwmark: '0xzz' is not a number from 0 to 4294967295"),
    ({"mtu": 575}, f"{AT}.mtu: 575 is not a number from 576 to 65535"),
    ({"mtu": 65536}, f"{AT}.mtu: 65536 is not a number from 576 to 65535"),
    ({"mtu": 1279, "addresses": ["fd42::1/64"]}, f"{AT}.mtu: 1279 is below the 1280 that IPv6 needs"),
    ({"addresses": "10.42.0.1/24"}, f"{AT}.addresses: expected a list, got a value of type str"),
    ({"addresses": ["10.42.0.300/24"]}, f"{AT}.addresses[0]: '10.42.0.300/24' is not an IPv4 or IPv6 address"),
    ({"addresses": ["10.42.0.1/33"]}, f"{AT}.addresses[0]: '10.42.0.1/33' has no prefix length from 0 to 32"),
    ({"addresses": ["::ffff:10.42.0.1/128"]}, f"{AT}.addresses[0]: '::ffff:10.42.0.1/128' is an IPv4-mapped address"),
    ({"addresses": ["224.0.0.1/24"]}, f"{AT}.addresses[0]: '224.0.0.1/24' is a multicast or reserved address"),
    ({"addresses": ["0.0.0.0/0"]}, f"{AT}.addresses[0]: '0.0.0.0/0' is the unspecified address"),
    ({"addresses": [None]}, f"{AT}.addresses[0]: a value of type NoneType does not fit here"),
    ({"addresses": [42]}, f"{AT}.addresses[0]: a value of type int does not fit here"),
    ({"private_key_file": "wg0.key"}, f"{AT}.private_key_file: not a plain absolute path"),
    ({"private_key_file": "/etc/wg 0.key"}, f"{AT}.private_key_file: not a plain absolute path"),
    ({"private_key_file": "/etc/wg0.key\nPostUp = reboot"}, f"{AT}.private_key_file: not a plain absolute path"),
    ({"private_key_file": "/etc/$(reboot)"}, f"{AT}.private_key_file: not a plain absolute path"),
    ({"private_key_file": "/etc/%i.key"}, f"{AT}.private_key_file: not a plain absolute path"),
    ({"private_key_file": "/etc/wg0#old.key"}, f"{AT}.private_key_file: not a plain absolute path"),
    ({"private_key_file": "/etc/wg0(old).key"}, f"{AT}.private_key_file: not a plain absolute path"),
    ({"private_key_file": "/etc/wg*.key"}, f"{AT}.private_key_file: not a plain absolute path"),
    ({"private_key_file": "/etc/wg0.key\x7f"}, f"{AT}.private_key_file: not a plain absolute path"),
    ({"persistence": "ifupdown"}, f"{AT}.persistence: 'ifupdown' is none of none, wg_quick, networkd"),
    ({"state": "gone"}, f"{AT}.state: 'gone' is none of present, absent"),
    ({"inventory_name": "h1\nh2"}, f"{AT}.inventory_name: 'h1\\nh2' holds a line break or control character"),
    ({"unknown_peers": "h2"}, f"{AT}.unknown_peers: expected a list, got a value of type str"),
    ({"revoked": ["key"]}, f"{AT}.revoked: expected a mapping, got a value of type list"),
    ({"sysctls": ["net.ipv4.ip_forward"]}, f"{AT}.sysctls: expected a mapping, got a value of type list"),
    ({"sysctls": {"../../etc/passwd": "x"}}, f"{AT}.sysctls: '../../etc/passwd' is not the name of a sysctl"),
    ({"sysctls": {"net.a\nkernel.b": 1}}, f"{AT}.sysctls: 'net.a\\nkernel.b' is not the name of a sysctl"),
    ({"peers": PEER}, f"{AT}.peers: expected a list, got a value of type dict"),
    ({"peers": "beta"}, f"{AT}.peers: expected a list, got a value of type str"),
    ({"peers": [key_text(1)]}, f"{AT}.peers[0]: expected a mapping with addresses, "),
    ({"peers": [None]}, f"{AT}.peers[0]: expected a mapping with addresses, "),
    ({"listn_port": 1, "adresses": []}, f"{AT}: unknown adresses, listn_port; known are addresses, adopt"),
    ({"private_key": "x"}, f"{AT}: unknown private_key; known are"),
    (
        {"state": "absent", "remove_private_key": True, "private_key_file": "wg0.key"},
        f"{AT}.private_key_file: not a plain absolute path",
    ),
]

BAD_PEER_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"public_key": ""}, f"{AT_PEER}.public_key: a WireGuard key is 44 characters"),
    ({"public_key": None}, f"{AT_PEER}.public_key: a WireGuard key is 44 characters"),
    ({"public_key": 5}, f"{AT_PEER}.public_key: a value of type int does not fit here"),
    ({"public_key": key_text(1)[:-1]}, f"{AT_PEER}.public_key: a WireGuard key is 44 characters"),
    ({"public_key": "_" + key_text(1)[1:]}, f"{AT_PEER}.public_key: not base64 in the standard alphabet"),
    ({"public_key": ZERO_TEXT}, f"{AT_PEER}.public_key: a low-order point"),
    ({"allowed_ips": "10.0.0.0/8"}, f"{AT_PEER}.allowed_ips: expected a list"),
    ({"allowed_ips": ["10.9.5.7/24"]}, f"{AT_PEER}.allowed_ips[0]: '10.9.5.7/24' has host bits set; write '10.9.5.0/24'"),
    ({"allowed_ips": ["10.0.0.0/33"]}, f"{AT_PEER}.allowed_ips[0]: '10.0.0.0/33' has no prefix length"),
    ({"allowed_ips": ["fd00::1/64"]}, f"{AT_PEER}.allowed_ips[0]: 'fd00::1/64' has host bits set; write 'fd00::/64'"),
    ({"allowed_ips": ["beta"]}, f"{AT_PEER}.allowed_ips[0]: 'beta' is not an IPv4 or IPv6 address or network"),
    ({"allowed_ips": [10]}, f"{AT_PEER}.allowed_ips[0]: a value of type int does not fit here"),
    ({"allowed_ips": ["0.0.0.0/0"]}, "would send all traffic of the host into the tunnel"),
    ({"allowed_ips": ["::/0"]}, "would send all traffic of the host into the tunnel"),
    ({"endpoint": "192.0.2.1"}, f"{AT_PEER}.endpoint: '192.0.2.1' has no port: write it as 'host:port'"),
    ({"endpoint": "2001:db8::1:51820"}, f"{AT_PEER}.endpoint: '2001:db8::1:51820': write an IPv6 endpoint with brackets"),
    ({"endpoint": "[fe80::1]:51820"}, f"{AT_PEER}.endpoint: 'fe80::1' is link-local: append the interface"),
    ({"endpoint": "192.0.2.1:0"}, f"{AT_PEER}.endpoint: '192.0.2.1:0': the port is a number from 1 to 65535"),
    ({"endpoint": "0.0.0.0:51820"}, f"{AT_PEER}.endpoint: '0.0.0.0' cannot be the address of a peer"),
    ({"endpoint": "a\n[Peer]:1"}, f"{AT_PEER}.endpoint: 'a\\n[Peer]' is neither an IP address nor a host name"),
    ({"endpoint": 51820}, f"{AT_PEER}.endpoint: a value of type int does not fit here"),
    ({"persistent_keepalive": 65536}, f"{AT_PEER}.persistent_keepalive: 65536 is not a number from 0 to 65535"),
    ({"persistent_keepalive": "off"}, f"{AT_PEER}.persistent_keepalive: 'off' is not a number from 0 to 65535"),
    ({"name": "x\n[Peer]\nPublicKey="}, "peers[0].name: 'x\\n[Peer]\\nPublicKey=' holds a line break"),
    ({"name": "x\u2028y"}, "peers[0].name: 'x\\u2028y' holds a line break"),
    ({"name": "x\0"}, "peers[0].name: 'x\\x00' holds a line break or control character"),
    ({"allowd_ips": [], "keepalive": 1}, "peers[0]: unknown allowd_ips, keepalive; known are addresses, allowed_ips"),
    ({"endpoint": "0x7f000001:1"}, f"{AT_PEER}.endpoint: '0x7f000001' is neither an IP address nor a host name"),
    ({"preshared_key": PRESHARED}, "peers[0]: unknown preshared_key; known are"),
    ({"state": "absent"}, "peers[0]: unknown state; known are"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "message"), BAD_FIELDS)
def test_a_bad_field_is_refused_with_place_and_reason(fields: dict[str, Any], message: str) -> None:
    (error,) = errors_of(fields)
    assert message in error


@pytest.mark.parametrize(("fields", "message"), BAD_PEER_FIELDS)
def test_a_bad_field_of_a_peer_is_refused_with_place_and_reason(fields: dict[str, Any], message: str) -> None:
    (error,) = peer_errors(**fields)
    assert message in error


def test_all_errors_are_reported_at_once() -> None:
    bad: dict[str, Any] = {"listen_port": -1}
    expected = 1
    for fields, _message in BAD_FIELDS:
        if set(fields) <= {"fwmark", "addresses", "persistence", "inventory_name", "sysctls"} - set(bad):
            bad.update(fields)
            expected += 1
    bad["peers"] = [
        {**PEER, "public_key": key_text(10 + i), **fields} for i, (fields, _message) in enumerate(BAD_PEER_FIELDS)
    ]
    for i, peer in enumerate(bad["peers"]):
        if "allowed_ips" not in BAD_PEER_FIELDS[i][0]:
            peer["allowed_ips"] = [f"10.43.{i}.0/24"]
    errors = errors_of(bad)
    assert len(errors) == expected + len(BAD_PEER_FIELDS)
    for _fields, message in BAD_PEER_FIELDS:
        reason = message.replace(AT_PEER, "").replace("peers[0]", "")
        assert any(reason in error for error in errors), reason


def test_errors_of_all_interfaces_are_reported_at_once() -> None:
    with pytest.raises(InvalidOptions) as caught:
        parse_document([{"name": "wg0", "mtu": 1}, "wg1", {}, {"name": "wg0"}, {"name": "wg2", "mtu": 2}], {})  # type: ignore[list-item]
    assert [error.partition(":")[0] for error in caught.value.errors] == [
        "interfaces[0] (wg0).mtu",
        "interfaces[1]",
        "interfaces[2].name",
        "interfaces[3]",
        "interfaces[4] (wg2).mtu",
    ]
    assert "wg0 is listed twice" in caught.value.errors[3]


@pytest.mark.parametrize(
    "name",
    [
        "", "sixteen-letters-", "a/b", "..", ".", ".wg", "all", "default", "wg 0", "wg0\n", "wg0\nwg1", "wg%d", "wg0;x",
        "w\u0261", "wg0:1", "wg0\0", "$(x)",
    ],
)  # fmt: skip
def test_invalid_interface_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name an interface"):
        interface_name(name)
    with pytest.raises(InvalidOptions):
        parse_document([{"name": name}], {})
    with pytest.raises(InvalidOptions):
        parse_module_peers(name, [], purge=False)


@pytest.mark.parametrize("name", ["wg0", "a", "fifteen-letters", "wg_0", "wg.7", "=+-", "-wg"])
def test_valid_interface_names_are_accepted(name: str) -> None:
    assert interface_name(name) == name


@given(st.text(max_size=20))
def test_any_name_is_one_word_or_refused(name: str) -> None:
    try:
        interface_name(name)
    except ValueError:
        return
    assert name.isascii()
    assert name.split() == [name]
    assert not set(name) & set("/%;:$`'\"\\")


def test_two_peers_with_one_key_are_named() -> None:
    (error,) = errors_of({"peers": [PEER, {**OTHER, "public_key": key_text(1)}]})
    assert error == f"{AT}.peers[1]: gamma and beta have the same public key"


def test_one_allowed_ip_of_two_peers_is_named_with_both() -> None:
    (error,) = errors_of({"peers": [PEER, {**OTHER, "allowed_ips": ["10.42.0.2"]}]})
    assert error == f"{AT}.peers[1]: allowed IP 10.42.0.2/32 belongs to beta and to gamma"


def test_nested_allowed_ips_are_allowed() -> None:
    parse_document([{"name": "wg0", "peers": [PEER, {**OTHER, "allowed_ips": ["10.0.0.0/8"]}]}], {})


def test_all_traffic_is_allowed_without_routes() -> None:
    parse_document([{"name": "wg0", "routes": False, "peers": [{**PEER, "allowed_ips": ["0.0.0.0/0", "::/0"]}]}], {})


def test_a_small_mtu_is_allowed_without_ipv6() -> None:
    (wanted,) = parse_document([{"name": "wg0", "mtu": 1000, "addresses": ["10.42.0.1/24"]}], {})
    assert wanted.mtu == 1000


SECRETS: list[Callable[[str], object]] = [
    lambda secret: parse_document([{"name": "wg0", "peers": [PEER]}], {"wg0": {key_text(1): secret}}),
    lambda secret: parse_document([{"name": "wg0", "peers": [{"public_key": secret}]}], {}),
    lambda secret: parse_document([{"name": "wg0", "private_key_file": secret}], {}),
    lambda secret: parse_document([{"name": "wg0", "private_key": secret}], {}),
    lambda secret: parse_document([{"name": "wg0", "peers": [{**PEER, "preshared_key": secret}]}], {}),
    lambda secret: parse_module_peers("wg0", [{"public_key": key_text(1), "preshared_key": secret}], purge=False),
    lambda secret: parse_module_peers("wg0", [{"public_key": secret, "preshared_key": secret}], purge=False),
    lambda secret: parse_module_peers("wg0", [{"public_key": secret, "state": "absent"}], purge=False),
]


@pytest.mark.parametrize("parse", SECRETS)
@pytest.mark.parametrize(
    "secret", [PRESHARED[:-1], PRESHARED + "=", "_" + PRESHARED[1:], PRESHARED[:20] + "\n" + PRESHARED[20:]]
)
def test_a_mistyped_secret_is_never_in_a_message(parse: Callable[[str], object], secret: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        parse(secret)
    shown = str(caught.value) + repr(caught.value) + repr(caught.value.__cause__)
    assert PRESHARED[2:18] not in shown
    assert PRESHARED[22:40] not in shown


def test_a_bad_preshared_key_is_reported_beside_a_bad_public_key() -> None:
    with pytest.raises(InvalidOptions) as caught:
        parse_module_peers("wg0", [{"public_key": "x", "preshared_key": "y"}], purge=False)
    assert [error.partition(":")[0] for error in caught.value.errors] == [
        "peers[0].public_key",
        "peers[0].preshared_key",
    ]


def test_preshared_keys_are_by_interface_and_peer() -> None:
    with pytest.raises(InvalidOptions, match=r"preshared_keys\.wg0: expected a mapping, got"):
        parse_document([{"name": "wg0"}], {"wg0": [PRESHARED]})  # type: ignore[dict-item]
    with pytest.raises(InvalidOptions, match=r"\(beta\)\.preshared_key: a value of type int does not fit"):
        parse_document([{"name": "wg0", "peers": [PEER]}], {"wg0": {key_text(1): 5}})  # type: ignore[dict-item]


PREDICTED = {"new_key": "the new key of h4", "peers": [{**PEER, "public_key": "the new key of h1"}]}


def test_check_mode_reads_keys_that_are_not_generated_yet() -> None:
    preshared_keys = {"wg0": {"the new key of h1": PRESHARED}}
    (wanted,) = parse_document([{"name": "wg0", **PREDICTED}], preshared_keys, decode_predicted_key)
    assert wanted.peers is not None
    assert (wanted.new_key, wanted.peers[0].peer.public_key) == tuple(
        map(decode_predicted_key, ("the new key of h4", "the new key of h1"))
    )
    assert wanted.peers[0].peer.preshared_key == decode_key(PRESHARED)


def test_a_real_run_refuses_keys_that_are_not_generated_yet() -> None:
    wrong = errors_of(PREDICTED)
    assert [error for error in wrong if error.startswith(f"{AT_PEER}.public_key: a WireGuard key is 44 characters")]
    assert [error for error in wrong if error.startswith(f"{AT}.new_key: a WireGuard key is 44 characters")]
    with pytest.raises(InvalidOptions, match="44 characters"):
        parse_module_peers("wg0", PREDICTED["peers"], False)  # type: ignore[arg-type]
