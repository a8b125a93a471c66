# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Facts of a host: boot, underlay, missing packages, persistence method.

Nothing here needs a package beyond Python, because facts are gathered before packages are installed.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import fcntl
import importlib.util
import os
import shutil
import socket
import struct
from collections.abc import Callable, Collection
from typing import Any

from .._netlink import route_lookup
from .._netlink.messages import NetlinkError

# Documentation addresses (RFC 5737, RFC 3849) for a lookup of the default route; nothing is sent to them.
_FAR_AWAY = {"ipv4": "192.0.2.1", "ipv6": "2001:db8::1"}
_SIOCGIFMTU = 0x8921
_NETWORKD_RUNS = "/run/systemd/units/invocation:systemd-networkd.service"
_SYSTEMD_RUNS = "/run/systemd/system"


def boot_id() -> str:
    """Return the random identifier of this boot (proc(5))."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def underlay(
    towards: str = "", tunnels: Collection[str] = (), mark_of: Callable[[str], int] = lambda _name: 0
) -> dict[str, dict[str, Any] | None]:
    """Return by family the interface, source address and MTU of packets to an address, by default of the default route.

    The entry of a family without a route is None. tunnels: interfaces that cannot be their own underlay: if the controller is
    reached through one, the default route counts. mark_of: the mark of a WireGuard interface's packets, 0 for other interfaces.
    If a tunnel carries all traffic, the underlay is the route of the tunnel's own packets.
    """
    found: dict[str, dict[str, Any] | None] = {}
    for family, far_away in _FAR_AWAY.items():
        nearer = [towards] if towards and (":" in towards) == (family == "ipv6") else []
        routes = (_route(destination, tunnels, mark_of) for destination in [*nearer, far_away])
        route = next(filter(None, routes), None)
        found[family] = None
        if route is not None and route[0] != "lo":
            interface, address = route
            found[family] = {"interface": interface, "address": address, "mtu": _mtu(interface)}
    return found


def _route(destination: str, tunnels: Collection[str], mark_of: Callable[[str], int]) -> tuple[str, str] | None:
    """Return interface and source address of a route, None without one, or where it leads into one of the tunnels."""
    route = _lookup(destination)
    mark = mark_of(route[0]) if route else 0
    if mark:
        route = _lookup(destination, mark)
    return route if route and route[0] not in tunnels else None


def lacks_ipv6(interface: str) -> bool:
    """Return whether an interface can have no IPv6 address (ip-sysctl.rst, disable_ipv6), or a new one of this name."""
    for name in (interface, "default"):
        try:
            with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6") as file:
                return file.read().strip() == "1"
        except FileNotFoundError:
            continue
    return True


def _lookup(destination: str, mark: int = 0) -> tuple[str, str] | None:
    try:
        return route_lookup.lookup(destination, mark)
    except NetlinkError as exc:
        if exc.errno in (errno.EAFNOSUPPORT, errno.EOPNOTSUPP):  # booted without IPv6
            return None
        raise


def _mtu(interface: str) -> int:
    # netdevice(7): not from /sys, which may show another network namespace's interfaces.
    request = struct.pack("16si12x", interface.encode(), 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        answer = fcntl.ioctl(link, _SIOCGIFMTU, request)
    return int(struct.unpack("16si12x", answer)[1])


def missing(kernel_wireguard: bool, userspace: bool) -> list[str]:
    """Return the packages that are missing: wireguard-tools, pyroute2, wireguard-go."""
    absent = []
    if shutil.which("wg") is None:
        absent.append("wireguard-tools")
    if importlib.util.find_spec("pyroute2") is None:
        absent.append("pyroute2")
    if userspace and not kernel_wireguard and shutil.which("wireguard-go") is None:
        absent.append("wireguard-go")
    return absent


def persistence(kernel_wireguard: bool) -> str:
    """Return the persistence method of this host: networkd, wg_quick, or none outside of systemd.

    networkd needs WireGuard in the kernel, because it makes the device itself.
    """
    if os.path.lexists(_NETWORKD_RUNS) and kernel_wireguard:
        return "networkd"
    return "wg_quick" if os.path.isdir(_SYSTEMD_RUNS) else "none"
