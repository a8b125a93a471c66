# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints that only the host can tell to be wrong are refused before any change, by all modules that set them."""

from __future__ import annotations

from typing import Any

import pytest
from host_state import observe
from managed_host import ManagedHost, ModuleResult, key

KEY_FILE = "/etc/wireguard/wg0.key"
A, B = key("peer a"), key("peer b")
GIVEN: tuple[tuple[str, dict[str, Any]], ...] = (
    ("wg_key", {"path": KEY_FILE}),
    (
        "wg_interface",
        {
            "interface": "wg0",
            "userspace": True,
            "private_key_file": KEY_FILE,
            "listen_port": 51820,
            "addresses": ["10.42.0.1/24", "fd42::1/64"],
        },
    ),
)
WRONG = {
    "own address": ("{ipv4}:51820", "is the port of wg0 on this host itself"),
    "own IPv6 address": ("[{ipv6}]:51820", "is the port of wg0 on this host itself"),
    "loopback": ("127.0.0.1:51820", "is the port of wg0 on this host itself"),
    "IPv6 loopback": ("[::1]:51820", "is the port of wg0 on this host itself"),
    "own overlay address": ("10.42.0.1:51820", "is the port of wg0 on this host itself"),
    "network of the tunnel": ("10.42.0.7:51820", "is inside 10.42.0.0/24, a network of the tunnel itself"),
    "IPv6 network of the tunnel": ("[fd42::7]:1", "is inside fd42::/64, a network of the tunnel itself"),
    "scope of the tunnel": ("[fe80::7%wg0]:51820", "is reached through the tunnel itself"),
    "missing interface": ("[fe80::7%gone9]:51820", "names the interface gone9, which this host does not have"),
    "missing number": ("[fe80::7%4242]:51820", "names the interface 4242, which this host does not have"),
    "own link-local address": ("[{link_local}%eth0]:51820", "is the port of wg0 on this host itself"),
}


def underlay(host: ManagedHost) -> dict[str, str]:
    local = host.run("ip", "-6", "-o", "addr", "show", "dev", "eth0", "scope", "link").split()[3].partition("/")[0]
    own = [one.partition("/")[0] for one in host.addresses("eth0") if not one.startswith("fe80")]
    (ipv4,), (ipv6,) = ([one for one in own if (":" in one) is six] for six in (False, True))
    return {"ipv4": ipv4, "ipv6": ipv6, "link_local": local}


def call(host: ManagedHost, module: str, *endpoints: str, check_mode: bool = False, **changes: Any) -> ModuleResult:
    listed = [{"public_key": one, "endpoint": endpoint} for one, endpoint in zip((A, B), endpoints)]
    if module == "wg_peer":
        return host.module("wg_peer", interface="wg0", peers=listed, check_mode=check_mode)
    wanted = {**GIVEN[1][1], "peers": listed, **changes}
    wanted["name"] = wanted.pop("interface")
    return host.module("overlay_apply", interfaces=[wanted], check_mode=check_mode)


def prepare(host: ManagedHost, module: str) -> None:
    for name, arguments in GIVEN if module == "wg_peer" else GIVEN[:1]:
        assert host.module(name, **arguments).changed


@pytest.mark.parametrize("module", ["wg_peer", "overlay_apply"])
def test_endpoints_of_the_host_itself_and_of_no_host_are_refused(host: ManagedHost, module: str) -> None:
    prepare(host, module)
    own, before = underlay(host), observe(host)
    for case, (text, said) in WRONG.items():
        endpoint = text.format(**own)
        for check_mode in (True, False):
            message = call(host, module, "192.0.2.250:51820", endpoint, check_mode=check_mode).failure
            assert f"wg0: {endpoint}, the endpoint of peer {B}, {said}" in message, (case, message)
            assert "nothing was changed" in message
            assert observe(host) == before, (case, check_mode)
    both = call(host, module, "127.0.0.1:51820", "[fe80::7%gone9]:51820").failure
    assert A in both and B in both, "all are named at once"


@pytest.mark.parametrize("module", ["wg_peer", "overlay_apply"])
def test_endpoints_of_other_programs_of_the_host_are_not_refused(host: ManagedHost, module: str) -> None:
    """Such as a proxy on the loopback. Another address of the host is a mistake more often, so it is a warning."""
    prepare(host, module)
    own = underlay(host)
    done = call(host, module, "127.0.0.1:4000", f"{own['ipv4']}:4000")
    assert done.changed
    (warning,) = done.data["warnings"]
    assert f"{own['ipv4']}:4000, the endpoint of peer {B}, has an address of this host" in str(warning)
    again = call(host, module, "127.0.0.1:4000", f"{own['ipv4']}:4000")
    assert not again.changed and "warnings" not in again.data


def test_an_endpoint_with_a_route_of_its_own_is_outside_of_the_tunnel(host: ManagedHost) -> None:
    prepare(host, "wg_peer")
    host.shell("ip route add 10.42.0.7/32 via 192.0.2.99 proto 99 || ip route add 10.42.0.7/32 dev eth0 proto 99")
    assert call(host, "wg_peer", "10.42.0.7:51820").changed
