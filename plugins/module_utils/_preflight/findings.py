# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What on a host would make an overlay fail, or lose packets, before a run finds out: pure rules with cause and remedy.

This module is private to the collection.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import NamedTuple

from .host_state import ClockState, HostState, KernelState
from .options import Wanted

ERROR, WARNING, NOTE = "error", "warning", "note"
LEVELS = (ERROR, WARNING, NOTE)
# Seconds that clocks may differ. A peer refuses a handshake that is older than the last one (WireGuard, TAI64N), so a clock that
# goes back cuts a host off; one that only differs does not.
CLOCK_TOLERANCE = 60
# RFC 8200: every link for IPv6 carries 1280 bytes. WireGuard adds 60 bytes over IPv4, 80 over IPv6.
_SMALLEST_MTU = {"ipv4": 1280 + 60, "ipv6": 1280 + 80}
_FORWARDING = {"IPv4": "net/ipv4/ip_forward", "IPv6": "net/ipv6/conf/all/forwarding"}
_STRICT = "1"  # of rp_filter (ip-sysctl.rst)


class Finding(NamedTuple):
    """A finding. check: what was checked. level: whether a run would fail, or work with a loss, or both are unlikely."""

    check: str
    level: str
    cause: str
    remedy: str


def findings(state: HostState, wanted: Wanted) -> list[Finding]:
    """Return what was found, errors first."""
    found = [
        *_rights(state),
        *_wireguard(state, userspace=wanted.userspace),
        # Without rights an interface of wireguard-go looks like any other, and its port like one of a stranger.
        *(_interface(state, wanted) if state.can_administer else ()),
        *(_port(state, wanted.port) if state.can_administer else ()),
        *_file_systems(state),
        *_clock(state.clock, wanted.controller_time),
        *_mtu(state),
        *_firewalls(state, forwards=wanted.forwards),
        *_boot(state),
        *_packages(state),
        *_sysctls(state, forwards=wanted.forwards),
    ]
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))


def _rights(state: HostState) -> Iterator[Finding]:
    if not state.can_administer:
        yield Finding(
            "rights",
            ERROR,
            "the module lacks CAP_NET_ADMIN, so it cannot change the network, and the other checks are incomplete",
            "run with --become, or as root; give a container this capability",
        )


def _wireguard(state: HostState, *, userspace: bool) -> Iterator[Finding]:
    if state.kernel.has_wireguard:
        return
    cause, remedy = _without_module(state.kernel)
    if not userspace:
        yield Finding(
            "wireguard", ERROR, cause, f"{remedy}; or set overlay_userspace to true, which needs wireguard-go"
        )
        return
    if not state.has_tun:
        yield Finding(
            "wireguard",
            ERROR,
            f"{cause}, and /dev/net/tun, which wireguard-go needs, is missing or cannot be opened",
            f"load the kernel module tun, or give the container this device; or {remedy}",
        )
    yield Finding("wireguard", NOTE, f"{cause}, so wireguard-go is used, which needs more processor time", remedy)


def _without_module(kernel: KernelState) -> tuple[str, str]:
    """Return why a kernel has no WireGuard, and what to do."""
    if kernel.container:
        return "the kernel of this container has no WireGuard", "load the module wireguard on the machine that runs it"
    if not kernel.has_modules:
        cause = f"/lib/modules has no modules of the running kernel {kernel.release}, as after an update of the kernel"
        return cause, "reboot the host"
    if kernel.blocked_by:
        return f"{kernel.blocked_by} forbids the kernel module wireguard", "delete its line"
    if kernel.module and kernel.secure_boot:
        cause = f"Secure Boot is on, and the kernel did not load {kernel.module}, which probably is not signed"
        return cause, "sign it and enroll the key (mokutil --import), or use the module of the distribution's kernel"
    if kernel.module:
        return f"the kernel did not load {kernel.module}", "see the reason with: modprobe wireguard; dmesg"
    cause = f"the kernel {kernel.release} has no module wireguard"
    return cause, "install the package of its modules, such as linux-modules-extra, kernel-modules or kmod-wireguard"


def _interface(state: HostState, wanted: Wanted) -> Iterator[Finding]:
    name, found = wanted.interface, state.existing
    if found.kind and found.kind != "wireguard":
        yield Finding("interface", ERROR, f"{name} is an interface of the kind {found.kind}", "choose another name")
    elif found.unreadable:
        yield Finding("interface", ERROR, found.unreadable, "correct the file, or move it away")
    elif (found.kind or found.files) and not found.is_ours and not wanted.adopt:
        files = f", with {' and '.join(found.files)}" if found.files else ""
        what = "an interface of another program" if found.kind else "configured by another program"
        yield Finding(
            "interface",
            ERROR,
            f"{name} is {what}{files}",
            "take it over with the playbook wirewright.overlay.import, or choose another name",
        )


def _port(state: HostState, port: int) -> Iterator[Finding]:
    if state.bound.is_taken and not state.bound.is_ours:
        owner = f" by {state.bound.owner}" if state.bound.owner else ""
        yield Finding("port", ERROR, f"UDP port {port} is in use{owner}", "choose another port, or stop its user")


def _file_systems(state: HostState) -> Iterator[Finding]:
    for one in state.file_systems:
        if one.is_read_only:
            yield Finding(
                "files",
                ERROR,
                f"{one.directory} is on a read-only file system",
                "mount it writable, or put a writable directory there",
            )
        elif one.is_full:
            yield Finding("files", ERROR, f"the file system of {one.directory} is full", "free blocks and inodes")


def _clock(clock: ClockState, controller: float) -> Iterator[Finding]:
    ahead = clock.latest - clock.now
    if ahead > CLOCK_TOLERANCE:
        yield Finding(
            "clock",
            ERROR,
            f"the clock is {_duration(ahead)} behind the host's own latest handshake or state file: it was set back, and peers "
            "refuse handshakes until it has caught up",
            "set the clock (NTP), and start the network after it on hosts without a battery",
        )
    elif controller and abs(controller - clock.now) > CLOCK_TOLERANCE:
        difference = controller - clock.now
        where = "behind" if difference > 0 else "ahead of"
        yield Finding(
            "clock",
            WARNING,
            f"the clock is {_duration(abs(difference))} {where} the controller's: peers refuse handshakes after it is set back",
            "set the clock (NTP) before the first handshake",
        )


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _mtu(state: HostState) -> Iterator[Finding]:
    if not state.uplinks:
        yield Finding("uplink", NOTE, "there is no default route and no route to the controller", "")
    for family, uplink in state.uplinks.items():
        if uplink.mtu < _SMALLEST_MTU[family]:
            yield Finding(
                "mtu",
                WARNING,
                f"{uplink.interface} has an MTU of {uplink.mtu}, and IPv6 in a tunnel over it needs {_SMALLEST_MTU[family]}",
                "raise its MTU, or use IPv4 addresses in the overlay only",
            )


def _firewalls(state: HostState, *, forwards: bool) -> Iterator[Finding]:
    for dropped in state.dropped:
        opening = "set open_firewall of the role to true, or run " if dropped.can_open else "run "
        commands = "; ".join(map(shlex.join, dropped.commands))
        # Another host can begin a tunnel to open the port, but not in place of a hub or gateway.
        yield Finding(
            "firewall", ERROR if forwards else WARNING, f"{dropped.firewall} drops {dropped.what}", opening + commands
        )


def _boot(state: HostState) -> Iterator[Finding]:
    if not state.has_systemd:
        yield Finding(
            "boot",
            WARNING,
            "systemd does not run this host, so nothing restores the overlay at the next boot",
            "run the playbook after each boot",
        )


def _packages(state: HostState) -> Iterator[Finding]:
    if state.missing:
        yield Finding(
            "packages", NOTE, f"not installed: {', '.join(state.missing)}", "the roles install what they need"
        )


def _sysctls(state: HostState, *, forwards: bool) -> Iterator[Finding]:
    interfaces = dict.fromkeys(uplink.interface for uplink in state.uplinks.values())
    strict = [name for name in interfaces if _filter(state, name) == _STRICT]
    if strict:
        yield Finding(
            "rp_filter",
            NOTE,
            f"the source check is strict on {', '.join(strict)}: packets that come in by another interface than the route back "
            "are dropped",
            "set rp_filter to 2 on a host with several uplinks; the roles do so on interfaces of theirs that need it",
        )
    off = [family for family, path in _FORWARDING.items() if state.sysctls.get(path) == "0"]
    if forwards and off:
        yield Finding(
            "forwarding", NOTE, f"forwarding of {' and '.join(off)} is off", "the roles turn it on where needed"
        )


def _filter(state: HostState, interface: str) -> str:
    """Return the rp_filter that applies: the larger one of `all` and the interface (ip-sysctl.rst)."""
    return max(state.sysctls.get(f"net/ipv4/conf/{name}/rp_filter", "0") for name in ("all", interface))
