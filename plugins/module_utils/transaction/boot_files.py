# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The files from which an interface comes up at boot, for wg-quick(8) and for systemd.netdev(5). Pure.

What boots must equal what runs: both describe the state after the run, peers that were kept included. Preshared keys
stand in files of mode 0600 (wg-quick) or 0640 root:systemd-network (networkd); the private key is read from its own
file, of which networkd, which is not root, gets a copy with the latter mode.

This module is private to the collection.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..fib.boot_paths import NETWORKD, WG_QUICK, hook_path
from ..host import threaded_napi
from ..host.files import HEADER, BootFile
from ..host.links import OWNER_ALIAS
from ..host.sysctls import Sysctl
from ..prefix import Address, Prefix
from ..wireguard.endpoint import Endpoint, parse_endpoint
from ..wireguard.keys import ZERO, encode_key
from ..wireguard.model import Peer, sorted_texts

NONE = "none"
METHODS = (NONE, WG_QUICK, NETWORKD)

_NETWORKD_GROUP = "systemd-network"
_SYSTEMD_WANTS = "/etc/systemd/system/multi-user.target.wants"
_WG_QUICK_UNIT = "/lib/systemd/system/wg-quick@.service"


@dataclass(frozen=True)
class BootPeer:
    """A peer as the files name it: its state, the endpoint as asked for ("" for none), a name for the reader."""

    peer: Peer
    endpoint: str = ""
    name: str = ""


@dataclass(frozen=True)
class BootInterface:
    """All that an interface needs at boot."""

    name: str
    private_key_file: str
    listen_port: int
    fwmark: int
    mtu: int | None
    addresses: tuple[Address, ...]
    routes: tuple[Prefix, ...]
    route_protocol: int
    route_metric: int = 0
    peers: tuple[BootPeer, ...] = ()
    sysctls: tuple[Sysctl, ...] = ()
    threaded_napi: bool | None = None
    private_key_text: str = field(default="", repr=False)


def paths(name: str) -> dict[str, tuple[str, ...]]:
    """Return, by method, the paths that belong to an interface: what another method left behind is removed."""
    network = f"/etc/systemd/network/50-wirewright-{name}"
    return {
        WG_QUICK: (f"/etc/wireguard/{name}.conf", f"{_SYSTEMD_WANTS}/wg-quick@{name}.service"),
        NETWORKD: (f"{network}.netdev", f"{network}.network", f"{network}.link", f"{network}.key"),
        NONE: (),
    }


def quick_unit(path: str) -> str:
    """Return the unit of wg-quick that a link wants at boot, "" for another path."""
    directory, _slash, unit = path.rpartition("/")
    return unit if directory == _SYSTEMD_WANTS and unit.startswith("wg-quick@") else ""


def files(method: str, interface: BootInterface, *, systemd: bool) -> list[BootFile]:
    """Return the files and links of an interface for a method, one of METHODS."""
    if method == WG_QUICK:
        configuration, unit = paths(interface.name)[WG_QUICK]
        wanted = [BootFile(configuration, wg_quick(interface), 0o600)]
        return wanted + ([BootFile(unit, mode=0o777, target=_WG_QUICK_UNIT)] if systemd else [])
    if method == NETWORKD:
        netdev, network, link, key = paths(interface.name)[NETWORKD]
        return [
            BootFile(netdev, networkd_netdev(interface, key), 0o640, _NETWORKD_GROUP),
            BootFile(network, networkd_network(interface), 0o644),
            BootFile(link, networkd_link(interface.name), 0o644),
            # systemd-networkd runs as a user of its own and reads the key itself (systemd.netdev(5), PrivateKeyFile=).
            BootFile(key, interface.private_key_text + "\n", 0o640, _NETWORKD_GROUP, ours_by_path=True, secret=True),
        ]
    return []


def sysctl_file(name: str, sysctls: Iterable[Sysctl]) -> BootFile:
    """Return the sysctl.d(5) file of an interface."""
    lines = [HEADER, *(f"{sysctl.path} = {sysctl.value}" for sysctl in sorted(sysctls, key=Sysctl.key)), ""]
    return BootFile(sysctl_path(name), "\n".join(lines))


def sysctl_path(name: str) -> str:
    """Return where the kernel parameters of an interface are kept for the next boot."""
    return f"/etc/sysctl.d/90-wirewright-{name}.conf"


def wg_quick(interface: BootInterface) -> str:
    """Return a wg-quick(8) file.

    The private key is set from its file, and routes are added by hooks, so that they carry our protocol. A peer whose
    endpoint is a name gets it in the background: a name that does not resolve would keep the whole interface down.
    """
    lines = [HEADER, "[Interface]"]
    lines += [f"Address = {address}" for address in sorted(interface.addresses)]
    lines += [f"ListenPort = {interface.listen_port}"] if interface.listen_port else []
    lines += [f"FwMark = {interface.fwmark:#x}"] if interface.fwmark else []
    lines += [f"MTU = {interface.mtu}"] if interface.mtu else []
    lines += [
        "Table = off",
        f"PostUp = wg set %i private-key {interface.private_key_file}",
        f"PostUp = ip link set dev %i alias {OWNER_ALIAS}",
    ]
    metric = f" metric {interface.route_metric}" if interface.route_metric else ""
    for destination in sorted(interface.routes):
        version = 6 if ":" in str(destination) else 4
        lines.append(f"PostUp = ip -{version} route add {destination} dev %i proto {interface.route_protocol}{metric}")
    # systemd-sysctl comes before the interface, and again only where udev tells it of a new one.
    own = [sysctl for sysctl in interface.sysctls if interface.name in sysctl.path.split("/")]
    for sysctl in sorted(own, key=Sysctl.key):
        lines.append(f"PostUp = echo {shlex.quote(sysctl.value)} >{shlex.quote(f'/proc/sys/{sysctl.path}')} || :")
    if interface.threaded_napi is not None:
        # An older kernel, and a device of wireguard-go, does not have it.
        lines.append(f"PostUp = echo {int(interface.threaded_napi)} >{threaded_napi.path_of('%i')} || :")
    # Routes of other tables; one that fails does not take the interface down.
    hook = hook_path("%i")
    lines.append(f"PostUp = test ! -e {hook} || ip -force -batch {hook} || :")
    late = [(p, parsed) for p in interface.peers for parsed in [_endpoint(p)] if parsed and not parsed.is_address]
    for boot_peer, endpoint in sorted(late, key=lambda item: item[0].peer.public_key):
        lines.append(f"PostUp = wg set %i peer {encode_key(boot_peer.peer.public_key)} endpoint {endpoint} &")
    for boot_peer in _in_order(interface.peers):
        lines += ["", *_peer_section("Peer", boot_peer, separator=" = ", names=False)]
    return "\n".join(lines) + "\n"


def networkd_netdev(interface: BootInterface, key_path: str) -> str:
    """Return a systemd.netdev(5) file."""
    lines = [HEADER, "[NetDev]", f"Name={interface.name}", "Kind=wireguard"]
    lines += [f"MTUBytes={interface.mtu}"] if interface.mtu else []
    lines += ["", "[WireGuard]", f"PrivateKeyFile={key_path}"]
    lines += [f"ListenPort={interface.listen_port}"] if interface.listen_port else []
    lines += [f"FirewallMark={interface.fwmark}"] if interface.fwmark else []
    for boot_peer in _in_order(interface.peers):
        lines += ["", *_peer_section("WireGuardPeer", boot_peer, separator="=", names=True)]
    return "\n".join(lines) + "\n"


def networkd_network(interface: BootInterface) -> str:
    """Return the systemd.network(5) file with the interface's addresses and routes."""
    lines = [HEADER, "[Match]", f"Name={interface.name}", "", "[Network]", "LinkLocalAddressing=no"]
    lines += [f"Address={address}" for address in sorted(interface.addresses)]
    for destination in sorted(interface.routes):
        lines += ["", "[Route]", f"Destination={destination}", f"Protocol={interface.route_protocol}", "Scope=link"]
        if ":" in str(destination):
            lines.pop()
        lines += [f"Metric={interface.route_metric}"] if interface.route_metric else []
    return "\n".join(lines) + "\n"


def networkd_link(name: str) -> str:
    """Return the systemd.link(5) file that gives the interface our alias."""
    return "\n".join([HEADER, "[Match]", f"OriginalName={name}", "", "[Link]", f"Alias={OWNER_ALIAS}", ""])


def _endpoint(boot_peer: BootPeer) -> Endpoint | None:
    return parse_endpoint(boot_peer.endpoint) if boot_peer.endpoint else None


def _in_order(peers: Iterable[BootPeer]) -> Sequence[BootPeer]:
    return sorted(peers, key=lambda boot_peer: (boot_peer.name, boot_peer.peer.public_key))


def _peer_section(title: str, boot_peer: BootPeer, *, separator: str, names: bool) -> list[str]:
    peer = boot_peer.peer
    lines = [f"# {boot_peer.name}"] if boot_peer.name else []
    lines += [f"[{title}]", f"PublicKey{separator}{encode_key(peer.public_key)}"]
    if peer.preshared_key not in (None, ZERO):
        lines.append(f"PresharedKey{separator}{encode_key(peer.preshared_key or ZERO)}")
    if peer.allowed_ips:
        lines.append(f"AllowedIPs{separator}" + ",".join(sorted_texts(peer.allowed_ips)))
    endpoint = _endpoint(boot_peer)
    if endpoint and (names or endpoint.is_address):
        lines.append(f"Endpoint{separator}{endpoint}")
    if peer.persistent_keepalive:
        lines.append(f"PersistentKeepalive{separator}{peer.persistent_keepalive}")
    return lines
