# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The boot files of an interface, for wg-quick(8) and systemd.netdev(5). Pure.

They describe the state after the run, with kept peers. Preshared keys are in files of mode 0600 (wg-quick) or 0640
root:systemd-network (networkd). wg-quick reads the private key from its own file; networkd, which is not root, from a copy
of mode 0640.

This module is private to the collection.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .._fib.boot_paths import NETWORKD, WG_QUICK, hook_path
from .._host import threaded_napi
from .._host.files import HEADER, BootFile
from .._host.links import OWNER_ALIAS
from .._host.sysctls import Sysctl
from .._ip.prefix import Address, Prefix
from .._wireguard.endpoint import Endpoint, parse_endpoint
from .._wireguard.keys import ZERO, encode_key
from .._wireguard.model import Peer, sorted_texts

NONE = "none"
METHODS = (NONE, WG_QUICK, NETWORKD)

_NETWORKD_GROUP = "systemd-network"
_SYSTEMD_WANTS = "/etc/systemd/system/multi-user.target.wants"
_WG_QUICK_UNIT = "/lib/systemd/system/wg-quick@.service"


@dataclass(frozen=True)
class BootPeer:
    """A peer in the files: its state, the configured endpoint ("" for none), and the display name.

    Of an endpoint with a name: the only family that its address may have, "" for both, and then the address that was set.
    """

    peer: Peer
    endpoint: str = ""
    name: str = ""
    endpoint_family: str = ""
    endpoint_address: str = ""


@dataclass(frozen=True)
class BootInterface:
    """The configuration of an interface at boot."""

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
    """Return the paths of an interface by method. Files of other methods are removed."""
    network = f"/etc/systemd/network/50-wirewright-{name}"
    return {
        WG_QUICK: (f"/etc/wireguard/{name}.conf", f"{_SYSTEMD_WANTS}/wg-quick@{name}.service"),
        NETWORKD: (f"{network}.netdev", f"{network}.network", f"{network}.link", f"{network}.key"),
        NONE: (),
    }


def quick_unit(path: str) -> str:
    """Return the unit of wg-quick that a link enables, "" for another path."""
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
            # systemd-networkd reads the key as its own user (systemd.netdev(5), PrivateKeyFile=).
            BootFile(key, interface.private_key_text + "\n", 0o640, _NETWORKD_GROUP, ours_by_path=True, secret=True),
        ]
    return []


def sysctl_file(name: str, sysctls: Iterable[Sysctl]) -> BootFile:
    """Return the sysctl.d(5) file of an interface."""
    lines = [HEADER, *(f"{sysctl.path} = {sysctl.value}" for sysctl in sorted(sysctls, key=Sysctl.key)), ""]
    return BootFile(sysctl_path(name), "\n".join(lines))


def sysctl_path(name: str) -> str:
    """Return the path of the sysctl.d(5) file of an interface."""
    return f"/etc/sysctl.d/90-wirewright-{name}.conf"


def wg_quick(interface: BootInterface) -> str:
    """Return a wg-quick(8) file.

    Hooks set the private key from its file, add routes with the collection's protocol number, and resolve names.
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
    # systemd-sysctl runs before the interface exists, and again only for interfaces that udev announces.
    own = [sysctl for sysctl in interface.sysctls if interface.name in sysctl.path.split("/")]
    for sysctl in sorted(own, key=Sysctl.key):
        lines.append(f"PostUp = echo {shlex.quote(sysctl.value)} >{shlex.quote(f'/proc/sys/{sysctl.path}')} || :")
    if interface.threaded_napi is not None:
        # Older kernels and wireguard-go do not support it.
        lines.append(f"PostUp = echo {int(interface.threaded_napi)} >{threaded_napi.path_of('%i')} || :")
    # Routes of other tables; a failure does not take the interface down.
    hook = hook_path("%i")
    lines.append(f"PostUp = test ! -e {hook} || ip -force -batch {hook} || :")
    late = [(p, parsed) for p in interface.peers for parsed in [_endpoint(p)] if parsed and not parsed.is_address]
    if late:
        from .boot_names import post_up

        late.sort(key=lambda item: item[0].peer.public_key)
        lines += [post_up(p.peer.public_key, found, p.endpoint_family, interface.fwmark) for p, found in late]
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
    """Return the systemd.link(5) file that sets the collection's alias."""
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
    if endpoint and boot_peer.endpoint_family and names:
        # systemd-networkd takes the first address of a name, of either family.
        endpoint = endpoint._replace(host=boot_peer.endpoint_address) if boot_peer.endpoint_address else None
    if endpoint and (names or endpoint.is_address):
        lines.append(f"Endpoint{separator}{endpoint}")
    if peer.persistent_keepalive:
        lines.append(f"PersistentKeepalive{separator}{peer.persistent_keepalive}")
    return lines
