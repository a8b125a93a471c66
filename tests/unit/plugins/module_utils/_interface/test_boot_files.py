# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot files as text: the whole of each file, and that no name or endpoint can add a line."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import InvalidOptions
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation
from ansible_collections.wirewright.overlay.plugins.module_utils._host.file_diff import describe_files
from ansible_collections.wirewright.overlay.plugins.module_utils._host.files import HEADER, BootFile
from ansible_collections.wirewright.overlay.plugins.module_utils._host.sysctls import Sysctl
from ansible_collections.wirewright.overlay.plugins.module_utils._interface import boot_files
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.boot_files import BootInterface, BootPeer
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.boot_names import post_up
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import parse_document
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import ZERO
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import Peer
from hypothesis import given
from hypothesis import strategies as st

from ..samples import key, key_text
from .predicted import Current, again

PRIVATE_TEXT = key_text(1000)


def ips(*texts: str):  # type: ignore[no-untyped-def]
    return frozenset(map(parse_prefix, texts))


# The kernel's endpoint of the first has roamed; a file has the wanted endpoint.
BETA = Peer(key(1), key(100), Endpoint("198.51.100.9", 9), 25, ips("10.42.0.2/32", "fd42::2/128", "10.77.0.0/16"))
GAMMA = Peer(key(2), ZERO, None, 0, ips("10.42.0.3/32"))
DELTA = Peer(key(3), ZERO, None, 0, frozenset())
STATIC = Peer(key(4), ZERO, None, 0, ips("fd77::/48"))

INTERFACE = BootInterface(
    name="wg0",
    private_key_file="/etc/wireguard/wg0.key",
    listen_port=51820,
    fwmark=0x10,
    mtu=1420,
    addresses=(parse_address("fd42::1/64"), parse_address("10.42.0.1/24")),
    routes=(parse_prefix("fd77::/48"), parse_prefix("10.77.0.0/16")),
    route_protocol=87,
    peers=(
        BootPeer(GAMMA, "vpn.example.org:51820", "gamma"),
        BootPeer(STATIC, "[fe80::1%eth0]:51820", ""),
        BootPeer(BETA, "192.0.2.2:51820", "beta"),
        BootPeer(DELTA, "", "delta"),
    ),
    sysctls=(
        Sysctl("net/odd$/wg0", "a $(b)"),
        Sysctl("net/ipv4/conf/wg0/rp_filter", "2"),
        Sysctl("net/ipv4/conf/wg01/rp_filter", "2"),
        Sysctl("net/ipv4/ip_forward", "1"),
    ),
    threaded_napi=False,
    private_key_text=PRIVATE_TEXT,
)

BARE = BootInterface("wg0", "/etc/wireguard/wg0.key", 0, 0, None, (), (), 87)

WG_QUICK = f"""\
# Written by wirewright.overlay: changes made here are lost with the next run.
[Interface]
Address = 10.42.0.1/24
Address = fd42::1/64
ListenPort = 51820
FwMark = 0x10
MTU = 1420
Table = off
PostUp = wg set %i private-key /etc/wireguard/wg0.key
PostUp = ip link set dev %i alias wirewright.overlay
PostUp = ip -4 route add 10.77.0.0/16 dev %i proto 87
PostUp = ip -6 route add fd77::/48 dev %i proto 87
PostUp = echo 2 >/proc/sys/net/ipv4/conf/wg0/rp_filter || :
PostUp = echo 'a $(b)' >'/proc/sys/net/odd$/wg0' || :
PostUp = echo 0 >/sys/class/net/%i/threaded || :
PostUp = test ! -e /etc/wirewright.overlay/fib/%i.up || ip -force -batch /etc/wirewright.overlay/fib/%i.up || :
{post_up(key(2), Endpoint("vpn.example.org", 51820), "", 0x10)}

[Peer]
PublicKey = {key_text(4)}
AllowedIPs = fd77::/48
Endpoint = [fe80::1%eth0]:51820

# beta
[Peer]
PublicKey = {key_text(1)}
PresharedKey = {key_text(100)}
AllowedIPs = 10.42.0.2/32,10.77.0.0/16,fd42::2/128
Endpoint = 192.0.2.2:51820
PersistentKeepalive = 25

# delta
[Peer]
PublicKey = {key_text(3)}

# gamma
[Peer]
PublicKey = {key_text(2)}
AllowedIPs = 10.42.0.3/32
"""

NETDEV = f"""\
# Written by wirewright.overlay: changes made here are lost with the next run.
[NetDev]
Name=wg0
Kind=wireguard
MTUBytes=1420

[WireGuard]
PrivateKeyFile=/etc/systemd/network/50-wirewright-wg0.key
ListenPort=51820
FirewallMark=16

[WireGuardPeer]
PublicKey={key_text(4)}
AllowedIPs=fd77::/48
Endpoint=[fe80::1%eth0]:51820

# beta
[WireGuardPeer]
PublicKey={key_text(1)}
PresharedKey={key_text(100)}
AllowedIPs=10.42.0.2/32,10.77.0.0/16,fd42::2/128
Endpoint=192.0.2.2:51820
PersistentKeepalive=25

# delta
[WireGuardPeer]
PublicKey={key_text(3)}

# gamma
[WireGuardPeer]
PublicKey={key_text(2)}
AllowedIPs=10.42.0.3/32
Endpoint=vpn.example.org:51820
"""

NETWORK = """\
# Written by wirewright.overlay: changes made here are lost with the next run.
[Match]
Name=wg0

[Network]
LinkLocalAddressing=no
Address=10.42.0.1/24
Address=fd42::1/64

[Route]
Destination=10.77.0.0/16
Protocol=87
Scope=link

[Route]
Destination=fd77::/48
Protocol=87
"""

LINK = """\
# Written by wirewright.overlay: changes made here are lost with the next run.
[Match]
OriginalName=wg0

[Link]
Alias=wirewright.overlay
"""

UNIT = "/etc/systemd/system/multi-user.target.wants/wg-quick@wg0.service"
AT = "/etc/systemd/network/50-wirewright-wg0"


def test_golden_wg_quick_file() -> None:
    conf, unit = boot_files.files("wg_quick", INTERFACE, systemd=True)
    assert conf.content == WG_QUICK
    assert conf == BootFile("/etc/wireguard/wg0.conf", WG_QUICK, 0o600)
    assert unit == BootFile(UNIT, mode=0o777, target="/lib/systemd/system/wg-quick@.service")


def test_no_unit_without_systemd() -> None:
    assert [file.path for file in boot_files.files("wg_quick", INTERFACE, systemd=False)] == ["/etc/wireguard/wg0.conf"]


def test_golden_networkd_files() -> None:
    netdev, network, link, secret = boot_files.files("networkd", INTERFACE, systemd=True)
    assert netdev.content == NETDEV
    assert network.content == NETWORK
    assert link.content == LINK
    assert netdev == BootFile(f"{AT}.netdev", NETDEV, 0o640, "systemd-network")
    assert network == BootFile(f"{AT}.network", NETWORK, 0o644)
    assert link == BootFile(f"{AT}.link", LINK, 0o644)
    assert secret == BootFile(f"{AT}.key", PRIVATE_TEXT + "\n", 0o640, "systemd-network")
    assert secret.secret
    assert secret.is_ours


def test_golden_file_of_a_bare_interface() -> None:
    assert boot_files.wg_quick(BARE) == (
        f"{HEADER}\n[Interface]\nTable = off\nPostUp = wg set %i private-key /etc/wireguard/wg0.key\n"
        "PostUp = ip link set dev %i alias wirewright.overlay\n"
        "PostUp = test ! -e /etc/wirewright.overlay/fib/%i.up || ip -force -batch /etc/wirewright.overlay/fib/%i.up || :\n"
    )
    assert boot_files.networkd_netdev(BARE, "/k") == (
        f"{HEADER}\n[NetDev]\nName=wg0\nKind=wireguard\n\n[WireGuard]\nPrivateKeyFile=/k\n"
    )


def test_golden_sysctl_file() -> None:
    file = boot_files.sysctl_file("wg0", [Sysctl("net/ipv6/x", "1"), Sysctl("net/ipv4/ports", "1 2")])
    assert file == BootFile("/etc/sysctl.d/90-wirewright-wg0.conf", f"{HEADER}\nnet/ipv4/ports = 1 2\nnet/ipv6/x = 1\n")


def test_method_none_has_no_files() -> None:
    assert boot_files.files("none", INTERFACE, systemd=True) == []


@pytest.mark.parametrize("method", boot_files.METHODS)
def test_every_file_has_a_known_path_and_is_ours(method: str) -> None:
    files = boot_files.files(method, INTERFACE, systemd=True)
    assert tuple(file.path for file in files) == boot_files.paths("wg0")[method]
    assert all(file.is_ours for file in files)


@pytest.mark.parametrize("method", boot_files.METHODS)
def test_files_do_not_depend_on_the_order_of_input(method: str) -> None:
    turned = replace(
        INTERFACE,
        addresses=INTERFACE.addresses[::-1],
        routes=INTERFACE.routes[::-1],
        peers=INTERFACE.peers[::-1],
    )
    assert boot_files.files(method, turned, systemd=True) == boot_files.files(method, INTERFACE, systemd=True)


def test_only_the_networkd_key_file_contains_the_private_key() -> None:
    for method in boot_files.METHODS:
        for file in boot_files.files(method, INTERFACE, systemd=True):
            assert (PRIVATE_TEXT in file.content) == (file.path == f"{AT}.key")
            assert PRIVATE_TEXT not in repr(file) + str(describe_files([Operation(None, file)]))
    assert PRIVATE_TEXT not in repr(INTERFACE)


def boot_text(name: str, endpoint: str, persistence: str) -> str:
    """Return the file that lists the peers, from a document with one of this name and endpoint."""
    peer = {"public_key": key_text(1), "name": name, "endpoint": endpoint}
    (wanted,) = parse_document([{"name": "wg0", "persistence": persistence, "peers": [peer]}], {})
    made = again(
        Current(), wanted, resolved={item.peer.public_key: Endpoint("192.0.2.1", 1) for item in wanted.peers or ()}
    )
    (text,) = [o.after.content for o in made.files if o.after and o.after.path.endswith((".conf", ".netdev"))]
    return text


def test_networkd_gets_the_address_of_a_name_with_one_family() -> None:
    gamma = BootPeer(GAMMA, "vpn.example.org:51820", "gamma", "ipv6", "2001:db8::7")
    text = boot_files.networkd_netdev(replace(INTERFACE, peers=(gamma,)), f"{AT}.key")
    assert "Endpoint=[2001:db8::7]:51820\n" in text and "vpn.example.org" not in text
    assert post_up(key(2), Endpoint("vpn.example.org", 51820), "ipv6", 0x10) in boot_files.wg_quick(
        replace(INTERFACE, peers=(gamma,))
    )
    unset = replace(gamma, endpoint_address="")
    assert "Endpoint=" not in boot_files.networkd_netdev(replace(INTERFACE, peers=(unset,)), f"{AT}.key")


def files_of_an_unresolved_name(persistence: str) -> str:
    """Return the boot files of an interface with a peer whose name does not resolve in its first run."""
    peer = {"public_key": key_text(1), "name": "beta", "endpoint": "lost.example.org:1"}
    (wanted,) = parse_document([{"name": "wg0", "persistence": persistence, "peers": [peer]}], {})
    made = again(Current(), wanted, resolved={item.peer.public_key: None for item in wanted.peers or ()})
    contents = {o.after.path.rpartition(".")[2]: o.after.content for o in made.files if o.after}
    assert "lost.example.org" in contents.pop("json")
    assert contents
    return "".join(contents.values())


def test_an_unresolved_name_is_not_in_the_files_of_networkd() -> None:
    assert "lost.example.org" not in files_of_an_unresolved_name("networkd")


def test_an_unresolved_name_is_resolved_at_boot_by_wg_quick() -> None:
    text = files_of_an_unresolved_name("wg_quick")
    assert post_up(key(1), Endpoint("lost.example.org", 1), "", 0) in text
    assert "Endpoint" not in text


@pytest.mark.parametrize("persistence", ["wg_quick", "networkd"])
@given(
    name=st.text(min_size=1, max_size=15) | st.sampled_from(["x\n[Peer]\nPublicKey = evil", "x\\", "#", "[Peer]"]),
    endpoint=st.text(max_size=10).map("host{}:1".format) | st.sampled_from(["h\nPostUp = reboot:1", "h\n:1", "h;x:1"]),
)
def test_no_option_can_add_a_line(persistence: str, name: str, endpoint: str) -> None:
    harmless = boot_text("NAME", "host-name:1", persistence)
    try:
        text = boot_text(name, endpoint, persistence)
    except InvalidOptions:
        return
    assert text == harmless.replace("# NAME", f"# {name}").replace("host-name:1", endpoint.lower()).replace(
        "host-name", endpoint.lower().rpartition(":")[0]
    )
    assert text.count("\n") == harmless.count("\n")
    assert "\r" not in text


@pytest.mark.parametrize("name", ["x\n[Peer]", "x\r[Peer]", "x\x0b", "x\x0c", "x\u2028", "x\x85\n"])
def test_a_name_with_a_line_break_is_refused(name: str) -> None:
    with pytest.raises(InvalidOptions, match="line break or control character"):
        boot_text(name, "", "wg_quick")
