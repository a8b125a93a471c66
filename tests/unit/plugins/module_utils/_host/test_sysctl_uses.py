# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What else may rely on the value of a kernel parameter."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._host.sysctl_uses import (
    IP_FORWARD,
    IPV6_FORWARDING,
    HostLink,
    other_use,
    set_by_kernel,
    setting_file,
)

ETH0, DOCKER0 = HostLink("eth0", "", False), HostLink("docker0", "bridge", False)
WG0, WG5, TUN9 = HostLink("wg0", "wireguard", True), HostLink("wg5", "wireguard", False), HostLink("tun9", "tun", False)
ALL, OWN = "net/ipv4/conf/all/send_redirects", "net/ipv4/conf/wg0/send_redirects"


@pytest.mark.parametrize("path", [IP_FORWARD, IPV6_FORWARDING])
def test_forwarding_between_two_interfaces_of_others_is_a_use(path: str) -> None:
    assert other_use(path, [ETH0, WG0]) == ""
    assert other_use(path, [ETH0, DOCKER0, WG0]) == "other packets may be forwarded between eth0, docker0"
    many = [HostLink(f"eth{number}", "", False) for number in range(8)]
    assert other_use(path, many).endswith("eth3, eth4, 3 more")


def test_other_tunnels_may_need_the_mark_in_the_source_check() -> None:
    path = "net/ipv4/conf/all/src_valid_mark"
    assert other_use(path, [ETH0, DOCKER0, WG0]) == ""
    assert other_use(path, [ETH0, TUN9, WG5]) == "the tunnel tun9, wg5 may need it"


def test_wireguard_in_the_kernel_sends_no_redirects() -> None:
    assert set_by_kernel(ALL, [ETH0, WG0]) and set_by_kernel(OWN, [WG0])
    assert not set_by_kernel(OWN, [WG5]) and not set_by_kernel(ALL, [ETH0, HostLink("wg0", "tun", True)])
    assert not set_by_kernel("net/ipv4/conf/wg0/rp_filter", [WG0])


@pytest.mark.parametrize(
    "line",
    [
        "net.ipv4.ip_forward=1",
        " net/ipv4/ip_forward = 1 ",
        "-net.ipv4.ip_forward = 1",
        "net.ipv4.conf.all.forwarding = 1",
        "net.ipv4.conf.*.forwarding = 1",
    ],
)
def test_a_file_that_sets_the_value_is_found(line: str) -> None:
    assert setting_file(IP_FORWARD, "1", [("/a", f"# comment\n{line}\n"), ("/b", "kernel.sysrq = 0\n")]) == "/a"


@pytest.mark.parametrize(
    "line",
    ["#net.ipv4.ip_forward=1", "; net.ipv4.ip_forward=1", "net.ipv4.ip_forward", "net.ipv4.ip_forward=0", "=1", ""],
)
def test_a_file_that_does_not_set_the_value_is_none(line: str) -> None:
    assert setting_file(IP_FORWARD, "1", [("/a", line)]) == ""


def test_the_last_file_counts() -> None:
    files = [("/a", "net.ipv4.ip_forward = 1"), ("/b", "net.ipv4.ip_forward = 0")]
    assert (setting_file(IP_FORWARD, "1", files), setting_file(IP_FORWARD, "0", files)) == ("", "/b")
