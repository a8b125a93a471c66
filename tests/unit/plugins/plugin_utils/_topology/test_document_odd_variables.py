# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Odd values of variables: refused with host, variable and value, or planned as the value that they mean."""

from __future__ import annotations

import base64
import datetime
import re
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.plan import (
    plan_node_encryption,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import (
    HostInput,
    PlanResult,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._variable_reader import shown
from planned_fleet import host, key_of
from planned_hub_spoke import hub, spoke
from planned_nodes import NOW, node

KEY = key_of("peer")
PEER = {"public_key": KEY, "allowed_ips": ["10.42.0.9/32"]}
ZERO_WIDTH, FULL_WIDTH = "\u200b", "\uff17"
HUGE, DATE, NAN = 10**30, datetime.date(2024, 1, 1), float("nan")


def of_bytes(number: int) -> str:
    return base64.b64encode(b"k" * number).decode()


# By prefix of the variable, values that are refused, mostly with their own text in the message.
REFUSED: dict[str, dict[str, list[Any]]] = {
    "mesh_": {
        "interface": [True, False, 5, 1.5, DATE, ["wg0"], {"a": 1}, "a" * 16, "wg/0", "wg%0", ".", "..", "all", "default",
         "lo", "wg0\n", "wg0" + ZERO_WIDTH, "wg" + FULL_WIDTH, "wg 0", "é"],
        "port": [-1, 65536, "65536", "51820-51822", "51820,51821", "22/udp", True, False, 1e3, 51820.0, "1e3", "0777", "00",
         "1_000", "+5", FULL_WIDTH, HUGE, NAN, DATE, [51820], {"port": 1}, [], {}, "0x10000"],
        "mtu": [575, 1, 65536, -1, "1280.0", True, "01400", 9000],
        "fwmark": [-1, 2**32, "0x1ffffffff", "0777", "0xff/0xff", True, 1e3, [1]],
        "persistent_keepalive": [-1, 65536, "25s", True, 2.5, [25]],
        "verify_seconds": [-1, 0.5, 601, "inf", "nan", "+5", "1_0", FULL_WIDTH, True, "20s", []],
        "network": ["0.0.0.0/0", "::/0", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "fe80::/64", "ff02::/16",
         "::ffff:10.0.0.0/104", "10.42.0.1/24", "10.42.0.0/33", "10.42.0.0/-1", "10.42.0.0/255.255.255.0", "10.42.0.0",
         "010.042.000.000/24", "10.42.0.0/ 24", "10.42", "0.0.0.0/8", 10.42, True, [10], {"a": 1}, "10.42.0.0/" + FULL_WIDTH],
        "addresses": ["10.42.0.0", "10.42.0.255", "10.43.0.1", "127.0.0.1", "::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1",  # noqa: S104
         "255.255.255.255", "::ffff:10.42.0.5", "10.42.0.5/16", "10.42.0.256", "fd42::1%eth0", 5, True, [5], [[]], {"a": 1},
         ["10.42.0.5", "10.42.0.300"]],
        "networks": ["192.168.1.5/24", "192.168.1.0", "0.0.0.0/0", "169.254.1.1/33", "224.0.0.0/4", "fe80::/10", "::1",
         "127.0.0.0/8", "::ffff:192.168.1.0/120", "10.42.0.0/24", True, [None], {"a": 1}, 1],
        "routes_except": ["10.9.0.5/24", "127.0.0.1", "fe80::/64", "10.9", False],
        "endpoint": ["https://vpn.example.org", "vpn.example.org:0", "vpn.example.org:65536", "vpn.example.org:51820-51822",
         "vpn.example.org:5:6", "2001:db8::1:51820:", "[192.0.2.1]:51820", "[2001:db8::1", "0x7f000001", "2130706433",
         "127.1", "192.0.2.256", "0.0.0.0", "::", "127.0.0.1", "::1", "localhost", "ip6-localhost", "a.localhost",  # noqa: S104
         "224.0.0.1", "255.255.255.255", "::ffff:192.0.2.1", "fe80::1", "2001:db8::1%eth0", "fe80::1%a/b", "192.0.2.1/24",
         "vpn..example.org", "-vpn.example.org", "vpn-.example.org", "vpn.example.org..", "a." + "b" * 64, "vpn example",
         "vpn.éxample", "user@vpn", "None", "null", "NO", "True", "vpn" + ZERO_WIDTH, "10.42.0.7", False, 51820, ["vpn"], {}],
        "endpoint_family": ["ipv5", "IPv4", 4, True, ["ipv4"]],
        "persistence": [False, True, "wg-quick", "systemd", ["networkd"]],
        "routes": ["perhaps", 2, "y", "n", "t", "f", "True ", 1.0, [], {}],
        "forward": ["maybe", 2, []],
        "static_peers": ["phone", {"public_key": KEY}, [KEY], [[]], True],
        "peer_overrides": [["h2"], "h2", {"h2": "192.0.2.1"}, {"h9": {}}, {"h1": {}}, True],
        "private_key_file": ["wg0.key", "./wg0.key", "~/wg0.key", "/etc/../wg0.key", "/etc//wg0.key", "//wg0.key", "/etc/keys/",
         "/", "/etc/.", "/dev/null", "/proc/self/mem", "/sys/x", "/etc/a b", "/etc/a\n", "/etc/$(id)", "/etc/%i",
         "/" + "a" * 256,
         True, 5, ["/etc/wg0.key"]],
        "revoked": [5, True, {"h2": ""}, [None], KEY[:-1], KEY + "="],
    },
    "hub_spoke_": {
        "port": [0, "0"],
        "priority": [0, 1, -1, 2**32, "low", True, [100]],
        "masquerade": ["0.0.0.0/0", "127.0.0.0/8", "224.0.0.0/4", "::ffff:10.0.0.0/104", "10.43.0.1/24", 5, "on", {"a": 1}],
        "full_tunnel_table": [0, 253, 254, 255, 2**32, -1, "main", True],
        "full_tunnel_priority": [0, 32766, 32767, -1, "first", True],
        "stun_servers": ["stun:stun.example.org", "stun.example.org:0", "127.0.0.1", "[::1]:3478", "localhost", "10.43.0.9",
         "stun..example.org", ["192.0.2.1", "192.0.2.1:3478"]],
        "direct_interface": ["a" * 16, "wg/1", "lo", True],
        "direct_deadline": [0, 601, "soon", True, NAN],
        "ports": [51820, "51820", [51820], {"wg0": 65536}, {"wg0": "a"}, {"wg0": True}],
    },
    "node_encryption_": {
        "backend": ["IPsec", "IPSEC", True, "wireguard,ipsec"],
        "table": [0, 253, 254, 255, 252, 251, -1, 2**32, "main", True],
        "rule_priority": [0, 32766, 32767, -1, 2**32, True, "first"],
        "fwmark": [0, -1, 2**32, True],
        "alternate_interface": ["a" * 16, "kwg/1", "..", "lo", False],
        "alternate_port": [0, 65536, "51821-51822", True],
        "exempt_ports": [0, 65536, ["22/tcp"], "1-5", True, [22, -1], {"a": 1}, [[]]],
        "exclude_cidrs": ["0.0.0.0/0", "::/0", "::ffff:10.0.0.0/104", "10.0.0.1/8", "10.0.0.0", True],
        "node_ip": ["fe80::1", "fe80::1%eth0", "127.0.0.1", "0.0.0.0", "224.0.0.1", "192.0.2.0/24", "node1", True, ["", 5]],  # noqa: S104
        "virtual_ips": ["10.9.0.0/24", "fe80::1", "255.255.255.255", "fd00::/64", 5],
        "further_ips": ["10.9.0.0/24", "fe80::1", "::1"],
        "node_name": ["n_1", "N1", "n1.", "a..b", "é", "n/1", True, ["n1"]],
        "opt_out_labels": ["a=b=c", "/a", "a/", "é", "a b/c=-", "-a", ["x=" + "y" * 64], {"a": "b"}, True],
        "pod_interfaces": ["a" * 16, "cali/", "a%b", "*", "a*b", ["."], True],
        "route_protocol": ["0", "256", "-1", "no way", "Kernel!", True, 4],
        "rule_protocol": ["0", "300", "a/b", False],
        "granularity": ["pod", True],
        "strict": ["out", 2, [], "y"],
        "strict_action": ["drop", True],
        "node_ip_families": [5, "ipv4", True, [4, 7], {"a": 4}],
        "max_key_age_days": [-1, 36501, "90d"],
        "mtu_underlay_extra": [-1, 4097, "x"],
        "node_ip_detection": ["interface=", "interface=(", "cidr=10.0.0.1/8", "first", True],
        "ipsec_key_bits": [0, 64, 512, 257],
        "ipsec_icv": [0, 63, 129],
        "ipsec_aead": ["des", "", True][:1],
        "ipsec_reqid": [0, 16384, -1, True],
        "ipsec_replay_window": [0, 4097, "x"],
        "ipsec_epochs_ahead": [0, 1, 201],
        "ipsec_profile": ["tunnel", True],
        "ipsec_index": [0, -1, 65536, "one"],
    },
}  # fmt: skip
_LISTED = [
    pytest.param(prefix, variable, value, id=f"{prefix}{variable}={ascii(value)[:30]}")
    for prefix, variables in REFUSED.items()
    for variable, values in variables.items()
    for value in values
]
# By prefix, odd values that are right, and the value that has the same plan.
RIGHT: dict[str, dict[str, list[tuple[Any, Any]]]] = {
    "mesh_": {
        "port": [("0x1f90", 8080), (" 7 ", 7), ("7\n", 7), ("", 51820), (0o17, 15)],
        "mtu": [("0", 0), ("", 0), ("1400", 1400)],
        "fwmark": [("0xFFFFFFFF", 2**32 - 1), (" 7\n", 7)],
        "persistent_keepalive": [("0", 0), (65535, 65535)],
        "network": [("10.42.0.0/24\n", ["10.42.0.0/24"]), (["10.42.0.0/24", "10.42.0.0/24", ""], "10.42.0.0/24")],
        "addresses": [("10.42.0.7", ["10.42.0.7/24"]), ([" 10.42.0.7/24 ", "10.42.0.7/24"], "10.42.0.7"), ([], "")],
        "networks": [
            ("192.168.1.0/24, 192.168.2.0/24", ["192.168.1.0/24", "192.168.2.0/24"]),
            ("10.9.0.1", "10.9.0.1/32"),
            ("FD00:0::/64", ["fd00::/64"]),
            ("10.9.0.0/31", ["10.9.0.0/31"]),
        ],
        "endpoint": [
            ("[2001:DB8:0::1]", "2001:db8::1"),
            ("VPN.example.org.", "vpn.example.org."),
            (" auto ", "auto"),
            ("1e3", "1e3:51820"),
            ("[fe80::1%eth0]:51820", "fe80::1%eth0"),
        ],
        "routes": [("off", False), ("NO", False), (0, False), ("1", True), ("", True)],
        "private_key_file": [("", "/etc/wireguard/wg0.key"), ("/etc/keys/wg-0_1.key", " /etc/keys/wg-0_1.key")],
        "revoked": [("h9", ["h9", "h9"]), (KEY + "\n", [KEY])],
    },
    "node_encryption_": {
        "exempt_ports": [("22, 0x16,6443", [22, 6443]), (22, [22])],
        "strict_action": [("prohibit", " prohibit ")],
        "route_protocol": [("0x57", "0x57 "), ("bird", "bird ")],
        "pod_interfaces": [("cali*, lxc1", ["cali*", "lxc1"])],
        "opt_out_labels": [("example.org/encryption=", ["example.org/encryption="])],
        "table": [("0x1BBC", 7100)],
        "exclude_cidrs": [("10.9.0.1 10.8.0.0/16", ["10.9.0.1/32", "10.8.0.0/16"])],
    },
}


def planned(prefix: str, variable: str, value: Any) -> PlanResult:
    """Return the plan of a fleet in which the first member has a value."""
    given = {variable: value}
    if prefix == "mesh_":
        return plan_mesh([host("h1", given), host("h2", given if variable == "network" else {})])
    if prefix == "hub_spoke_":
        return plan_hub_spoke([hub("h1", {**given, "masquerade": given.get("masquerade", False)}), spoke("h2")])
    nodes: list[HostInput] = [node(1), node(2)]
    if variable.startswith("ipsec_"):
        given["backend"] = "ipsec"
    nodes = [one._replace(variables={**one.variables, **given}) for one in nodes]
    return plan_node_encryption(nodes, now=NOW)


def test_there_are_enough_of_them() -> None:
    assert len(_LISTED) >= 150


@pytest.mark.parametrize(("prefix", "variable", "value"), _LISTED)
def test_an_odd_value_is_refused_by_name(prefix: str, variable: str, value: Any) -> None:
    outcome = planned(prefix, variable, value)
    assert outcome.plan is None, value
    named = [text for text in outcome.problems if text.startswith("host") and f": {prefix}{variable}" in text]
    assert named, outcome.problems
    said = " ".join(named)
    parts = [*value, *map(str, value)] if isinstance(value, (list, dict)) else [value, str(value).strip()]
    quoted = [shown(value), *(shown(part) for part in parts), *(str(part) for part in parts if part not in ("", True))]
    entered = [word for word in re.split(r"[\s=]", value) if word] if isinstance(value, str) else []
    known = any(text in said for text in [*quoted, *entered])
    assert known or "this is not a" in said or "this is a" in said or "key" in said, (value, said)
    assert all(text.isprintable() for text in named), named


@pytest.mark.parametrize(
    ("prefix", "variable", "value", "same"),
    [
        pytest.param(prefix, variable, value, same, id=f"{prefix}{variable}={ascii(value)[:30]}")
        for prefix, variables in RIGHT.items()
        for variable, pairs in variables.items()
        for value, same in pairs
    ],
)
def test_an_odd_value_that_is_right_has_the_plan_of_the_usual_one(
    prefix: str, variable: str, value: Any, same: Any
) -> None:
    odd, usual = planned(prefix, variable, value), planned(prefix, variable, same)
    assert odd.plan is not None and usual.plan is not None, (odd.problems, usual.problems)
    assert odd.plan.to_dict() == usual.plan.to_dict()


@pytest.mark.parametrize(
    "key",
    [
        *map(of_bytes, (0, 31, 33, 64)),
        KEY[:-1],
        KEY.replace("=", ""),
        f"{KEY[:-2]}B=",
        KEY + ZERO_WIDTH,
        of_bytes(32)[::-1],
        base64.b64encode(bytes(32)).decode(),
        base64.urlsafe_b64encode(b"\xfb" * 32).decode(),
        "0x" + "00" * 32,
        True,
        5,
        [KEY],
    ],
)
def test_an_odd_key_is_refused_without_its_text(key: Any) -> None:
    for variables in ({"public_key": key}, {"static_peers": [{**PEER, "public_key": key}]}):
        outcome = plan_mesh([host("h1", variables), host("h2")])
        said = "\n".join(outcome.problems)
        if key == "":
            assert outcome.plan is not None or "a peer needs a public key" in said
            continue
        assert outcome.plan is None and "host 'h1': mesh_" in said and "public_key" in said
        assert not isinstance(key, str) or key not in said


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"allowed_ips": "10.9.0.5/24"}, "allowed_ips: '10.9.0.5/24' has host bits set"),
        ({"allowed_ips": True}, "allowed_ips: True is not a list of texts"),
        ({"allowed_ips": ["::ffff:10.9.0.1"]}, "allowed_ips: '::ffff:10.9.0.1'"),
        ({"endpoint": "192.0.2.1"}, "endpoint: '192.0.2.1' has no port"),
        ({"endpoint": False}, "endpoint: False is not a text"),
        ({"endpoint": "[::1]:5"}, "endpoint: '[::1]:5' is loopback"),
        ({"persistent_keepalive": "25s"}, "persistent_keepalive: '25s' is not a whole number"),
        ({"name": ["phone"]}, "name: ['phone'] is not a text on one line"),
        ({"name": "h2"}, "'h2' has the name of a member"),
        ({"psk": "secret"}, "unknown keys 'psk'; known are"),
    ],
)
def test_an_odd_value_of_a_static_peer_is_refused_by_name(entry: dict[str, Any], expected: str) -> None:
    outcome = plan_mesh([host("h1", {"static_peers": [{**PEER, **entry}]}), host("h2")])
    said = "\n".join(outcome.problems)
    assert outcome.plan is None and "host 'h1': mesh_static_peers" in said and expected in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name}={ascii(value)[:30]}")
        for name, of_mesh in {"persistence": "persistence", "userspace": "routes", "revoked": "revoked"}.items()
        for value in ["sometimes", *REFUSED["mesh_"][of_mesh]]
        if (name, value) != ("revoked", "sometimes")
    ],
)
def test_a_variable_of_all_roles_is_refused_under_its_own_name(name: str, value: Any) -> None:
    one = host("h1", {name: value})._replace(shared=frozenset([name]))
    (problem,) = plan_mesh([one, host("h2")]).problems
    assert problem.startswith(f"host 'h1': overlay_{name}: ")
