# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Odd values of options of modules and documents: refused with the option and its value, but keys without it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import InvalidOptions
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.module_options import (
    parse_module_interface,
    parse_module_peers,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import parse_document
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.options import parse as parse_nftables
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.options import parse_sections
from ansible_collections.wirewright.overlay.plugins.module_utils._probe.options import parse as parse_probe
from ansible_collections.wirewright.overlay.plugins.module_utils._stun.options import parse as parse_stun

KEY = base64.b64encode(b"k" * 32).decode()
SHORT, LONG = (base64.b64encode(b"k" * number).decode() for number in (31, 33))
FULL_WIDTH = "\uff17"
_FIELDS = "state private_key_file listen_port fwmark mtu threaded_napi addresses up userspace"


def wg_interface(**options: Any) -> object:
    return parse_module_interface({**dict.fromkeys(_FIELDS.split()), "interface": "wg0", "up": True, **options})


def wg_peer(interface: str = "wg0", **options: Any) -> object:
    return parse_module_peers(interface, [{"public_key": KEY, **options}], False)


def interface(**options: Any) -> object:
    return parse_document([{"name": "wg0", **options}], {})


def peer(**options: Any) -> object:
    return interface(peers=[{"public_key": KEY, **options}])


def section(name: str, **options: Any) -> object:
    return parse_sections({name: options}, lambda _name: 1)


def route(table: Any = "201", **options: Any) -> object:
    routes = [{"destination": "10.9.0.0/16", "dev": "wg0", **options}]
    return parse_sections({"ip_routes": [{"table": table, "routes": routes}]}, lambda _name: 1)


def rule(**options: Any) -> object:
    return section("ip_rules", rules=[{"priority": 7000, "table": "201", **options}])


def state(**options: Any) -> object:
    aead = {"algorithm": "rfc4106(gcm(aes))", "key_name": "k"}
    one = {"src": "192.0.2.1", "dst": "192.0.2.2", "spi": 256, "aead": aead, "key_survives_reboot": False, **options}
    return parse_sections({"xfrm_states": {"states": [one]}, "xfrm_keys": {"k": "0x" + "5a" * 20}}, lambda _name: 1)


def policy(**options: Any) -> object:
    one = {"dir": "out", "src": "10.0.0.0/8", "dst": "10.9.0.0/16", "action": "block", **options}
    return section("xfrm_policies", policies=[one])


def nftables(**options: Any) -> object:
    return parse_nftables({"wg0": options})


def stun(*servers: Any, **options: Any) -> object:
    given = {"servers": list(servers), "family": "both", "interface": None, "port": None, "timeout": None, **options}
    return parse_stun(given)


def probe(**options: Any) -> object:
    given = {"interface": "wg0", "peers": None, "deadline": 5.0, "mtu": None, "path_mtu": True, "wait": False}
    return parse_probe({**given, "handshake": False, **options})


# The reader, the option, its value, and a part of the message, by default the value.
ODD: list[tuple[Callable[..., object], str, Any, str]] = [
    (wg_interface, "interface", "a" * 16, ""),
    (wg_interface, "interface", "wg/0", ""),
    (wg_interface, "interface", "lo", ""),
    (wg_interface, "listen_port", 65536, ""),
    (wg_interface, "listen_port", -1, ""),
    (wg_interface, "fwmark", "0777", ""),
    (wg_interface, "fwmark", FULL_WIDTH, ""),
    (wg_interface, "mtu", 575, ""),
    (wg_interface, "addresses", ["10.42.0.1/33"], "10.42.0.1/33"),
    (wg_interface, "addresses", ["::ffff:10.42.0.1"], "::ffff:10.42.0.1"),
    (wg_interface, "addresses", ["fd42::1/64", "fd42::1/48"], "fd42::1"),
    (wg_interface, "private_key_file", "wg0.key", "not a plain absolute path"),
    (wg_interface, "private_key_file", "/etc/../wg0.key", "not the path of a file"),
    (wg_interface, "private_key_file", "/dev/null", "not the path of a file that is kept"),
    (wg_peer, "public_key", SHORT, "32 bytes, not 31"),
    (wg_peer, "public_key", LONG, "44 characters"),
    (wg_peer, "public_key", "A" * 43 + "=", "low-order point"),
    (wg_peer, "preshared_key", SHORT, "32 bytes, not 31"),
    (wg_peer, "preshared_key", "A" * 43 + "=", "a key of zeros"),
    (wg_peer, "endpoint", "2001:db8::1:51820", ""),
    (wg_peer, "endpoint", "https://vpn.example.org", ""),
    (wg_peer, "endpoint", "vpn..example.org:51820", "vpn..example.org"),
    (wg_peer, "endpoint", "192.0.2.1:51820-51822", ""),
    (wg_peer, "endpoint", "0x7f000001:51820", "0x7f000001"),
    (wg_peer, "endpoint", False, "type bool"),
    (wg_peer, "allowed_ips", ["10.9.0.5/24"], "10.9.0.5/24"),
    (wg_peer, "allowed_ips", "10.9.0.0/24", "expected a list"),
    (wg_peer, "persistent_keepalive", 65536, ""),
    (interface, "up", "no", ""),
    (interface, "purge", "false", ""),
    (interface, "adopt", "false", ""),
    (interface, "routes", 0, ""),
    (interface, "allow_mass_removal", "no", ""),
    (interface, "userspace", [], "[]"),
    (interface, "threaded_napi", "off", ""),
    (interface, "persistence", True, ""),
    (interface, "route_metric", -1, ""),
    (interface, "sysctls", ["net.ipv4.ip_forward"], "expected a mapping"),
    (interface, "peers", {"public_key": KEY}, "expected a list"),
    (interface, "private_key", KEY, "unknown private_key"),
    (peer, "addresses", "10.42.0.2", "expected a list"),
    (peer, "routed", "no", ""),
    (peer, "name", "a\n[Peer]", "line break"),
    (route, "table", "0", ""),
    (route, "table", "254", ""),
    (route, "table", "4294967296", ""),
    (route, "destination", "10.9.0.5/16", ""),
    (route, "via", "2001:db8::1/64", ""),
    (route, "metric", -1, ""),
    (route, "mtu", 65536, ""),
    (rule, "priority", 0, ""),
    (rule, "priority", 32766, ""),
    (rule, "table", "255", ""),
    (rule, "fwmark", "0x1ffffffff", ""),
    (rule, "to", "10.9.0.1/8", ""),
    (rule, "iif", "a" * 16, ""),
    (rule, "dport", "0-65536", ""),
    (rule, "uidrange", "9-1", ""),
    (state, "spi", 0, ""),
    (state, "dst", "192.0.2.0/24", ""),
    (state, "reqid", 2**32, ""),
    (state, "replay_window", 4097, ""),
    (state, "mode", "tunneled", "mode"),
    (policy, "dst", "10.9.0.1/16", ""),
    (policy, "priority", -1, ""),
    (policy, "dev", "no-such-dev", ""),
    (nftables, "clamp_mss", "yes", ""),
    (nftables, "masquerade", [{"source": "0.0.0.0/0"}], "0.0.0.0/0"),
    (nftables, "isolate", "on", ""),
    (stun, "port", 65536, ""),
    (stun, "interface", "a" * 16, ""),
    (stun, "timeout", 0, ""),
    (probe, "deadline", float("inf"), "inf"),
    (probe, "mtu", 67, ""),
    (probe, "peers", [{"addresses": ["224.0.0.1"]}], "224.0.0.1"),
]


@pytest.mark.parametrize(
    ("read", "option", "value", "part"),
    [pytest.param(*one, id=f"{one[0].__name__}.{one[1]}={ascii(one[2])[:30]}") for one in ODD],
)
def test_an_odd_option_is_refused_by_name(read: Callable[..., object], option: str, value: Any, part: str) -> None:
    given: tuple[str, ...] = ("stun.example.org",) if read is stun else ()
    with pytest.raises(InvalidOptions) as caught:
        read(*given, **{option: value})
    said = "\n".join(caught.value.errors)
    assert option in said and (part or str(value).lower()) in said.lower(), said
    assert KEY not in said and SHORT not in said and LONG not in said


@pytest.mark.parametrize("server", ["stun:stun.example.org", "stun..example.org", "::1%lo", "192.0.2.1:0", "0.0.0.0"])  # noqa: S104
def test_an_odd_server_is_refused_by_name(server: str) -> None:
    with pytest.raises(InvalidOptions, match=r"servers\[0\]: .*" + server.split("%")[0]):
        stun(server)


def test_there_are_enough_of_them() -> None:
    assert len(ODD) >= 60
