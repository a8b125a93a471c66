# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of the inventory, manual changes on hosts, and the run that follows."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from lab_hosts import Lab, Play
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
    ping,
    public_key,
)
from shared_lab import SharedLab
from taken_ports import port_taken
from test_fleet_membership import GONE


def session(lab: Lab, host: str, other: str) -> PeerState:
    return peers(lab, host)[public_key(lab, other)]


def went_on(before: PeerState, after: PeerState) -> bool:
    return after.latest_handshake >= before.latest_handshake > 0 and after.rx_bytes >= before.rx_bytes > 0


# Changes of a host, each with a command that shows it.
CHANGES = (
    ({"mesh_port": 51900}, ["wg", "show", "wg0", "listen-port"]),
    ({"mesh_mtu": 1300}, ["cat", "/sys/class/net/wg0/mtu"]),
    ({"mesh_addresses": ["10.42.0.200", "fd42:42::200"]}, ["ip", "-brief", "address", "show", "dev", "wg0"]),
    ({"mesh_networks": ["10.77.0.0/24"]}, ["cat", "/proc/sys/net/ipv4/ip_forward"]),
    ({"mesh_persistent_keepalive": 25}, ["wg", "show", "wg0", "persistent-keepalive"]),
)


# A network behind the second of two.
SITE: dict[str, dict[str, object]] = {"h2": {"mesh_networks": ["10.77.0.0/24"]}}


def test_changes_of_one_host_keep_the_sessions_of_others() -> None:
    with mesh("h1", "h2", "h3") as lab:
        assert_full_mesh(lab)
        of_h2: dict[str, object] = {}
        for variables, shown_by in CHANGES:
            untouched = session(lab, "h1", "h3")
            before = lab.run("h2", shown_by).stdout
            of_h2.update(variables)
            lab.inventory({"h2": of_h2}, mesh_network=NETWORK)
            assert assert_ok(lab.playbook("site.yml")).recap["h2"]["changed"] == 1, variables
            assert lab.run("h2", shown_by).stdout != before, variables
            assert went_on(untouched, session(lab, "h1", "h3")), variables
            assert_full_mesh(lab)
        assert assert_ok(lab.playbook("site.yml")).changed == 0


@pytest.mark.slow
def test_site_network_is_routed_and_withdrawn() -> None:
    site = {"h2": {"mesh_networks": ["10.77.0.0/24", "fd77::/64"]}}
    with mesh("h1", "h2", "h3", per_host=site) as lab:
        lab.run("h2", ["ip", "address", "add", "10.77.0.1/24", "dev", "lo"])
        lab.run("h2", ["ip", "address", "add", "fd77::1/64", "dev", "lo"])
        assert ping(lab, "h1", "10.77.0.1")
        assert ping(lab, "h3", "fd77::1")
        route = json.loads(lab.run("h1", ["ip", "-json", "-N", "route", "show", "10.77.0.0/24"]).stdout)
        assert [(entry["dev"], str(entry["protocol"])) for entry in route] == [("wg0", "87")]
        lab.run("h1", ["ip", "route", "add", "10.78.0.0/24", "dev", "wg0"])
        lab.inventory(mesh_network=NETWORK)
        assert_ok(lab.playbook("site.yml"))
        assert lab.run("h1", ["ip", "route", "show", "10.77.0.0/24"]).stdout == ""
        # A foreign route stays, although it uses our interface.
        assert "10.78.0.0/24" in lab.run("h1", ["ip", "route"]).stdout


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "manual_change",
    [
        ["wg", "set", "wg0", "peer", "{h2}", "remove"],
        ["wg", "set", "wg0", "peer", "{h2}", "allowed-ips", "10.9.9.9/32"],
        ["wg", "set", "wg0", "peer", "oFUlA0FbBZrWYGZYnpAhRZVMWSzwDPwHUIIcW8mDbWs=", "allowed-ips", "10.9.9.9/32"],
        ["wg", "set", "wg0", "listen-port", "1"],
        ["wg", "set", "wg0", "fwmark", "5"],
        ["ip", "address", "flush", "dev", "wg0", "scope", "global"],
        ["ip", "address", "add", "10.42.0.250/24", "dev", "wg0"],
        ["ip", "link", "set", "dev", "wg0", "mtu", "1290"],
        ["ip", "link", "set", "dev", "wg0", "down"],
        ["ip", "route", "del", "10.77.0.0/24"],
        ["ip", "link", "del", "dev", "wg0"],
    ],
    ids=" ".join,
)
def test_manual_changes_are_reverted(manual_change: list[str], mesh_of_two: Lab) -> None:
    lab = mesh_of_two
    whole = state(lab)
    second = public_key(lab, "h2")
    lab.run("h1", [word.format(h2=second) for word in manual_change])
    assert state(lab) != whole
    play = assert_ok(lab.playbook("site.yml"))
    assert play.recap["h1"]["changed"] == 1
    assert play.recap["h2"]["changed"] == 0
    assert state(lab) == whole


@pytest.fixture(scope="module")
def shared_mesh() -> Iterator[SharedLab]:
    with SharedLab(lambda: mesh("h1", "h2", per_host=SITE), state) as shared:
        yield shared


@pytest.fixture
def mesh_of_two(shared_mesh: SharedLab) -> Lab:
    lab = shared_mesh.get()
    lab.inventory(SITE, mesh_network=NETWORK)
    return lab


def state(lab: Lab) -> list[object]:
    device = lab.run("h1", ["wg", "show", "wg0"], check=False).stdout.split("\n\n")
    settings = [
        line for part in device for line in part.splitlines() if "handshake" not in line and "transfer" not in line
    ]
    link = lab.run("h1", ["ip", "-brief", "address", "show", "dev", "wg0"], check=False).stdout.split()
    mtu = lab.run("h1", ["ip", "link", "show", "dev", "wg0"], check=False).stdout.partition("mtu ")[2][:5]
    routes = lab.run("h1", ["ip", "route", "show", "dev", "wg0"], check=False).stdout.splitlines()
    return [settings, [word for word in link if not word.startswith("fe80")], mtu, sorted(routes)]


@pytest.mark.slow
def test_derived_preshared_keys_match_at_both_ends_and_change_with_the_epoch() -> None:
    master = "correct horse battery staple"
    with mesh("h1", "h2", "h3", overlay_psk_master=master) as lab:
        assert_full_mesh(lab)
        first = session(lab, "h1", "h2").preshared_key
        assert first == session(lab, "h2", "h1").preshared_key != "(none)"
        assert first != session(lab, "h1", "h3").preshared_key
        lab.inventory(mesh_network=NETWORK, overlay_psk_master=master, overlay_psk_epoch=1)
        assert_ok(lab.playbook("site.yml"))
        assert session(lab, "h1", "h2").preshared_key == session(lab, "h2", "h1").preshared_key != first
        lab.inventory(mesh_network=NETWORK)
        assert_ok(lab.playbook("site.yml"))
        assert session(lab, "h1", "h2").preshared_key == session(lab, "h2", "h1").preshared_key == "(none)"


@pytest.mark.slow
def test_static_peer_is_added_with_its_preshared_key_and_removed(mesh_of_two: Lab) -> None:
    lab = mesh_of_two
    key = lab.run("h1", ["sh", "-c", "wg genkey | wg pubkey"]).stdout.strip()
    secret = lab.run("h1", ["wg", "genpsk"]).stdout.strip()
    phone = {"name": "phone", "public_key": key, "allowed_ips": ["10.42.0.99/32"], "preshared_key": secret}
    lab.inventory({**SITE, "h1": {"mesh_static_peers": [phone]}}, mesh_network=NETWORK)
    play = assert_ok(lab.playbook("site.yml", "-vvv", "--diff"))
    assert peers(lab, "h1")[key].preshared_key == secret
    assert key not in peers(lab, "h2")
    assert secret not in play.stdout
    lab.inventory(SITE, mesh_network=NETWORK)
    assert_ok(lab.playbook("site.yml"))
    assert key not in peers(lab, "h1")


def test_endpoint_learned_by_roaming_is_kept_until_the_inventory_changes(mesh_of_two: Lab) -> None:
    lab = mesh_of_two
    lab.run("h2", ["wg", "set", "wg0", "listen-port", "51999"])
    assert ping(lab, "h2", addresses(lab, "h1")[0])
    assert session(lab, "h1", "h2").endpoint == "192.0.2.12:51999"
    assert assert_ok(lab.playbook("site.yml", "--limit", "h1")).changed == 0
    assert session(lab, "h1", "h2").endpoint == "192.0.2.12:51999"
    # WireGuard sends a keepalive ten seconds after it received the reply, from which h1 would learn the endpoint again.
    # A blackhole route does not stop it: wireguard-go names the interface of a packet, and the kernel takes the address for one
    # on the link then.
    lab.run(
        "h2", ["ip", "neigh", "replace", "192.0.2.11", "lladdr", "02:00:00:00:00:01", "nud", "permanent", "dev", "eth0"]
    )
    try:
        lab.inventory({"h2": {**SITE["h2"], "mesh_endpoint": "192.0.2.12:51998"}}, mesh_network=NETWORK)
        done = assert_ok(lab.playbook("site.yml", "--limit", "h1"))
        assert session(lab, "h1", "h2").endpoint == "192.0.2.12:51998", done.stdout
    finally:
        lab.run("h2", ["ip", "neigh", "del", "192.0.2.11", "dev", "eth0"])


@pytest.mark.slow
def test_addresses_do_not_change_when_hosts_join_or_leave() -> None:
    with mesh("h2", "h3") as lab:
        before = {host: addresses(lab, host) for host in ("h2", "h3")}
        lab.up(["a0", "h1", "z9"])
        lab.inventory(mesh_network=NETWORK)
        assert_ok(lab.playbook("site.yml"))
        assert {host: addresses(lab, host) for host in before} == before


def test_check_mode_on_fresh_hosts_succeeds_and_changes_nothing() -> None:
    with mesh("h1", "h2", converge=False) as lab:
        play = assert_ok(lab.playbook("site.yml", "--check", "--diff"))
        assert play.changed > 0
        for host in lab.hosts:
            assert not exists(lab, host)
            assert (
                lab.run(
                    host, ["sh", "-c", "find /etc/wireguard /var/lib/wirewright.overlay -type f"], check=False
                ).stdout
                == ""
            )


def test_predicted_diff_equals_the_real_one(mesh_of_two: Lab) -> None:
    lab = mesh_of_two
    lab.inventory(SITE, mesh_network=NETWORK, mesh_port=51900, mesh_persistent_keepalive=20)
    predicted = lab.playbook("site.yml", "--check", "--diff").results(task="Apply the overlay configuration")
    real = lab.playbook("site.yml", "--diff").results(task="Apply the overlay configuration")
    by_port = [sorted(json.dumps(result["diff"], sort_keys=True) for result in side) for side in (predicted, real)]
    assert len(by_port[0]) == 2
    assert by_port[0] == by_port[1]


def said(removal: Play) -> list[str]:
    """Return what a removal says that it removes and leaves."""
    (result,) = removal.results(task="Report what is removed and what stays")
    lines: list[str] = result["msg"]
    return lines


@pytest.mark.slow
def test_remove_deletes_the_interface_and_the_key_only_on_request() -> None:
    with mesh("h1", "h2", per_host=SITE, overlay_persistence="wg_quick") as lab:
        places = "/etc/wireguard /etc/sysctl.d /etc/systemd /var/lib/wirewright.overlay"
        find = ["sh", "-c", f"find {places} -name '*w*g0*' 2>/dev/null || :"]
        assert len(lab.run("h2", find).stdout.split()) >= 4
        # The failover service of another overlay, whose interfaces stay.
        failover = "/etc/wirewright.overlay/failover.json"
        hubs = json.dumps({"hubs": [{"name": "hub1", "dev": "wg7", "address": "10.43.0.1"}]})
        lab.run("h2", ["sh", "-c", f"mkdir -p /etc/wirewright.overlay; cat > {failover}"], input=hubs)
        confirmed = ("-e", "overlay_remove_confirm=vpn")
        several = "overlay_interfaces=wg0,wg5"
        unconfirmed = failure(lab.playbook("playbooks/remove.yml", "-e", several))
        assert "Nothing was removed. This would remove wg0 (mesh, 1 peer) of h1, h2. The routes, packet" in unconfirmed
        assert "-e overlay_remove_confirm=vpn" in unconfirmed
        assert "there are: wg0 (mesh, 1 peer) of h1, h2" in failure(
            lab.playbook("playbooks/remove.yml", "-e", "mesh_interface=wg9", *confirmed)
        )
        assert all(exists(lab, host) for host in lab.hosts)
        forwarding = {host: ["cat", "/proc/sys/net/ipv4/ip_forward"] for host in lab.hosts}
        assert [lab.run(host, argv).stdout for host, argv in forwarding.items()] == ["0\n", "1\n"]
        assert_ok(lab.playbook("playbooks/remove.yml", "-e", several, *confirmed))
        assert [lab.run(host, argv).stdout for host, argv in forwarding.items()] == ["0\n", "0\n"]
        assert lab.run("h2", ["cat", failover]).stdout == hubs
        for host in lab.hosts:
            assert not exists(lab, host)
            assert lab.run(host, find).stdout.split() == ["/etc/wireguard/wg0.key"]
            assert "proto 87" not in lab.run(host, ["ip", "-N", "route", "show", "table", "all"]).stdout
        nothing = "No interface of this collection is on h1, h2: nothing to remove"
        key = "The private key /etc/wireguard/wg0.key of h1, h2"
        assert said(lab.playbook("playbooks/remove.yml", "--check")) == [
            nothing,
            f"{key} stays: -e overlay_remove_keys=true removes it",
        ]
        # There is nothing left to confirm but the keys.
        removed = assert_ok(lab.playbook("playbooks/remove.yml", "-e", "overlay_remove_keys=true"))
        assert said(removed) == [f"{nothing} but private keys", f"{key} is removed"]
        assert lab.run("h1", find).stdout == ""
        again = assert_ok(lab.playbook("playbooks/remove.yml"))
        assert said(again) == [nothing]
        assert again.changed == 0 and "/var/lib/wirewright.overlay" not in str(again), "find(1) has nothing to warn of"


@pytest.mark.slow
def test_foreign_interface_is_refused_until_adopted() -> None:
    # Each host names the variables of the role, not the options of its modules.
    with mesh("h1", "h2", converge=False) as lab:
        lab.run("h1", ["sh", "-c", "LOG_LEVEL= wireguard-go wg0 >/dev/null 2>&1 </dev/null"])
        lab.run("h1", ["ip", "address", "add", "10.1.1.1/24", "dev", "wg0"])
        lab.run("h2", ["sh", "-c", "LOG_LEVEL= wireguard-go wg9 >/dev/null 2>&1 </dev/null"])
        lab.run("h2", ["sh", "-c", "wg set wg9 listen-port 51820 && ip link set dev wg9 up"])
        message = failure(lab.playbook("site.yml"))
        assert "wg0 exists and is not managed by this collection: set mesh_adopt to true to take it over" in message
        assert "or set mesh_interface to another name" in message
        assert addresses(lab, "h1") == ["10.1.1.1"]
        lab.inventory(mesh_network=NETWORK, mesh_adopt=True)
        # It has no key yet, so one is generated; its address is in no network of the mesh.
        assert "wg0 has the address 10.1.1.1/24, which would be removed" in failure(lab.playbook("site.yml"))
        assert addresses(lab, "h1") == ["10.1.1.1"]
        lab.inventory(mesh_network=NETWORK, mesh_adopt=True, mesh_adopt_allow_loss=True)
        message = failure(lab.playbook("site.yml"))
        assert "UDP port 51820 is in use" in message and "Choose another mesh_port" in message
        lab.run("h2", ["ip", "link", "del", "dev", "wg9"])
        assert_ok(lab.playbook("site.yml"))
        assert_full_mesh(lab)


@pytest.mark.slow
def test_tags_leave_out_only_their_tasks(mesh_of_two: Lab) -> None:
    lab = mesh_of_two
    before = state(lab)
    for tags in (["--skip-tags", "install"], ["--skip-tags", "verify"], ["--tags", "apply"]):
        assert assert_ok(lab.playbook("site.yml", *tags)).changed == 0, tags
        lab.run("h1", ["ip", "route", "del", "10.77.0.0/24"])
        assert assert_ok(lab.playbook("site.yml", *tags)).recap["h1"]["changed"] == 1, tags
        assert state(lab) == before, tags
    for tags in (["--tags", "keys"], ["--tags", "plan"], ["--tags", "install"], ["--tags", "verify"]):
        lab.run("h1", ["ip", "route", "del", "10.77.0.0/24"], check=False)
        assert assert_ok(lab.playbook("site.yml", *tags)).changed == 0, tags
    assert lab.playbook("site.yml", "--tags", "verify").results(task="Verify connectivity")
    message = failure(lab.playbook("site.yml", "--skip-tags", "keys"))
    assert "no facts of 'h1', 'h2' in this run" in message


def test_a_port_that_another_program_has_is_refused_before_others_use_it(mesh_of_three: Lab) -> None:
    lab = mesh_of_three
    before = configurations(lab)
    with port_taken(lab, "h1", 51999):
        message = failure(lab.playbook("site.yml", "-e", "mesh_port=51999"))
    assert "host 'h1': mesh_port: 51999 is in use by another program on this host" in message
    assert configurations(lab) == before


def test_a_host_that_did_not_follow_a_preshared_key_is_named(mesh_of_three: Lab) -> None:
    """It fails while others already have the key, here because something else is in place of its lock."""
    lab = mesh_of_three
    lab.run("h1", ["sh", "-c", "rm -f /run/wirewright.overlay/lock; mkfifo /run/wirewright.overlay/lock"])
    play = lab.playbook("site.yml", "-e", "mesh_psk_master=0123456789abcdef0123456789abcdef")
    assert play.recap["h1"]["failures"] == 1
    said = "h2, h3 have changed the peer h1, and h1 was not changed: there may be no tunnel to it until it is run again"
    (summary,) = play.results(task="Summarize the changes", host="h1")
    assert summary["msg"] == ["h2: ~2 peers h1 h3 (preshared_key)", "h3: ~2 peers h1 h2 (preshared_key)", said]
    lab.run("h1", ["rm", "/run/wirewright.overlay/lock"])
    assert_ok(lab.playbook("site.yml", "-e", "mesh_psk_master=0123456789abcdef0123456789abcdef"))
    assert_full_mesh(lab)


def test_a_host_that_was_renamed_while_unreachable_stays_a_peer(mesh_of_three: Lab) -> None:
    lab = mesh_of_three
    before = configurations(lab)
    key = public_key(lab, "h3")
    text = lab.inventory({"h3": GONE}, mesh_network=NETWORK).read_text()
    (lab.path / "inventory.yml").write_text(text.replace('"h3":', '"other":'))
    play = lab.playbook("site.yml")
    assert play.recap["other"]["unreachable"] == 1 and key in peers(lab, "h1")
    assert "'h3' is no longer in the inventory, and this host may have been it before it was renamed" in str(play)
    assert {name: one for name, one in configurations(lab).items() if name != "h3"} == {
        name: one for name, one in before.items() if name != "h3"
    }
