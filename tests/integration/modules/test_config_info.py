# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""wg_config_info says of a file what `wg` and `ip` say after wg-quick(8) has set it up, and returns no secret."""

from __future__ import annotations

from typing import Any

from host_state import observe
from managed_host import ManagedHost, key
from twelve_steps import assert_no_secret

PRIVATE, SHARED = key("private"), key("shared")
FILE = f"""
[Interface]
Address = 10.8.0.1/24, fd08::1/64
PrivateKey = {PRIVATE}
ListenPort = 51777
FwMark = 0x10
MTU = 1380
PostUp = echo {SHARED} >/dev/null

[Peer]
# Name = h2
PublicKey = {key("h2")}
PresharedKey = {SHARED}
AllowedIPs = 10.8.0.2/32, 10.77.9.9/16
AllowedIPs = fd08::2
Endpoint = [2001:db8:ffff::2]:51820
PersistentKeepalive = 25
"""


def read(host: ManagedHost, **arguments: Any) -> list[dict[str, Any]]:
    before = observe(host)
    results = [host.module("wg_config_info", check_mode=check, **arguments) for check in (True, False)]
    assert not any(result.changed for result in results) and observe(host) == before
    assert results[0].data == results[1].data
    assert_no_secret(results, {PRIVATE, SHARED})
    return list(results[1].data["interfaces"])


def test_a_file_reads_as_the_interface_that_wg_quick_makes_of_it(host: ManagedHost) -> None:
    host.write("/etc/wireguard/wg0.conf", FILE)
    (file,) = read(host)
    assert not file["runs"] and file["method"] == "wg_quick" and file["files"] == ["/etc/wireguard/wg0.conf"]
    host.shell("wg-quick up wg0 </dev/null >/run/wg-quick.log 2>&1")
    (line,), (interface, peer) = file["unsupported"], host.wg_dump()
    assert "line 8: PostUp runs echo" in line
    assert [interface[1], interface[2], interface[3]] == [file["public_key"], "51777", "0x10"]
    assert set(file["addresses"]) == host.addresses()
    shown = file["peers"][0]
    assert [peer[0], peer[2], peer[7]] == [shown["public_key"], shown["endpoint"], "25"]
    assert set(peer[3].split(",")) == set(shown["allowed_ips"]) and shown["preshared_key"] and not shown["runs"]
    link = host.link()
    assert link is not None and link["mtu"] == file["mtu"] == 1380

    (both,) = read(host, interface="wg0", role="hub_spoke")
    assert both["runs"] and not both["managed"] and both["peers"][0]["runs"]
    ignored = {"runs", "peers", "variables"}
    assert {name: value for name, value in both.items() if name not in ignored} == {
        name: value for name, value in file.items() if name not in ignored
    }
    assert both["variables"]["hub_spoke_port"] == 51777
    assert both["variables"]["hub_spoke_static_peers"][0]["name"] == "h2"

    host.shell("rm /etc/wireguard/wg0.conf")
    (alone,) = read(host)
    assert (alone["method"], alone["mtu"], alone["public_key"]) == (None, 1380, file["public_key"])


def test_units_read_as_the_same_interface(host: ManagedHost) -> None:
    host.write(
        "/etc/systemd/network/90-wg0.netdev",
        "[NetDev]\nName=wg0\nKind=wireguard\nMTUBytes=1380\n[WireGuard]\nPrivateKeyFile=/etc/systemd/network/wg0.key\n"
        f"ListenPort=51777\n[WireGuardPeer]\nPublicKey={key('h2')}\nPresharedKey={SHARED}\nAllowedIPs=10.8.0.2\n",
    )
    host.write("/etc/systemd/network/90-wg0.network", "[Match]\nName=wg0\n[Network]\nAddress=10.8.0.1/24\n")
    host.write("/etc/systemd/network/90-wg0.network.d/more.conf", "[Network]\nDNS=10.8.0.1\n")
    host.write("/etc/systemd/network/wg0.key", PRIVATE + "\n")
    (found,) = read(host)
    assert found["method"] == "networkd" and len(found["files"]) == 3
    assert found["public_key"] == host.run("wg", "pubkey", input=PRIVATE).strip()
    assert (found["listen_port"], found["mtu"], found["addresses"]) == (51777, 1380, ["10.8.0.1/24"])
    assert found["peers"][0]["preshared_key"] and "DNS sets name servers" in found["unsupported"][0]


def test_files_of_the_collection_are_not_read(host: ManagedHost) -> None:
    host.make_key()
    assert host.apply(userspace=True, addresses=["10.42.0.1/24"], persistence="wg_quick").changed
    (found,) = read(host)
    assert found["managed"] and found["files"] == [] and found["method"] is None


def test_nothing_is_an_empty_list(host: ManagedHost) -> None:
    host.shell("ip link add wg5 type bridge")
    assert read(host) == [] and read(host, interface="wg5") == [] and read(host, interface="wg0") == []
