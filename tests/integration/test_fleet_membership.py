# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Membership of a mesh: whichever hosts a run reaches, no host loses a peer it should keep."""

from __future__ import annotations

import pytest
from lab_hosts import Lab
from mesh_lab import (
    NETWORK,
    PeerState,
    addresses,
    assert_full_mesh,
    assert_ok,
    configurations,
    exists,
    failure,
    mesh,
    peers,
    public_key,
)

GONE = {"ansible_exec_prefix": ["nsenter", "--net=/run/netns/ww-nowhere", "--"]}


def sessions_go_on(before: dict[str, PeerState], after: dict[str, PeerState]) -> bool:
    """A reset session loses its handshake, and its counters start at zero."""
    return all(
        after[key].latest_handshake >= peer.latest_handshake > 0
        and after[key].rx_bytes >= peer.rx_bytes > 0
        and after[key].tx_bytes >= peer.tx_bytes > 0
        for key, peer in before.items()
    )


@pytest.mark.slow
def test_limited_run_keeps_all_peers(mesh_of_three: Lab) -> None:
    lab = mesh_of_three
    before = configurations(lab)
    play = assert_ok(lab.playbook("site.yml", "--limit", "h1"))
    assert play.changed == 0
    assert configurations(lab) == before


def test_limited_first_runs_end_in_a_full_mesh() -> None:
    with mesh("h1", "h2", "h3", converge=False) as lab:
        assert_ok(lab.playbook("site.yml", "--limit", "h1"))
        assert peers(lab, "h1") == {}
        assert not exists(lab, "h2")
        assert_ok(lab.playbook("site.yml", "--limit", "h2,h3"))
        assert_ok(lab.playbook("site.yml"))
        assert_full_mesh(lab)


def test_the_tag_verify_makes_no_key_on_a_fresh_host() -> None:
    play = "- {hosts: vpn, gather_facts: false, roles: [wirewright.overlay.mesh]}\n"
    with mesh("h1", "h2", converge=False) as lab:
        ran = lab.playbook(play, "--tags", "verify")
        assert len(ran.results(action="wirewright.overlay.overlay_prepare")) == 2
        keys = lab.run("h1", ["sh", "-c", "ls /etc/wireguard/*.key 2>/dev/null || :"]).stdout
        assert keys == ""


@pytest.mark.slow
def test_a_role_that_the_first_host_of_a_batch_skips() -> None:
    play = (
        "- hosts: vpn\n  gather_facts: false\n  tasks:\n    - {}:\n        name: wirewright.overlay.mesh\n"
        "      when: inventory_hostname != 'h1'\n"
    )
    with mesh("h1", "h2", "h3", converge=False) as lab:
        message = failure(lab.playbook(play.format("ansible.builtin.import_role")))
        assert "the task that plans was skipped" in message and "use include_role" in message
        assert not exists(lab, "h2")
        done = assert_ok(lab.playbook(play.format("ansible.builtin.include_role")))
        assert done.recap["h2"]["changed"] and done.recap["h3"]["changed"] and not done.recap["h1"]["changed"]
        assert exists(lab, "h2") and not exists(lab, "h1")


@pytest.mark.slow
def test_unreachable_host_stays_a_peer(mesh_of_three: Lab) -> None:
    lab = mesh_of_three
    before = configurations(lab)
    lab.inventory({"h3": GONE}, mesh_network=NETWORK)
    play = lab.playbook("site.yml")
    assert play.recap["h3"]["unreachable"] == 1
    assert play.recap["h1"]["failures"] == play.recap["h2"]["failures"] == 0
    assert play.changed == 0
    assert configurations(lab) == before
    assert_full_mesh(lab)


def test_host_that_fails_during_the_play_stays_a_peer(mesh_of_three: Lab) -> None:
    lab = mesh_of_three
    before = configurations(lab)
    lab.run("h2", ["sh", "-c", "mkdir -p /etc/wireguard && echo broken > /etc/wireguard/broken.key"])
    broken = {"h2": {"mesh_private_key_file": "/etc/wireguard/broken.key"}}
    lab.inventory(broken, mesh_network=NETWORK)
    play = lab.playbook("site.yml")
    assert play.recap["h2"]["failures"] == 1
    assert play.recap["h1"]["failures"] == play.recap["h3"]["failures"] == 0
    assert configurations(lab) == before


@pytest.mark.slow
def test_serial_run_completes_the_mesh() -> None:
    with mesh("h1", "h2", "h3", converge=False) as lab:
        assert_ok(lab.playbook("site.yml", "-e", "overlay_serial=1"))
        assert_full_mesh(lab)
        assert assert_ok(lab.playbook("site.yml", "-e", "overlay_serial=1")).changed == 0


def test_host_joins_and_leaves_without_resetting_sessions(mesh_of_three: Lab) -> None:
    lab = mesh_of_three
    assert_full_mesh(lab)
    before = {host: peers(lab, host) for host in lab.hosts}
    lab.up(["h4"])
    lab.inventory(mesh_network=NETWORK)
    assert_ok(lab.playbook("site.yml"))
    for host, state in before.items():
        assert sessions_go_on(state, peers(lab, host)), host
    assert_full_mesh(lab)
    fourth = public_key(lab, "h4")
    before = {host: peers(lab, host) for host in ("h1", "h2", "h3")}
    lab.down("h4")
    lab.inventory(mesh_network=NETWORK)
    play = assert_ok(lab.playbook("site.yml"))
    for host, state in before.items():
        left = {key: peer for key, peer in state.items() if key != fourth}
        now = peers(lab, host)
        assert now.keys() == left.keys()
        assert sessions_go_on(left, now)
        assert play.recap[host]["changed"] == 1
    assert_full_mesh(lab)


def test_mass_removal_is_refused() -> None:
    with mesh("h1", "h2", "h3", "h4") as lab:
        before = configurations(lab)
        all_hosts = dict(lab.hosts)
        for host in ("h2", "h3", "h4"):
            del lab.hosts[host]
        lab.inventory(mesh_network=NETWORK)
        play = lab.playbook("site.yml")
        message = failure(play)
        assert "3 of 3 peers would be removed" in message
        assert "allow_mass_removal" in message
        lab.hosts.update(all_hosts)
        assert configurations(lab) == before
        del lab.hosts["h2"], lab.hosts["h3"], lab.hosts["h4"]
        lab.inventory(mesh_network=NETWORK, mesh_allow_mass_removal=True)
        assert_ok(lab.playbook("site.yml"))
        assert peers(lab, "h1") == {}
        lab.hosts.update(all_hosts)


@pytest.mark.slow
def test_cloned_machine_is_refused_before_anything_changes(mesh_of_three: Lab) -> None:
    lab = mesh_of_three
    before = configurations(lab)
    key = lab.run("h1", ["cat", "/etc/wireguard/wg0.key"]).stdout
    lab.up(["h4"])
    lab.run("h4", ["sh", "-c", "umask 077; mkdir -p /etc/wireguard; cat > /etc/wireguard/wg0.key"], input=key)
    lab.inventory(mesh_network=NETWORK)
    message = failure(lab.playbook("site.yml"))
    assert "h1" in message
    assert "h4" in message
    assert not exists(lab, "h4")
    lab.down("h4")
    assert configurations(lab) == before


def test_group_without_hosts_is_refused_by_name(mesh_of_three: Lab) -> None:
    lab = mesh_of_three
    before = configurations(lab)
    lab.inventory(mesh_network=NETWORK, mesh_group="vnp")
    message = failure(lab.playbook("site.yml"))
    assert "'vnp'" in message
    assert "vpn" in message
    assert configurations(lab) == before


def test_a_play_with_a_group_of_some_hosts_removes_nobody(mesh_of_three: Lab) -> None:
    """A play for other purposes, with the role for a part of the hosts; with mesh_group, it is a limited run."""
    lab = mesh_of_three
    before = configurations(lab)
    web = lab.path / "web.yml"
    web.write_text("web: {hosts: {h1: , h2: }}")
    message = failure(lab.playbook("site.yml", "-i", str(web), "-e", "overlay_group=web"))
    assert "mesh_group: 'h3' would be removed as peers, because the hosts of this play are those of 'web'" in message
    assert configurations(lab) == before
    whole = ("-i", str(web), "-e", "overlay_group=web", "-e", "mesh_group=vpn")
    assert assert_ok(lab.playbook("site.yml", *whole)).changed == 0
    assert configurations(lab) == before


def test_new_host_gets_the_key_of_an_unreachable_one_from_cached_state(mesh_of_three: Lab) -> None:
    lab = mesh_of_three
    third = public_key(lab, "h3")
    lab.up(["h4"])
    lab.inventory({"h3": GONE}, mesh_network=NETWORK)
    lab.playbook("site.yml")
    assert third in peers(lab, "h4")
    assert len(peers(lab, "h4")) == 3


def test_revoked_host_is_removed_and_stays_out(mesh_of_three: Lab) -> None:
    lab = mesh_of_three
    third = public_key(lab, "h3")
    lab.inventory(mesh_network=NETWORK, overlay_revoked=["h3"])
    assert_ok(lab.playbook("site.yml"))
    assert third not in peers(lab, "h1")
    assert third not in peers(lab, "h2")
    lab.inventory(mesh_network=NETWORK)
    play = assert_ok(lab.playbook("site.yml"))
    text = " ".join((play.stdout + play.stderr).split())
    assert "hosts 'h1', 'h2': mesh_revoked: this host has stored keys of 'h3' as revoked" in text
    assert third not in peers(lab, "h1")
    assert third not in peers(lab, "h2")


def test_addresses_by_the_hosts_of_a_play() -> None:
    """With --limit the expression gives a host the address of another one, and cannot be evaluated for that one."""
    with mesh("h1", "h2", "h3", converge=False) as lab:
        address = "10.42.0.{{ ansible_play_hosts_all.index(inventory_hostname) + 1 }}"
        lab.inventory(mesh_network="10.42.0.0/24", mesh_addresses=[address])
        assert_ok(lab.playbook("site.yml"))
        assert addresses(lab, "h3") == ["10.42.0.3"]
        before = configurations(lab)
        refused = failure(lab.playbook("site.yml", "--limit", "h3"))
        assert "host 'h3': mesh_addresses: 10.42.0.1 is also h1's, and this run does not change" in refused
        assert (addresses(lab, "h3"), configurations(lab)) == (["10.42.0.3"], before)
