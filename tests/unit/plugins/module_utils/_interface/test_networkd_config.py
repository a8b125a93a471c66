# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units of systemd-networkd, written by hand and by netplan, and odd ones."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._interface import networkd_config
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.configured import ConfiguredInterface
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.networkd_config import Unit
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from hypothesis import given
from hypothesis import strategies as st

from ..samples import key, key_text

NETDEV, NETWORK = "/etc/systemd/network/99-wg0.netdev", "/etc/systemd/network/99-wg0.network"
PRIVATE = key_text(1000)
DEVICE = f"""
[NetDev]
Name=wg0
Kind=wireguard
Description=my tunnel
MTUBytes=1380

[WireGuard]
; a comment
PrivateKeyFile=/etc/systemd/network/wg0.key
ListenPort=51820
FirewallMark=0x10

[WireGuardPeer]
# h2
PublicKey={key_text(1)}
PresharedKeyFile=/etc/systemd/network/wg0.psk
AllowedIPs=10.0.0.2/32, \\
   10.77.0.0/16
AllowedIPs=fd00::2
Endpoint=vpn.example.org:51820
PersistentKeepalive=25
"""
ON_LINK = """
[Match]
Name=wg0
[Network]
Address=10.0.0.1/24
Address=fd00::1/64
[Route]
Destination=10.77.0.0/16
Scope=link
"""


def parse(device: str = DEVICE, on_link: str = ON_LINK, **drop_ins: str) -> ConfiguredInterface:
    texts = {NETDEV: device, **{f"{NETDEV}.d/{name}.conf": text for name, text in drop_ins.items()}}
    return networkd_config.parse("wg0", Unit(NETDEV, texts), [Unit(NETWORK, {NETWORK: on_link})])


def test_units_written_by_hand() -> None:
    found = parse()
    assert found.findings == () and found.private_key is None
    assert found.private_key_file == "/etc/systemd/network/wg0.key"
    assert (found.listen_port, found.fwmark, found.mtu, found.method) == (51820, 16, 1380, "networkd")
    assert found.addresses == tuple(map(parse_address, ("10.0.0.1/24", "fd00::1/64")))
    (peer,) = found.peers
    assert peer.public_key == key(1) and peer.name == "h2"
    assert peer.preshared_key_file == "/etc/systemd/network/wg0.psk"
    assert peer.allowed_ips == tuple(map(parse_prefix, ("10.0.0.2/32", "10.77.0.0/16", "fd00::2/128")))
    assert (peer.endpoint, peer.persistent_keepalive) == (Endpoint("vpn.example.org", 51820), 25)
    assert found.paths == (NETDEV, NETWORK)


def test_names_of_peers_are_in_comments_before_their_section_too() -> None:
    peers = [f"[WireGuardPeer]\nPublicKey={key_text(n)}\n" for n in (1, 2, 3)]
    text = f"[WireGuard]\nListenPort=1\n# Client: a (1)\n{peers[0]}; friendly_name=b\n{peers[1]}# c\n\n{peers[2]}"
    assert [peer.name for peer in parse(text).peers] == ["a", "b", ""]


def test_drop_ins_come_later_and_an_empty_value_clears_a_list() -> None:
    more = f"[WireGuard]\nListenPort=51999\n[WireGuardPeer]\nPublicKey={key_text(2)}\nAllowedIPs=10.1.0.0/16\nAllowedIPs=\n"
    found = parse(local=more)
    assert found.listen_port == 51999 and [peer.allowed_ips for peer in found.peers][1] == ()
    assert found.paths == (NETDEV, f"{NETDEV}.d/local.conf", NETWORK)


def test_a_private_key_in_the_unit() -> None:
    found = parse(f"[NetDev]\nName=wg0\nKind=wireguard\n[WireGuard]\nPrivateKey={PRIVATE}\nListenPort=auto\n")
    assert found.private_key == key(1000) and found.listen_port is None and PRIVATE not in repr(found)


@pytest.mark.parametrize(
    ("device", "on_link", "said"),
    [
        ("", "[Match]\nName=wg*\n", "matches other interfaces too"),
        ("", "[Match]\nName=wg0\n[Network]\nDNS=1.1.1.1", "DNS sets name servers"),
        ("", "[Match]\nName=wg0\n[Network]\nIPForward=yes", "set mesh_forward or hub_spoke_forward, delete this line"),
        ("", "[Match]\nName=wg0\n[Route]\nDestination=10.5.0.0/16", "10.5.0.0/16 is a route beyond"),
        ("", "[Match]\nName=wg0\n[RoutingPolicyRule]\nTable=5", "Table is not supported in [RoutingPolicyRule]"),
        ("[NetDev]\nMACAddress=02::1", "[Match]\nName=wg0\n", "MACAddress is not supported"),
        ("[WireGuard]\nRouteTable=5", "[Match]\nName=wg0\n", "RouteTable puts the routes"),
        ("[WireGuard]\nPrivateKey=@network.wg", "[Match]\nName=wg0\n", "PrivateKey has a value"),
        ("[WireGuardPeer]\nEndpoint=1.2.3.4:5", "[Match]\nName=wg0\n", "a peer without a public key"),
        ("Name", "[Match]\nName=wg0\n", "no assignment"),
    ],
)
def test_what_is_not_taken_over_is_named(device: str, on_link: str, said: str) -> None:
    (finding,) = parse(device, on_link).findings
    assert said in str(finding) and str(finding).startswith((NETDEV, NETWORK))


def test_names_and_matches() -> None:
    assert networkd_config.names_of(Unit(NETDEV, {NETDEV: DEVICE})) == ("wg0", "wireguard")
    assert networkd_config.is_for(Unit(NETWORK, {NETWORK: "[Match]\nName=eth0 wg*\n"}), "wg0")
    assert not networkd_config.is_for(Unit(NETWORK, {NETWORK: "[Match]\nName=eth0\n"}), "wg0")
    assert not networkd_config.is_for(Unit(NETWORK, {NETWORK: "[Network]\nName=wg0\n"}), "wg0")


PLAIN = "[NetDev] [WireGuard] [WireGuardPeer] [Network] [Match] Name PrivateKey PublicKey AllowedIPs MTUBytes 1K wg0 = # [ * \\"
WORDS = st.sampled_from([*PLAIN.split(), "\n", " ", "\x00", "9" * 5000, "10.0.0.1/24", PRIVATE])


@given(st.one_of(st.text(), st.lists(WORDS).map("".join)), st.lists(WORDS).map("".join))
def test_any_text_is_read_without_an_error_and_without_quoting_a_key(device: str, on_link: str) -> None:
    assert PRIVATE[:12] not in " ".join(map(str, parse(device, on_link).findings))
    unit = Unit(NETDEV, {NETDEV: device})
    assert networkd_config.names_of(unit) and networkd_config.is_for(unit, "wg0") in (True, False)
