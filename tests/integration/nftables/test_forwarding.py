# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The effect of our table on packets, observed by sockets at both ends, never by our own code.

A packet is dropped if a later one arrives without it: both take the same path to the same socket.
"""

from __future__ import annotations

import socket
import threading

import pytest
from forwarding_hub import (
    ADDRESSES,
    HUB,
    HUB_INSIDE,
    HUB_OUTSIDE,
    OUTSIDE,
    ROAMING,
    SITE,
    SPOKE1,
    SPOKE2,
    WG_MTU,
    Net,
    mss_of_syn,
)

FAMILIES = pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])
MASQUERADE = [{"source": "10.42.0.0/24"}, {"source": "fd42::/64"}]
PORT = 4000


def test_spokes_reach_each_other_through_the_hub(net: Net) -> None:
    net.converge({"wg0": {"forward": [{"iif": "wg0", "oif": "wg0"}]}})
    for family in (0, 1):
        with (
            net.udp(SPOKE1, ADDRESSES[SPOKE1][family]) as sender,
            net.udp(SPOKE2, ADDRESSES[SPOKE2][family], PORT) as receiver,
        ):
            sender.sendto(b"hello", (ADDRESSES[SPOKE2][family], PORT))
            assert receiver.recvfrom(99)[0] == b"hello"
    assert net.counters() == {"forward_wg0": 2}


@FAMILIES
def test_isolated_spokes_reach_hub_and_outside_and_not_each_other(net: Net, family: int) -> None:
    net.converge({"wg0": {"isolate": True}})
    target = ADDRESSES[SPOKE2][family]
    with (
        net.udp(SPOKE1, ADDRESSES[SPOKE1][family]) as sender,
        net.udp(HUB, HUB_INSIDE[family], PORT) as hub,
        net.udp(SPOKE2, target, PORT) as receiver,
        net.udp(OUTSIDE, ADDRESSES[OUTSIDE][family], PORT) as outside,
    ):
        sender.sendto(b"from a spoke", (target, PORT))
        sender.sendto(b"to the hub", (HUB_INSIDE[family], PORT))
        assert hub.recvfrom(99)[0] == b"to the hub"
        sender.sendto(b"to the outside", (ADDRESSES[OUTSIDE][family], PORT))
        assert outside.recvfrom(99)[0] == b"to the outside"
        outside.sendto(b"and back", sender.getsockname()[:2])
        assert sender.recvfrom(99)[0] == b"and back"
        hub.sendto(b"from the hub", (target, PORT))
        assert receiver.recvfrom(99)[0] == b"from the hub"
    assert net.counters() == {"isolate_wg0": 1}


@FAMILIES
def test_isolation_exempts_listed_networks(net: Net, family: int) -> None:
    net.converge({"wg0": {"isolate": True, "isolate_except": list(ADDRESSES[SPOKE2])}})
    with (
        net.udp(SPOKE1, ADDRESSES[SPOKE1][family]) as one,
        net.udp(SPOKE2, ADDRESSES[SPOKE2][family], PORT) as two,
    ):
        one.sendto(b"there", (ADDRESSES[SPOKE2][family], PORT))
        assert two.recvfrom(99)[0] == b"there"
        two.sendto(b"back", one.getsockname()[:2])
        assert one.recvfrom(99)[0] == b"back"


@FAMILIES
def test_masquerading_hides_spokes_outside_and_not_inside(net: Net, family: int) -> None:
    net.converge({"wg0": {"masquerade": MASQUERADE}})
    with (
        net.udp(SPOKE1, ADDRESSES[SPOKE1][family]) as sender,
        net.udp(SPOKE2, ADDRESSES[SPOKE2][family], PORT) as inside,
        net.udp(OUTSIDE, ADDRESSES[OUTSIDE][family], PORT) as outside,
    ):
        sender.sendto(b"out", (ADDRESSES[OUTSIDE][family], PORT))
        data, (address, port, *_rest) = outside.recvfrom(99)
        assert (data, address) == (b"out", HUB_OUTSIDE[family])
        outside.sendto(b"back", (address, port))
        assert sender.recvfrom(99)[0] == b"back"
        sender.sendto(b"across", (ADDRESSES[SPOKE2][family], PORT))
        assert inside.recvfrom(99)[1][0] == ADDRESSES[SPOKE1][family]


@FAMILIES
def test_masquerading_exempts_sites_behind_peers_and_overlay_addresses_outside(net: Net, family: int) -> None:
    """One leaves through the overlay's interface, the other goes to the overlay's network."""
    net.converge({"wg0": {"masquerade": MASQUERADE}})
    for host, address in ((SPOKE2, SITE[family]), (OUTSIDE, ROAMING[family])):
        with (
            net.udp(SPOKE1, ADDRESSES[SPOKE1][family]) as sender,
            net.udp(host, address, PORT) as receiver,
        ):
            sender.sendto(b"hello", (address, PORT))
            assert receiver.recvfrom(99)[1][0] == ADDRESSES[SPOKE1][family]


@FAMILIES
def test_masquerading_exempts_packets_of_the_hub_to_itself(net: Net, family: int) -> None:
    net.converge({"wg0": {"masquerade": MASQUERADE}})
    with net.udp(HUB, HUB_INSIDE[family]) as sender, net.udp(HUB, HUB_OUTSIDE[family], PORT) as receiver:
        sender.sendto(b"local", (HUB_OUTSIDE[family], PORT))
        assert receiver.recvfrom(99)[1][0] == HUB_INSIDE[family]


@FAMILIES
@pytest.mark.parametrize("clamp", [False, True])
def test_mss_is_clamped_in_both_directions(net: Net, family: int, clamp: bool) -> None:
    """The spoke's own interface has an MTU of 1500, so that only the hub knows the smaller MTU."""
    net.converge({"wg0": {"clamp_mss": clamp}})
    headers = 40 if family == 0 else 60
    expected = (WG_MTU if clamp else 1500) - headers
    address = ADDRESSES[OUTSIDE][family]
    with (
        net.capture(OUTSIDE) as outside,
        net.capture(SPOKE1) as inside,
        net.tcp(OUTSIDE, address, PORT) as server,
        net.tcp(SPOKE1, ADDRESSES[SPOKE1][family]) as client,
    ):
        server.listen()
        client.connect((address, PORT))
        client_port = client.getsockname()[1]
        assert mss_of_syn(outside, PORT) == expected
        assert mss_of_syn(inside, client_port) == expected


def test_no_packet_passes_while_chains_are_replaced(net: Net) -> None:
    """The chains of wg0 are replaced repeatedly, and one that drops exists at every moment."""
    base = {"isolate": True}
    net.converge({"wg0": base})
    target = ADDRESSES[SPOKE2][0]
    done = threading.Event()
    sent = []

    def flood(sender: socket.socket) -> None:
        while not done.is_set():
            sender.sendto(b"leak", (target, PORT))
            sent.append(1)

    with net.udp(SPOKE1, ADDRESSES[SPOKE1][0]) as sender, net.udp(SPOKE2, target, PORT) as receiver:
        flooding = threading.Thread(target=flood, args=(sender,))
        flooding.start()
        try:
            for number in range(20):
                changed = net.converge({"wg0": {**base, "isolate_except": [f"10.77.{number}.0/24"], "clamp_mss": True}})
                assert changed.changed
        finally:
            done.set()
            flooding.join()
        with net.udp(HUB, HUB_INSIDE[0]) as hub:
            hub.sendto(b"from the hub", (target, PORT))
        assert receiver.recvfrom(99)[0] == b"from the hub"
    assert len(sent) > 20
