# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spokes behind NAT with one hub."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import hub_spoke_lab
import pytest
from hub_spoke_lab import (
    ADDRESSES,
    MACHINE,
    ONE_HUB,
    PLAY,
    build,
    fleet,
    fleet_state,
    is_cut_off,
    public_key,
    reaches,
    session,
)
from lab_hosts import Lab
from mesh_lab import Capture, PeerState, assert_ok, failure, peers
from shared_lab import SharedLab

WIREGUARD = "udp port 51820"
# Neighbour discovery of the underlay, which all packets need.
NEIGHBOURS = "arp or (icmp6 and ip6[40] >= 133 and ip6[40] <= 137) or (ip6 and ip6[6] = 0 and ip6[40] = 58)"
SPOKES = ("s1", "s2", "s3")
SECRET = {"overlay_psk_master": "correct horse battery staple"}
converge = partial(hub_spoke_lab.converge, **SECRET)


@pytest.fixture(scope="module")
def shared_fleet() -> Iterator[SharedLab]:
    with SharedLab(lambda: fleet(*ONE_HUB, **SECRET), fleet_state) as shared:
        yield shared


@pytest.fixture
def lab(shared_fleet: SharedLab) -> Lab:
    """A hub, spokes, and the machines behind them."""
    return shared_fleet.get()


def went_on(before: PeerState, after: PeerState) -> bool:
    return after.latest_handshake >= before.latest_handshake > 0 and after.rx_bytes >= before.rx_bytes > 0


def test_spokes_and_sites_reach_each_other_and_the_public_segment_carries_wireguard_only(
    lab: Lab, tmp_path: Path
) -> None:
    with Capture(lab, tmp_path / "public.pcap") as capture:
        for source, target in (("s1", "s2"), ("s2", "s1"), ("s3", "s1"), ("s1", "hub1"), ("hub1", "s2")):
            assert reaches(lab, source, target), (source, target)
        for source, target in (
            ("s2-site", "s3-site"),
            ("s3-site", "s2-site"),
            ("s1", "s3-site"),
            ("s2-site", "hub1-site"),
            ("hub1-site", "s1"),
        ):
            assert reaches(lab, source, target), (source, target)
    assert len(capture.lines(WIREGUARD)) >= 2 * 2 * 9
    assert capture.lines(f"not ({WIREGUARD}) and not ({NEIGHBOURS})") == []
    before = {name: session(lab, "hub1", name) for name in SPOKES}
    assert {name: state.persistent_keepalive for name, state in before.items()} == dict.fromkeys(SPOKES, "off")
    assert {session(lab, name, "hub1").persistent_keepalive for name in SPOKES} == {"25"}
    assert assert_ok(converge(lab)).changed == 0
    assert all(went_on(state, session(lab, "hub1", name)) for name, state in before.items())


@pytest.mark.slow
def test_the_tag_verify_probes_and_changes_nothing(lab: Lab) -> None:
    before = fleet_state(lab)
    play = assert_ok(converge(lab, "--tags", "verify", hub_spoke_verify_seconds=30, hub_spoke_port=51999))
    assert play.changed == 0
    hub, *spokes = play.results(task="Verify connectivity to peers")
    assert "spokes probe hubs" in hub["msg"]
    assert [result["summary"] for result in spokes] == ["1 peer: 1 ok"] * len(SPOKES)
    assert fleet_state(lab) == before


def test_the_tag_verify_makes_no_key_on_a_fresh_host() -> None:
    with Lab() as lab:
        build(lab, ("hub1", "s1"))
        ran = converge(lab, "--tags", "verify")
        assert len(ran.results(action="wirewright.overlay.overlay_prepare")) == 2
        keys = lab.run("s1", ["sh", "-c", "ls /etc/wireguard/*.key 2>/dev/null || :"]).stdout
        assert keys == ""


def test_a_hub_sends_no_redirects_to_spokes(lab: Lab) -> None:
    for source, target in (("s1", "s2"), ("s2", "s3")):
        assert reaches(lab, source, target)
        shown = lab.run(source, ["ping", "-n", "-c", "3", "-i", "0.2", ADDRESSES[target]]).stdout
        assert "3 received" in shown and "Redirect" not in shown


def test_a_run_keeps_the_endpoint_of_a_spoke_that_nat_has_changed(lab: Lab) -> None:
    assert reaches(lab, "s1", "s2")
    before = session(lab, "hub1", "s1").endpoint
    move_mapping(lab, "nat1")
    assert reaches(lab, "s1", "s2")
    after = session(lab, "hub1", "s1").endpoint
    assert before.startswith("192.0.2.101:") and after.startswith("192.0.2.101:40")
    assert before != after
    assert assert_ok(converge(lab)).changed == 0
    assert session(lab, "hub1", "s1").endpoint == after
    assert reaches(lab, "s2", "s1")


def move_mapping(lab: Lab, gateway: str) -> None:
    """Flush the connections of a gateway and use other ports for new ones, as a restart does."""
    rule = "udp sport != 0 masquerade to :40000-40999"
    lab.run(gateway, ["nft", "insert", "rule", "ip", "wirewright_lab", "outgoing", "oifname", "eth0", *rule.split()])
    # Linux drops masqueraded connections when the interface goes down.
    lab.run(gateway, ["ip", "link", "set", "eth0", "down"])
    lab.run(gateway, ["ip", "link", "set", "eth0", "up"])


@pytest.mark.slow
def test_isolated_spokes_reach_only_the_hub_and_networks_behind_it(lab: Lab) -> None:
    assert_ok(converge(lab, hub_spoke_isolate=True))
    for target in ("hub1", "hub1-site"):
        assert reaches(lab, "s1", target)
    assert reaches(lab, "s2-site", "hub1-site")
    for source, target in (("s1", "s2"), ("s1", "s3-site"), ("s2-site", "s3-site")):
        assert is_cut_off(lab, source, target), (source, target)
    # The hub drops packets between two spokes that extend their allowed IPs themselves.
    for name in ("s1", "s3"):
        allowed = f"10.43.0.0/24,{MACHINE['hub1']}/32"
        lab.run(name, ["wg", "set", "wg0", "peer", public_key(lab, "hub1"), "allowed-ips", allowed])
        lab.run(name, ["ip", "route", "replace", "10.43.0.0/24", "dev", "wg0"])
    assert reaches(lab, "s1", "hub1")
    assert is_cut_off(lab, "s1", "s3")
    lab.run("hub1", ["nft", "delete", "table", "inet", "wirewright_overlay"])
    assert reaches(lab, "s1", "s3"), "nothing but the hub's rule was in the way"
    assert_ok(converge(lab, hub_spoke_isolate=False))
    assert reaches(lab, "s1", "s2")
    assert reaches(lab, "s2-site", "s3-site")
    for name in ("s1", "s3"):
        lab.run(name, ["ip", "route", "delete", "10.43.0.0/24", "dev", "wg0", "proto", "boot"])


@pytest.mark.slow
def test_adding_or_removing_a_spoke_does_not_change_others(lab: Lab) -> None:
    for name in SPOKES:
        assert reaches(lab, name, "hub1")
    before = {name: session(lab, name, "hub1") for name in SPOKES}
    build(lab, ["s4"])
    play = assert_ok(converge(lab))
    assert {name: play.recap[name]["changed"] for name in SPOKES} == dict.fromkeys(SPOKES, 0)
    assert play.recap["hub1"]["changed"] == 1
    assert reaches(lab, "s4", "s1")
    assert reaches(lab, "s1", "s4")
    assert all(went_on(state, session(lab, name, "hub1")) for name, state in before.items())
    lab.down("s4")
    play = assert_ok(converge(lab))
    assert {name: play.recap[name]["changed"] for name in SPOKES} == dict.fromkeys(SPOKES, 0)
    assert len(peers(lab, "hub1")) == len(SPOKES)
    assert all(went_on(state, session(lab, name, "hub1")) for name, state in before.items())


@pytest.mark.slow
def test_masquerade_replaces_the_source_address_of_spokes(lab: Lab) -> None:
    assert_ok(converge(lab, hub_spoke_masquerade=True))
    # Without a route to the overlay, a reply proves that the request had the hub's address.
    lab.run("hub1-site", ["ip", "route", "add", "blackhole", "10.43.0.0/24"])
    assert reaches(lab, "s1", "hub1-site")
    assert reaches(lab, "s1", "s2")
    assert_ok(converge(lab, hub_spoke_masquerade=[]))
    assert is_cut_off(lab, "s1", "hub1-site")
    lab.run("hub1-site", ["ip", "route", "delete", "blackhole", "10.43.0.0/24"])


def test_each_end_has_the_preshared_key_of_its_pair(lab: Lab) -> None:
    assert reaches(lab, "s1", "s2")
    keys = {name: session(lab, name, "hub1").preshared_key for name in SPOKES}
    assert "(none)" not in keys.values() and len(set(keys.values())) == len(SPOKES)
    assert keys == {name: session(lab, "hub1", name).preshared_key for name in SPOKES}


def test_check_mode_on_fresh_hosts_changes_nothing() -> None:
    with Lab() as lab:
        build(lab, ONE_HUB)
        assert assert_ok(converge(lab, "--check", "--diff")).changed > 0
        for name in ONE_HUB:
            assert lab.run(name, ["ip", "link", "show", "dev", "wg0"], check=False).returncode
            assert "wirewright" not in lab.run(name, ["nft", "list", "tables"]).stdout


def test_spokes_have_host_addresses_and_an_interface_has_one_overlay(lab: Lab) -> None:
    shown = lab.run("s1", ["ip", "-brief", "address", "show", "dev", "wg0"]).stdout
    assert f"{ADDRESSES['s1']}/32" in shown
    refused = failure(converge(lab, play=PLAY.replace("hub_spoke", "mesh"), mesh_network="10.44.0.0/24"))
    for name in ("hub1", "s1"):
        assert f"'{name}'" in refused
    assert "mesh_interface: 'wg0' on this host belongs to another overlay (hub_spoke hubs spokes)" in refused
