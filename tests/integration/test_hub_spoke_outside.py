# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is outside of the inventory: a phone at the second hub, and a port forward in front of a spoke."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hub_spoke_lab import ADDRESSES, build, converge, fleet, is_cut_off, public_key, reaches, routes, session
from lab_hosts import Lab
from mesh_lab import assert_ok, ping

PHONE = "10.43.0.200"
NO_PROGRAM = {"hub_spoke_failover": "none"}
# The router sends UDP packets to its port 40001 on to the spoke.
FORWARD = """
nft add table ip forward
nft add chain ip forward incoming '{ type nat hook prerouting priority dstnat; }'
nft add rule ip forward incoming iifname eth0 udp dport 40001 dnat to 192.168.1.2:51820
nft insert rule ip wirewright_lab forward ct status dnat accept
"""
# A phone, which no role manages: key, interface, address, and the hub as its peer.
JOIN = f"""
umask 077; wg genkey >/run/phone.key
wireguard-go wg0 </dev/null >/dev/null 2>&1
wg set wg0 private-key /run/phone.key peer "$HUB" endpoint 192.0.2.12:51820 allowed-ips 10.43.0.0/24 persistent-keepalive 1
ip address add {PHONE}/32 dev wg0; ip link set wg0 up; ip route add 10.43.0.0/24 dev wg0
wg show wg0 public-key
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Two hubs, a spoke behind NAT and a public one."""
    with fleet("hub1", "hub2", "s1", "s3", **NO_PROGRAM) as found:
        yield found


@pytest.mark.slow
def test_a_phone_at_the_standby_hub_is_reached_by_all(lab: Lab) -> None:
    build(lab, ["s4"])
    del lab.hosts["s4"]  # it is the phone, so it is no member
    environment = ["env", f"HUB={public_key(lab, 'hub2', 'wg1')}"]
    key = lab.run("s4", [*environment, "sh", "-ec", JOIN]).stdout.strip()
    phone = {"name": "phone", "public_key": key, "allowed_ips": [f"{PHONE}/32"]}
    at_hub2 = {"hub2": {"hub_spoke_static_peers": [phone]}}
    assert_ok(converge(lab, per_host=at_hub2, **NO_PROGRAM))
    assert (f"{PHONE}", "wg1", 200) in routes(lab, "s1")
    for name in ("hub2", "hub1", "s1", "s3"):
        assert ping(lab, name, PHONE), name
        assert ping(lab, "s4", ADDRESSES[name]), name
    assert assert_ok(converge(lab, per_host=at_hub2, **NO_PROGRAM)).changed == 0
    assert_ok(converge(lab, **NO_PROGRAM))
    assert not [to for to, _device, _metric in routes(lab, "s1") if to == PHONE]


@pytest.mark.slow
def test_a_spoke_behind_a_port_forward_stays_reachable(lab: Lab) -> None:
    lab.run("nat1", ["sh", "-ec", FORWARD])
    forwarded = {"s1": {"hub_spoke_endpoint": "192.0.2.101:40001"}}
    assert_ok(converge(lab, per_host=forwarded, **NO_PROGRAM))
    for hub, interface in (("hub1", "wg0"), ("hub2", "wg1")):
        assert session(lab, "s1", hub, interface).persistent_keepalive == "25"
        assert reaches(lab, "s1", hub)
        # The hub sends to where the packets of the spoke come from, and not to the port forward.
        assert not session(lab, hub, "s1", interface).endpoint.endswith(":40001")
    forget(lab, "nat1")
    assert is_cut_off(lab, "hub1", "s1"), "the mapping is gone, and the spoke has sent nothing yet"
    for hub in ("hub1", "hub2"):
        assert ping(lab, hub, ADDRESSES["s1"]), "a keepalive has made a new mapping"
    assert assert_ok(converge(lab, per_host=forwarded, **NO_PROGRAM)).changed == 0


def forget(lab: Lab, gateway: str) -> None:
    """Let a gateway lose its connections, as if they had ended without traffic; it uses other ports from then on."""
    rule = "oifname eth0 udp sport != 0 masquerade to :41000-41999"
    lab.run(gateway, ["nft", "insert", "rule", "ip", "wirewright_lab", "outgoing", *rule.split()])
    for state in ("down", "up"):
        lab.run(gateway, ["ip", "link", "set", "eth0", state])
