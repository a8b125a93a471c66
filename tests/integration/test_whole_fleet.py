# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan knows the whole fleet, whatever the run is, and what both ends of a tunnel share changes on both or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping

import hub_spoke_lab
import pytest
from hub_spoke_lab import ADDRESSES, PLAY, reaches
from lab_hosts import Lab, Play
from mesh_lab import (
    NETWORK,
    addresses,
    assert_full_mesh,
    assert_ok,
    configurations,
    exists,
    failure,
    mesh,
    peers,
    ping,
    public_key,
)
from steady_ping import SteadyPing

GONE = {"ansible_exec_prefix": ["nsenter", "--net=/run/netns/ww-nowhere", "--"]}
MASTER = "correct horse battery staple"


def play(hosts: str = "vpn", **keywords: object) -> str:
    """Return a play of the role alone."""
    role = "wirewright.overlay.mesh"
    return json.dumps([{"hosts": hosts, "gather_facts": False, "roles": [role], **keywords}]) + "\n"


def run(
    lab: Lab, *arguments: str, per_host: Mapping[str, Mapping[str, object]] | None = None, **variables: object
) -> Play:
    """Run the role alone with these variables."""
    lab.inventory(per_host, mesh_network=NETWORK, **variables)
    return lab.playbook(play(), *arguments)


def steady(lab: Lab, host: str, other: str) -> SteadyPing:
    return SteadyPing(lab.enter(host), addresses(lab, other)[0])


def preshared_key(lab: Lab, host: str, other: str) -> str:
    return peers(lab, host)[public_key(lab, other)].preshared_key


def port(lab: Lab, host: str) -> str:
    return lab.run(host, ["wg", "show", "wg0", "listen-port"]).stdout.strip()


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "keywords",
    [{"serial": 1}, {"serial": 2}, {"serial": "30%"}, {"strategy": "free"}, {"strategy": "host_pinned"}],
    ids=str,
)
def test_one_run_completes_the_mesh(keywords: dict[str, object]) -> None:
    with mesh("h1", "h2", "h3", "h4", converge=False) as lab:
        first = assert_ok(lab.playbook(play(**keywords)))
        assert "unreachable" not in first.stderr
        assert_full_mesh(lab)
        assert assert_ok(lab.playbook(play(**keywords))).changed == 0


@pytest.mark.slow
def test_one_run_completes_a_mesh_whose_hosts_were_run_one_by_one() -> None:
    with mesh("h1", "h2", "h3", converge=False) as lab:
        for name in ("h1", "h2", "h3"):
            limited = assert_ok(lab.playbook(play(), "--limit", name))
            assert set(limited.recap) == {name}
            assert "not in this run" in limited.stderr or name == "h3", limited
            assert "reachable" not in limited.stderr, limited
        # Each got the hosts that had a key by then.
        assert [len(peers(lab, name)) for name in ("h1", "h2", "h3")] == [0, 1, 2]
        assert_ok(lab.playbook(play()))
        assert_full_mesh(lab)
        assert assert_ok(lab.playbook(play(), "--limit", "h2")).changed == 0
        assert assert_ok(lab.playbook(play())).changed == 0


def test_sessions_go_on_while_a_host_joins_in_batches(mesh_of_three: Lab) -> None:
    lab = mesh_of_three
    lab.up(["h4"])
    lab.inventory(mesh_network=NETWORK)
    with steady(lab, "h1", "h2") as one, steady(lab, "h3", "h1") as other:
        joined = assert_ok(lab.playbook(play(serial=1)))
        assert one.lost() == other.lost() == []
    assert_full_mesh(lab)
    assert {name: joined.recap[name]["failures"] for name in lab.hosts} == dict.fromkeys(lab.hosts, 0)
    assert assert_ok(lab.playbook(play(serial=1))).changed == 0


def test_a_host_joins_with_one_neighbour_that_remembers(mesh_of_three: Lab) -> None:
    """One neighbour is down, and one host was never run."""
    lab = mesh_of_three
    before = configurations(lab)
    lab.up(["h4", "h5"])
    joined = run(lab, "--limit", "h4", per_host={"h1": GONE, "h2": GONE})
    assert_ok(joined)
    assert set(peers(lab, "h4")) == {public_key(lab, name) for name in ("h1", "h2", "h3")}
    assert configurations_of(lab, before) == before
    assert not exists(lab, "h5")
    assert lab.run("h5", ["ls", "/etc/wireguard/wg0.key"], check=False).returncode != 0
    said = " ".join((joined.stdout + joined.stderr).split())
    assert (
        "hosts 'h1', 'h2': mesh_public_key: the host is not in this run; its key is taken on the word of 'h3'" in said
    )
    assert "host 'h5': mesh_public_key: the host is not in this run and has no key yet" in said
    assert "run again when it is reachable" not in said
    assert said.count("h1-h3 get the new peer h4 with their next run; until then there is no tunnel between them") == 1
    assert_ok(run(lab))
    assert_full_mesh(lab)


def configurations_of(lab: Lab, names: Mapping[str, object]) -> dict[str, object]:
    return {
        host: {key: peer.configuration() for key, peer in peers(lab, host).items()}
        for host in names
        if exists(lab, host)
    }


@pytest.mark.slow
def test_a_play_of_single_hosts_needs_the_group(mesh_of_three: Lab) -> None:
    lab = mesh_of_three
    before = configurations(lab)
    single = play("{{ target }}")
    message = failure(lab.playbook(single, "-e", "target=h1"))
    assert "mesh_group" in message and "'h2', 'h3' would be removed as peers" in message
    assert assert_ok(lab.playbook(single, "-e", "target=h1", "-e", "mesh_group=vpn")).changed == 0
    assert configurations(lab) == before


def test_what_both_ends_share_changes_only_together(mesh_of_three: Lab) -> None:
    lab = mesh_of_three
    before = configurations(lab)
    with steady(lab, "h2", "h1") as answers:
        set_alone = assert_ok(run(lab, "--limit", "h1", overlay_psk_master=MASTER))
        assert set_alone.changed == 0
        assert "preshared keys of tunnels to h2, h3 are put off" in set_alone.stdout + set_alone.stderr
        moved_alone = assert_ok(run(lab, "--limit", "h1", mesh_port=51900))
        assert moved_alone.changed == 0
        assert "port 51900 is put off, 51820 stays" in " ".join((moved_alone.stdout + moved_alone.stderr).split())
        assert configurations(lab) == before and port(lab, "h1") == "51820"
        assert answers.lost() == []
    assert_ok(run(lab, overlay_psk_master=MASTER, mesh_port=51900))
    assert port(lab, "h1") == "51900"
    old = preshared_key(lab, "h1", "h3")
    assert old == preshared_key(lab, "h3", "h1") != "(none)"
    assert_full_mesh(lab)
    raised = run(lab, per_host={"h3": GONE}, overlay_psk_master=MASTER, overlay_psk_epoch=1, mesh_port=51900)
    assert raised.recap["h1"]["failures"] == 0
    assert preshared_key(lab, "h1", "h3") == old
    assert preshared_key(lab, "h1", "h2") == preshared_key(lab, "h2", "h1") != old
    assert_ok(run(lab, "--limit", "h3", mesh_port=51900))
    assert preshared_key(lab, "h3", "h1") == old, "a removed secret is put off too"
    assert ping(lab, "h3", addresses(lab, "h1")[0])
    for options in (["--check"], []):
        removed = assert_ok(run(lab, *options, mesh_port=51900))
        said = " ".join((removed.stdout + removed.stderr).split())
        assert removed.changed and said.count("overlay_psk_master (or mesh_psk_master) is not set, and tunnels") == 1, (
            said
        )
    assert preshared_key(lab, "h3", "h1") == preshared_key(lab, "h1", "h3") == "(none)"
    assert_full_mesh(lab)


@pytest.mark.slow
def test_a_new_key_is_applied_by_a_run_of_all_only(mesh_of_three: Lab) -> None:
    lab = mesh_of_three
    used = public_key(lab, "h1")
    lab.run("h1", ["sh", "-c", "wg genkey >/etc/wireguard/wg0.key"])
    with steady(lab, "h2", "h1") as answers:
        message = failure(run(lab, "--limit", "h1"))
        assert "host 'h1': mesh_private_key_file" in message and "'h2', 'h3' still use" in message
        failure(lab.playbook(play(serial=1)))
        assert answers.lost() == []
    assert public_key(lab, "h1") == used
    assert_ok(run(lab))
    assert public_key(lab, "h1") != used
    assert_full_mesh(lab)


@pytest.mark.slow
def test_a_deleted_key_file_gets_the_key_of_the_interface(mesh_of_three: Lab) -> None:
    lab = mesh_of_three
    assert_ok(run(lab))
    used = lab.run("h1", ["cat", "/etc/wireguard/wg0.key"]).stdout
    lab.run("h1", ["rm", "/etc/wireguard/wg0.key"])
    predicted = assert_ok(run(lab, "--check", "--diff", "--limit", "h1"))
    restored = assert_ok(run(lab, "--diff", "--limit", "h1"))
    for ran in (predicted, restored):
        said = " ".join((ran.stdout + ran.stderr).split())
        assert "h1: /etc/wireguard/wg0.key is missing, and the interface wg0 runs with a private key" in said
        assert ran.changed == 1 and used.strip() not in said
    assert lab.run("h1", ["cat", "/etc/wireguard/wg0.key"]).stdout == used
    assert lab.run("h1", ["stat", "-c", "%a", "/etc/wireguard/wg0.key"]).stdout.strip() == "600"
    assert assert_ok(run(lab)).changed == 0
    assert_full_mesh(lab)


@pytest.mark.slow
def test_spokes_behind_nat_are_not_lost_when_their_hub_is_run_alone() -> None:
    with Lab() as lab:
        hub_spoke_lab.build(lab, ("hub1", "s1", "s3"))
        in_batches = PLAY.replace("gather_facts", "serial: 1\n  gather_facts")
        assert_ok(hub_spoke_lab.converge(lab, play=in_batches))
        assert reaches(lab, "s1", "s3") and reaches(lab, "s3", "s1")
        assert assert_ok(hub_spoke_lab.converge(lab, play=in_batches)).changed == 0
        with SteadyPing(lab.enter("s1"), ADDRESSES["hub1"]) as answers:
            alone = assert_ok(hub_spoke_lab.converge(lab, "--limit", "hub1", hub_spoke_port=51900))
            assert alone.changed == 0
            assert "'s1', 's3' have the old one stored" in " ".join((alone.stdout + alone.stderr).split())
            assert answers.lost() == []
        assert port(lab, "hub1") == "51820"
        assert_ok(hub_spoke_lab.converge(lab, hub_spoke_port=51900))
        assert port(lab, "hub1") == "51900"
        assert reaches(lab, "s1", "hub1") and reaches(lab, "s3", "s1")
