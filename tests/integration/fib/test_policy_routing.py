# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole plays: wg-quick's default route and Calico's throw routes, created by modules, with traffic."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fib_host import ip
from lab_hosts import Lab
from managed_host import ManagedHost
from mesh_lab import assert_ok, peers, ping

pytestmark = pytest.mark.plays

KEYS = """
- hosts: vpn
  gather_facts: false
  tasks:
    - wirewright.overlay.wg_key: {path: /etc/wireguard/wg0.key}
      register: made
    - wirewright.overlay.wg_interface:
        interface: wg0
        userspace: true
        private_key_file: /etc/wireguard/wg0.key
        listen_port: 51820
        fwmark: "{{ mark }}"
        addresses: ["{{ inner }}/32"]
    - wirewright.overlay.wg_peer:
        interface: wg0
        peers:
          - public_key: "{{ hostvars[other].made.public_key }}"
            endpoint: "{{ other_address }}:51820"
            allowed_ips: "{{ behind }}"
"""
WG_QUICK = (
    KEYS
    + """
- hosts: h1
  gather_facts: false
  tasks:
    - wirewright.overlay.ip_route:
        table: 51820
        routes:
          - {destination: default, family: ipv4, dev: wg0}
          - {destination: default, family: ipv6, dev: wg0}
    - wirewright.overlay.ip_rule_fwmark:
        rules:
          - {priority: 32764, family: both, table: main, suppress_prefixlength: 0}
          - {priority: 32765, family: both, fwmark: 51820, invert: true, table: 51820}
"""
)
CALICO = (
    KEYS
    + """
- hosts: vpn
  gather_facts: false
  tasks:
    - wirewright.overlay.ip_route:
        table: 7100
        purge: true
        routes:
          - {destination: "{{ hostvars[other].inner }}/32", dev: wg0, src: "{{ inner }}"}
          - {destination: 10.244.9.0/24, type: throw}
          - {destination: 10.244.0.0/16, type: prohibit}
    - wirewright.overlay.ip_rule_fwmark:
        rules: [{priority: 99, fwmark: 0x100000/0x100000, invert: true, table: 7100}]
"""
)
# Also set by wg-quick: incoming tunnel packets get the mark, and the reverse path filter uses it.
SYSCTLS = """
sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.all.src_valid_mark=1
nft 'table inet t { chain c { type filter hook prerouting priority mangle; udp sport 51820 meta mark set 51820; }; }'
"""


# h1's route to h2 is a default route, so that the route of answers depends on the mark.
FAR = "198.51.100.2"


def two_hosts(mark: str, behind: str, h2_address: str = "192.0.2.12") -> Iterator[Lab]:
    with Lab() as lab:
        lab.up(["h1", "h2"])
        lab.inventory(
            {
                "h1": {"inner": "10.244.1.1", "other": "h2", "other_address": h2_address, "behind": [behind]},
                "h2": {
                    "inner": "10.244.2.1",
                    "other": "h1",
                    "other_address": "192.0.2.11",
                    "behind": ["10.244.1.1/32"],
                },
            },
            mark=mark,
        )
        yield lab


@pytest.fixture
def default_route() -> Iterator[Lab]:
    yield from two_hosts("51820", "0.0.0.0/0", FAR)


@pytest.fixture
def throw_routes() -> Iterator[Lab]:
    yield from two_hosts("0x100000", "10.244.2.0/24")


@pytest.mark.slow
def test_default_route_of_wg_quick_carries_traffic_with_strict_reverse_path(default_route: Lab) -> None:
    lab = default_route
    lab.run("h1", ["sh", "-ec", SYSCTLS])
    # An internet address that only the other end of the tunnel can reach.
    for address in ("203.0.113.7/32", f"{FAR}/32"):
        lab.run("h2", ["ip", "addr", "add", address, "dev", "lo"])
    lab.run("h1", ["ip", "route", "add", "default", "via", "192.0.2.12"])
    assert_ok(lab.playbook(WG_QUICK))
    lab.run("h2", ["ip", "route", "add", "10.244.1.1/32", "dev", "wg0"])
    second = assert_ok(lab.playbook(WG_QUICK))
    assert second.changed == 0, second

    h1 = ManagedHost(lab, "h1")
    assert "dev wg0 table 51820" in ip(h1, "route get 203.0.113.7")
    assert "via 192.0.2.12 dev eth0" in ip(h1, f"route get {FAR} mark 51820"), "the tunnel's own packets"
    assert "dev eth0" in ip(h1, "route get 192.0.2.12")
    assert "dev wg0" in ip(h1, "-6 route get 2001:db8:77::1")
    assert ping(lab, "h1", "203.0.113.7")
    (peer,) = tuple(peers(lab, "h1").values())
    assert peer.rx_bytes and peer.tx_bytes
    assert ping(lab, "h1", "192.0.2.12")
    # Without the mark, answers to h2 would go into the tunnel, and the filter drops packets from there.
    lab.run("h1", ["sysctl", "-qw", "net.ipv4.conf.all.src_valid_mark=0"])
    assert not ping(lab, "h1", "203.0.113.7", "-w", "3")
    lab.run("h1", ["sysctl", "-qw", "net.ipv4.conf.all.src_valid_mark=1"])
    assert ping(lab, "h1", "203.0.113.7")
    assert "lookup main suppress_prefixlength 0" in ip(h1, "rule")
    assert "not from all fwmark 0xca6c lookup 51820" in ip(h1, "-6 rule")


@pytest.mark.slow
def test_throw_routes_of_calico_encrypt_their_prefixes_only(throw_routes: Lab) -> None:
    lab = throw_routes
    lab.run("h2", ["ip", "addr", "add", "10.244.9.1/32", "dev", "lo"])
    lab.run("h1", ["ip", "route", "add", "10.244.9.0/24", "via", "192.0.2.12"])
    assert_ok(lab.playbook(CALICO))
    second = assert_ok(lab.playbook(CALICO))
    assert second.changed == 0, second

    h1 = ManagedHost(lab, "h1")
    assert "dev wg0 table 7100 src 10.244.1.1" in ip(h1, "route get 10.244.2.1")
    assert "via 192.0.2.12 dev eth0" in ip(h1, "route get 10.244.9.1")
    refused = lab.run("h1", ["ip", "route", "get", "10.244.3.1"], check=False)
    assert refused.returncode != 0 and "Permission denied" in refused.stderr
    assert ping(lab, "h1", "10.244.2.1")
    assert ping(lab, "h1", "10.244.9.1")
    (peer,) = tuple(peers(lab, "h1").values())
    assert peer.rx_bytes and peer.tx_bytes
    lab.run("h1", ["ip", "rule", "del", "priority", "99"])
    third = assert_ok(lab.playbook(CALICO))
    assert third.changed == 1, third
