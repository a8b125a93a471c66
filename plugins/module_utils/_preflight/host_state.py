# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a preflight check reads of a host.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .._host.firewall_openings import Finding as Dropped


@dataclass(frozen=True)
class KernelState:
    """Whether the kernel has WireGuard, and what is known of the reason where it has not.

    has_modules: whether there is a directory of modules for the running kernel. module: the file of the module, "" without one.
    blocked_by: the file of modprobe.d(5) that forbids it. secure_boot: whether the kernel loads signed modules only.
    container: the kernel is that of another machine.
    """

    has_wireguard: bool
    release: str = ""
    has_modules: bool = True
    module: str = ""
    blocked_by: str = ""
    secure_boot: bool = False
    container: bool = False


@dataclass(frozen=True)
class InterfaceState:
    """What has the name of the wanted interface: the kind of a link ("" without one), whether it is ours, and files of others."""

    kind: str = ""
    is_ours: bool = False
    files: tuple[str, ...] = ()
    unreadable: str = ""


@dataclass(frozen=True)
class PortState:
    """Who has the wanted UDP port. owner: a process or an interface, "" if unknown. is_ours: the wanted interface has it."""

    is_taken: bool = False
    owner: str = ""
    is_ours: bool = False


@dataclass(frozen=True)
class FileSystem:
    """The file system of a directory that a run writes to."""

    directory: str
    is_read_only: bool = False
    is_full: bool = False


@dataclass(frozen=True)
class ClockState:
    """Times in seconds since 1970. latest: of the newest handshake or state file, 0 without one."""

    now: float
    latest: float = 0


@dataclass(frozen=True)
class Uplink:
    """The interface of the route to the controller, or the default route, in one family."""

    interface: str
    mtu: int


@dataclass(frozen=True)
class HostState:
    """A host. missing: packages. uplinks: by family, ipv4 and ipv6. sysctls: by path, without those
    that the kernel lacks.

    can_administer: whether the module has CAP_NET_ADMIN. has_tun: whether it can open /dev/net/tun.
    dropped: packets of the overlay that a firewall would drop.
    """

    can_administer: bool
    kernel: KernelState
    clock: ClockState
    has_systemd: bool = True
    missing: tuple[str, ...] = ()
    has_tun: bool = False
    existing: InterfaceState = InterfaceState()
    bound: PortState = PortState()
    uplinks: Mapping[str, Uplink] = field(default_factory=dict)
    file_systems: tuple[FileSystem, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    dropped: tuple[Dropped, ...] = ()
