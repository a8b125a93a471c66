# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read what a preflight check looks at. Changes nothing, except that the kernel loads its WireGuard module if it can.

This module is private to the collection.
"""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from .._engine.errors import InvalidOptions, Refused
from .._host import facts, firewall_openings, firewalls, links, port_owner, ports, ssh_connection, sysctls, systemd
from .._interface import config_files
from .._netlink.route_lookup import open_connection
from .._wireguard import state_file
from .._wireguard.devices import devices
from .._wireguard.model import Device
from .._wireguard.uapi_socket import is_running
from .host_state import ClockState, FileSystem, HostState, InterfaceState, PortState, Uplink
from .options import Wanted
from .read_kernel import read_kernel

_CAP_NET_ADMIN = 12  # linux/capability.h
_DIRECTORIES = ("/etc/wireguard", "/etc/systemd/network", state_file.DIRECTORY)
_FORWARDING = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")


def read_state(wanted: Wanted, environment: Mapping[str, str]) -> HostState:
    """Return the state of this host. What cannot be read without rights counts as absent."""
    kernel = read_kernel(environment)
    found = list(devices())
    connection = ssh_connection.find(dict(environment))
    towards = connection.client_text if connection is not None and not connection.scope else ""
    underlay = facts.underlay(towards, [wanted.interface])
    uplinks = {
        family: Uplink(str(link["interface"]), int(link["mtu"]))
        for family, link in underlay.items()
        if link is not None
    }
    outer = next(iter(uplinks.values()), None)
    pairs = ((wanted.interface, None), (None, wanted.interface)) if wanted.forwards else ()
    needs = firewall_openings.Needs(wanted.interface, wanted.port, pairs, outer.interface if outer else "")
    return HostState(
        can_administer=_has_capability(_CAP_NET_ADMIN),
        kernel=kernel,
        clock=ClockState(time.time(), _latest(found)),
        has_systemd=systemd.is_running(),
        missing=tuple(facts.missing(kernel.has_wireguard, userspace=True)),
        has_tun=_can_open("/dev/net/tun"),
        existing=_existing(wanted.interface),
        bound=_bound(wanted.port, wanted.interface, found),
        uplinks=uplinks,
        file_systems=tuple(map(_file_system, _DIRECTORIES)),
        sysctls=dict(_sysctls(uplink.interface for uplink in uplinks.values())),
        dropped=tuple(firewall_openings.findings(firewalls.look(), needs)),
    )


def read_new_host(environment: Mapping[str, str]) -> HostState:
    """Return what a role checks of a host that has no key yet: the kernel, the file systems and the clock."""
    return HostState(
        can_administer=True,
        kernel=read_kernel(environment),
        clock=ClockState(time.time(), _latest(devices())),
        has_tun=_can_open("/dev/net/tun"),
        file_systems=tuple(map(_file_system, _DIRECTORIES)),
    )


def _has_capability(number: int) -> bool:
    """Return whether a capability is effective (proc(5), status)."""
    with open("/proc/self/status") as file:
        (line,) = (line for line in file if line.startswith("CapEff:"))
    return bool(int(line.split()[1], 16) >> number & 1)


def _latest(found: Iterable[Device]) -> float:
    """Return the time of the newest handshake or state file."""
    times = [float(peer.latest_handshake) for device in found for peer in device.peers]
    for path in glob.glob(glob.escape(state_file.DIRECTORY) + "/*"):
        with suppress(OSError):
            times.append(os.stat(path).st_mtime)
    return max(times, default=0.0)


def _can_open(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _existing(interface: str) -> InterfaceState:
    with open_connection() as connection:
        link = links.read(connection, interface)
    kind = link.kind or "physical" if link is not None else ""
    if kind == links.TUN and _serves(interface):
        kind = links.WIREGUARD
    try:
        files = tuple(path for one in config_files.read_all([interface]) for path in one.paths)
    except (InvalidOptions, Refused, OSError, ValueError) as error:
        return InterfaceState(kind, link is not None and link.is_ours, (), str(error))
    return InterfaceState(kind, link is not None and link.is_ours, files)


def _serves(interface: str) -> bool:
    try:
        return is_running(interface)
    except OSError:
        return False


def _bound(port: int, interface: str, found: Iterable[Device]) -> PortState:
    if not port or port not in ports.in_use():
        return PortState()
    users = [device.name for device in found if device.settings.listen_port == port]
    if users:
        return PortState(True, f"the WireGuard interface {users[0]}", interface in users)
    return PortState(True, port_owner.owner(port))


def _file_system(directory: str) -> FileSystem:
    """Return the file system of a directory, or of the nearest one above that exists."""
    path = directory
    while not os.path.exists(path):
        path = os.path.dirname(path)
    found = os.statvfs(path)
    is_full = bool(found.f_blocks and not found.f_bfree) or bool(found.f_files and not found.f_ffree)
    return FileSystem(directory, bool(found.f_flag & os.ST_RDONLY), is_full)


def _sysctls(interfaces: Iterable[str]) -> Iterator[tuple[str, str]]:
    filters = [f"net/ipv4/conf/{name}/rp_filter" for name in ("all", *dict.fromkeys(interfaces))]
    for path in (*_FORWARDING, *filters):
        found = sysctls.read(path)
        if found is not None:
            yield path, found.value
