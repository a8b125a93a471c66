# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An interface that others made is adopted with all it has, or refused by what would be lost."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from boot_states import running, take_away
from host_state import observe
from managed_host import ManagedHost, ModuleResult, key
from twelve_steps import assert_no_secret

A, B = key("peer a"), key("peer b")
PRIVATE = base64.b64encode(bytes([8, *range(1, 31), 71])).decode()
SHARED = key("psk")
CONF = "/etc/wireguard/wg0.conf"
COPY = CONF + ".before-wirewright"
KEY_FILE = "/etc/wireguard/wg0.key"
FILE = f"""[Interface]
Address = 10.42.0.1/24, fd42::1/64
PrivateKey = {PRIVATE}
ListenPort = 51777
MTU = 1380

[Peer]
PublicKey = {A}
PresharedKey = {SHARED}
AllowedIPs = 10.42.0.2/32, 10.77.0.0/16, fd77::/48
Endpoint = 198.51.100.2:51820
PersistentKeepalive = 25

[Peer]
PublicKey = {B}
AllowedIPs = 10.42.0.3/32
"""
UP = "wg-quick up wg0 </dev/null >/run/wg-quick.log 2>&1"
ALPHA = {
    "name": "alpha",
    "public_key": A,
    "allowed_ips": ["10.42.0.2/32", "10.77.0.0/16", "fd77::/48"],
    "endpoint": "198.51.100.2:51820",
    "persistent_keepalive": 25,
}
BETA = {"name": "beta", "public_key": B, "allowed_ips": ["10.42.0.3/32"]}
WANTED: dict[str, Any] = {
    "name": "wg0",
    "userspace": True,
    "adopt": True,
    "listen_port": 51777,
    "fwmark": 0,
    "mtu": 1380,
    "addresses": ["10.42.0.1/24", "fd42::1/64"],
    "purge": True,
    "persistence": "wg_quick",
    "peers": [ALPHA, BETA],
}


def adopt(host: ManagedHost, *, check_mode: bool = False, secrets: Any = None, **changes: Any) -> ModuleResult:
    """Run overlay_apply; no result has a secret."""
    keys = {"wg0": {A: SHARED} if secrets is None else secrets}
    wanted = {**WANTED, **changes}
    result = host.module("overlay_apply", check_mode=check_mode, interfaces=[wanted], preshared_keys=keys)
    assert_no_secret([result], {PRIVATE, SHARED})
    return result


def prepare(host: ManagedHost, **options: Any) -> dict[str, Any]:
    """Return the facts of wg0 from overlay_prepare with adoption, which changes nothing."""
    before = observe(host)
    results = [
        host.module("overlay_prepare", check_mode=check, interface="wg0", **{"adopt": True, **options})
        for check in (True, False)
    ]
    assert_no_secret(results, {PRIVATE, SHARED})
    assert not any(result.changed for result in results) and observe(host) == before
    facts = [result.data["ansible_facts"]["wirewright_overlay"]["interfaces"]["wg0"] for result in results]
    assert facts[0] == facts[1]
    return dict(facts[1])


@pytest.fixture(params=["running", "stopped"])
def quick(host: ManagedHost, request: pytest.FixtureRequest) -> Iterator[ManagedHost]:
    """A host with a file of wg-quick, and its interface running or not."""
    host.write(CONF, FILE, mode="640")
    if request.param == "running":
        host.shell(UP)
    yield host


def test_an_interface_of_wg_quick_is_adopted_with_all_it_has(quick: ManagedHost) -> None:
    host = quick
    public = host.run("wg", "pubkey", input=PRIVATE).strip()
    assert prepare(host)["public_key"] == public
    was = running(host) if host.link() else None
    predicted, done = adopt(host, check_mode=True), adopt(host)
    assert predicted.changed and done.changed and predicted.diff == done.diff
    assert done.data["interfaces"]["wg0"]["public_key"] == public == host.run("wg", "show", "wg0", "public-key").strip()
    now = running(host)
    if was is not None:
        same = ("device", "peers", "addresses", "mtu", "up")
        assert {name: now[name] for name in same} == {name: was[name] for name in same}
        assert {route.replace(" proto 87", "") for route in now["routes"]} == set(was["routes"])
        assert done.data["interfaces"]["wg0"]["requests"] == 0, "sessions are kept"
    assert host.run("cat", KEY_FILE).strip() == PRIVATE and host.run("cat", COPY) == FILE
    for path in (KEY_FILE, COPY, CONF):
        assert host.run("stat", "-c", "%a %U:%G", path) == "600 root:root\n", path
    assert PRIVATE not in host.run("cat", CONF)
    for again in (adopt(host), adopt(host, adopt=False)):
        assert not again.changed, again.diff
    take_away(host)
    host.shell(UP)
    assert running(host) == now
    assert not adopt(host).changed
    facts = prepare(host)
    assert "existing" not in facts and facts["public_key"] == public
    found = host.module("overlay_prepare", interfaces=[], create_key=False, find_keys=["/etc/wireguard"])
    listed = found.data["ansible_facts"]["wirewright_overlay"]["private_key_files"]
    assert listed == [KEY_FILE, COPY], "a removal names both"


# Each change of what is wanted, or of the file: what the message says of it.
LOSSES: dict[str, tuple[dict[str, Any], str, str]] = {
    "port": ({"listen_port": 51820}, "", "wg0 listens on 51777, which would become 51820: set listen_port: 51777"),
    "mtu": ({"mtu": 1420}, "", "has the MTU 1380"),
    "address": ({"addresses": ["10.42.0.1/24"]}, "", "has the address fd42::1/64, which would be removed"),
    "peer": ({"peers": [ALPHA]}, "", f"the peer {B} of wg0 with 10.42.0.3/32 would be removed: add it to peers"),
    "allowed ips": (
        {"peers": [{**ALPHA, "allowed_ips": ["10.42.0.2/32", "fd77::/48"]}, BETA]},
        "",
        "the peer alpha has the allowed IPs 10.77.0.0/16, which would be removed",
    ),
    "endpoint": (
        {"peers": [{**ALPHA, "endpoint": "192.0.2.2:51820"}, BETA]},
        "",
        "the endpoint 198.51.100.2:51820, which would become 192.0.2.2:51820",
    ),
    "keepalive": ({"peers": [{**ALPHA, "persistent_keepalive": 0}, BETA]}, "", "every 25 s to the peer alpha"),
    "preshared key": ({"secrets": {}}, "", "the peer alpha has a preshared key, and would have none"),
    "boot": ({"persistence": "none"}, "", "set up at boot by wg_quick"),
    "hook": ({}, "PostUp = true", "line 4: PostUp runs true"),
    "name servers": ({}, "DNS = 192.0.2.53", "DNS sets name servers"),
    "table": ({}, "Table = off", "has no routes for allowed IPs"),
    "mark": ({}, "FwMark = 7", "marks its packets with 0x7"),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("loss", LOSSES)
def test_each_loss_is_refused_by_name_and_can_be_allowed(host: ManagedHost, loss: str) -> None:
    changes, line, said = LOSSES[loss]
    host.write(CONF, FILE.replace("ListenPort", f"{line}\nListenPort", 1))
    if loss != "name servers":  # for which wg-quick calls resolvconf
        host.shell(UP)
    before = observe(host)
    for check_mode in (True, False):
        message = adopt(host, check_mode=check_mode, **changes).failure
        assert said in message and "adopt_allow_loss" in message, message
        assert observe(host) == before
    allowed = adopt(host, adopt_allow_loss=True, **changes)
    assert allowed.changed and said.split(":")[0] in str(allowed.data["warnings"])
    assert not adopt(host, **changes).changed


def test_an_accepted_loss_in_the_run_of_a_role_is_warned_of_once(host: ManagedHost) -> None:
    """The controller warns of all but preshared keys, which only the host knows."""
    host.write(CONF, FILE)
    accepted = {"adopt_allow_loss": True, "mtu": 1420, "secrets": {}}
    alone = str(adopt(host, check_mode=True, **accepted).data["warnings"])
    assert "MTU 1380" in alone and "preshared key" in alone
    of_role = str(adopt(host, check_mode=True, inventory_name="h1", **accepted).data["warnings"])
    assert "MTU 1380" not in of_role and "preshared key" in of_role


def test_all_losses_are_in_one_message(host: ManagedHost) -> None:
    host.write(CONF, FILE)
    message = adopt(host, listen_port=1, mtu=1280, addresses=[], peers=[]).failure
    for part in ("listens on 51777", "MTU 1380", "10.42.0.1/24", "fd42::1/64", A, B):
        assert part in message


def test_a_peer_is_kept_or_revoked_by_option(quick: ManagedHost) -> None:
    kept = {"peers": [ALPHA]}
    if quick.link():
        assert adopt(quick, purge=False, check_mode=True, **kept).changed
    else:
        assert B in adopt(quick, purge=False, **kept).failure, "a peer that does not run is not kept by itself"
    assert adopt(quick, revoked={B: "beta"}, **kept).changed
    assert quick.run("wg", "show", "wg0", "peers").split() == [A]


def test_another_key_in_the_key_file_is_refused(quick: ManagedHost) -> None:
    quick.make_key()
    message = adopt(quick).failure
    assert "remove that file" in message and key("private wg0 h1") not in message
    facts = prepare(quick)
    assert facts["public_key"] != facts["existing"]["public_key"]
    quick.shell(f"rm {KEY_FILE}")
    assert adopt(quick).changed


PROFILE = "/etc/NetworkManager/system-connections/wg0.nmconnection"
PROFILE_TEXT = f"""[connection]
id=wg0
type=wireguard
interface-name=wg0
[wireguard]
listen-port=51777
private-key={PRIVATE}
[wireguard-peer.{B}]
preshared-key={SHARED}
allowed-ips=10.42.0.3/32;
[ipv4]
address1=10.42.0.1/24
method=manual
"""


@pytest.mark.parametrize("runs", [True, False])
def test_a_profile_of_networkmanager_is_refused_until_it_does_not_connect_by_itself(
    host: ManagedHost, runs: bool
) -> None:
    host.write(PROFILE, PROFILE_TEXT)
    if runs:
        host.shell(
            f"LOG_LEVEL= wireguard-go wg0 >/dev/null 2>&1 </dev/null; ip address add 10.42.0.1/24 dev wg0; "
            f"ip link set wg0 up mtu 1420; echo {PRIVATE} >/run/k; echo {SHARED} >/run/s; wg set wg0 private-key /run/k "
            f"listen-port 51777 peer {B} preshared-key /run/s allowed-ips 10.42.0.3/32; rm /run/k /run/s"
        )
    public = host.run("wg", "pubkey", input=PRIVATE).strip()
    try:
        (listed,) = host.module("wg_config_info").data["interfaces"]
        assert (listed["files"], listed["public_key"], listed["method"]) == ([PROFILE], public, "networkmanager")
        assert PROFILE in listed["unsupported"][0]
        assert prepare(host, adopt=False)["existing"] == {"runs": runs, "unread": True}
        facts = prepare(host)
        assert (facts["public_key"], facts["existing"]["profile"]) == (public, PROFILE)
        wanted = {"addresses": ["10.42.0.1/24"], "mtu": 1420, "peers": [BETA], "secrets": {B: SHARED}}
        before = observe(host)
        for check_mode in (True, False):
            message = adopt(host, check_mode=check_mode, adopt_allow_loss=True, **wanted).failure
            assert f"{PROFILE}, a profile of NetworkManager, would make wg0 again" in message
            assert observe(host) == before
        manual = PROFILE_TEXT.replace("interface-name", "autoconnect=false\ninterface-name")
        host.write(PROFILE, manual)
        assert adopt(host, **wanted).changed
        assert host.run("cat", KEY_FILE).strip() == PRIVATE and host.run("cat", PROFILE) == manual
        assert not adopt(host, **wanted).changed
        take_away(host)
        assert "existing" not in prepare(host), "what the adoption has left is not adopted again"
        assert adopt(host, **wanted).changed
    finally:
        host.shell(f"rm -f {PROFILE}")


@pytest.mark.parametrize("kind", ["wg_quick", "networkd"])
def test_an_interface_without_a_key_gets_no_new_one(host: ManagedHost, kind: str) -> None:
    if kind == "wg_quick":
        host.write(CONF, FILE.replace(f"PrivateKey = {PRIVATE}\n", ""))
    else:
        unit = "[NetDev]\nName=wg0\nKind=wireguard\n[WireGuard]\nListenPort=51777\n"
        host.write("/etc/systemd/network/90-wg0.netdev", unit)
    facts = prepare(host)
    assert (facts["public_key"], facts["existing"]["public_key"]) == (None, "")
    assert host.run("sh", "-c", f"ls {KEY_FILE} 2>/dev/null || :") == ""


def test_the_key_from_a_hook_and_another_key_than_the_running_one(host: ManagedHost) -> None:
    host.write("/etc/wireguard/private.wg0", PRIVATE + "\n")
    hooked = FILE.replace(f"PrivateKey = {PRIVATE}", "PostUp = wg set %i private-key /etc/wireguard/private.%i")
    host.write(CONF, hooked)
    assert adopt(host).changed
    assert host.run("cat", KEY_FILE).strip() == PRIVATE
    host.reset()
    host.write(CONF, FILE)
    host.shell(f"{UP}; wg genkey >/run/other; wg set wg0 private-key /run/other; rm /run/other")
    assert f"{CONF}: has the private key of" in adopt(host).failure


def test_a_device_made_by_hand_keeps_its_key_and_peers(host: ManagedHost) -> None:
    host.shell(
        f"LOG_LEVEL= wireguard-go wg0 >/dev/null 2>&1 </dev/null; ip address add 10.42.0.1/24 dev wg0; "
        f"ip link set wg0 up mtu 1380; echo {PRIVATE} >/run/k; wg set wg0 private-key /run/k listen-port 51777; rm /run/k; "
        f"wg set wg0 peer {B} allowed-ips 10.42.0.3/32; ip route add 10.88.0.0/16 dev wg0"
    )
    assert prepare(host, adopt=False)["existing"] == {"runs": True, "unread": True}
    assert host.run("sh", "-c", f"ls {KEY_FILE} 2>/dev/null || :") == ""
    assert adopt(host, addresses=["10.42.0.1/24"], peers=[BETA]).changed
    assert host.run("cat", KEY_FILE).strip() == PRIVATE
    assert "10.88.0.0/16" in host.run("ip", "route"), "no allowed IP"


def test_units_of_networkd_are_taken_over(host: ManagedHost) -> None:
    where = "/etc/systemd/network"
    host.write(
        f"{where}/90-wg0.netdev",
        "[NetDev]\nName=wg0\nKind=wireguard\nMTUBytes=1380\n[WireGuard]\n"
        f"PrivateKeyFile={where}/wg0.private\nListenPort=51777\n"
        f"[WireGuardPeer]\nPublicKey={B}\nAllowedIPs=10.42.0.3/32\n",
    )
    host.write(f"{where}/90-wg0.network", "[Match]\nName=wg0\n[Network]\nAddress=10.42.0.1/24\n")
    host.write(f"{where}/90-wg0.network.d/a.conf", "[Network]\nAddress=fd42::1/64\n")
    host.write(f"{where}/wg0.private", PRIVATE + "\n")
    done = adopt(host, persistence="networkd", peers=[BETA])
    assert done.changed
    listed = host.run("find", where, "-type", "f").split()
    suffix = ".before-wirewright"
    names = [
        f"{where}/90-wg0.netdev{suffix}",
        f"{where}/90-wg0.network{suffix}",
        f"{where}/90-wg0.network.d/a.conf{suffix}",
    ]
    ours = [f"{where}/50-wirewright-wg0.{kind}" for kind in ("netdev", "network", "link", "key")]
    assert sorted(listed) == sorted([*names, *ours, f"{where}/wg0.private"])
    assert not adopt(host, persistence="networkd", peers=[BETA]).changed
    host.reset()
    host.write("/run/systemd/network/10-netplan-wg0.netdev", "[NetDev]\nName=wg0\nKind=wireguard\n")
    try:
        host.make_key()
        assert "/etc/netplan" in adopt(host, peers=[]).failure
    finally:
        host.shell("rm -r /run/systemd/network")


def test_a_copy_is_not_replaced_and_a_link_not_followed(host: ManagedHost) -> None:
    host.write(CONF, FILE)
    host.write(COPY, "another file\n")
    assert f"{COPY} exists" in adopt(host).failure
    host.shell(f"mv {CONF} {COPY}; ln -s {COPY} {CONF}")
    assert "is a symbolic link" in adopt(host).failure
    assert host.run("readlink", CONF).strip() == COPY


def test_a_failed_adoption_restores_files_routes_and_device(quick: ManagedHost) -> None:
    # The state file cannot be written, which is found when all else is done.
    quick.shell("mkdir -p /var/lib/wirewright.overlay; mount -t tmpfs -o ro none /var/lib/wirewright.overlay")
    before = observe(quick)
    try:
        result = adopt(quick)
        assert result.rc and "rolled back" in str(result.data["msg"]), result.output
        assert observe(quick) == before
        assert quick.run("sh", "-c", f"ls {KEY_FILE} {COPY} 2>/dev/null || :") == ""
        assert quick.run("cat", CONF) == FILE
    finally:
        quick.shell("umount /var/lib/wirewright.overlay")


def test_a_running_full_tunnel_of_wg_quick_is_refused_and_adopted_once_it_is_down(host: ManagedHost) -> None:
    """Its rules for all packets would stay, and lead into a table that has no use any more."""
    host.write(CONF, FILE.replace("10.42.0.3/32", "0.0.0.0/0"))
    host.shell(UP)
    assert "not from all fwmark 0xca6c lookup 51820" in host.run("ip", "rule")
    before = observe(host)
    for check_mode in (True, False):
        refused = adopt(host, check_mode=check_mode, adopt_allow_loss=True).failure
        assert "rules of its program lead all packets into table 51820" in refused and "`wg-quick down wg0`" in refused
        assert observe(host) == before
    host.shell("wg-quick down wg0 </dev/null >/run/wg-quick.log 2>&1")
    assert adopt(host, adopt_allow_loss=True).changed
    assert "51820" not in host.run("ip", "rule")
