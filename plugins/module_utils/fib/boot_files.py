# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The files from which rules and routes come back at boot. Pure.

They come in two parts. What needs no device (rules, and routes that throw, drop or refuse) is loaded by one unit for
all, before the network is set up and before a kubelet starts, so that what shall be closed is closed by then. Routes
through a device come with it: wg-quick loads a file of ip(8), systemd-networkd has them in a drop-in. Routes of a
document that has no device of ours, only a name, come when the network is there, by a unit of their own.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..host.files import HEADER, BootFile
from ..host.systemd import KUBELETS
from ..netlink.rule import Rule
from ..netlink.table_route import TableRoute
from .batch import Names, networkd_section, route_line, rule_line
from .boot_paths import (
    DIRECTORY,
    NETWORKD,
    NETWORKD_CONF,
    ONLINE,
    ONLINE_PATH,
    ONLINE_WANTED_BY,
    ROUTES,
    RULES,
    UNIT,
    UNIT_PATH,
    WANTED_BY,
    WG_QUICK,
    drop_in_path,
    hook_path,
)
from .tables import order

# Routes come before the rules that lead to them. What is there already is said to exist, and stays: to delete a rule
# and add it again would leave a gap. That there are no files of a kind is no error.
LOADS = (
    f"/bin/sh -c 'cat {DIRECTORY}/*{ROUTES} 2>/dev/null | ip -force -batch -'",
    f"/bin/sh -c 'cat {DIRECTORY}/*{RULES[socket.AF_INET]} 2>/dev/null | ip -4 -force -batch -'",
    f"/bin/sh -c 'cat {DIRECTORY}/*{RULES[socket.AF_INET6]} 2>/dev/null | ip -6 -force -batch -'",
)
ONLINE_LOAD = f"/bin/sh -c 'cat {DIRECTORY}/*{ONLINE} 2>/dev/null | ip -force -batch -'"
_EXEC_START = "\n".join(f"ExecStart=-{load}" for load in LOADS)
_UNIT_TEXT = f"""{HEADER}
[Unit]
Description=Rules and routes of wirewright.overlay
Documentation=man:ip-rule(8) man:ip-route(8)
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target {KUBELETS} shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
{_EXEC_START}

[Install]
WantedBy=sysinit.target
"""
_ONLINE_TEXT = f"""{HEADER}
[Unit]
Description=Routes of wirewright.overlay through devices of others
Documentation=man:ip-route(8)
Wants=network-online.target
After=network-online.target {UNIT}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=-{ONLINE_LOAD}

[Install]
WantedBy=multi-user.target
"""
# systemd-networkd takes routes that it did not make for leftovers (networkd.conf(5)); rules are spared as `kernel`.
_NETWORKD_TEXT = f"{HEADER}\n[Network]\nManageForeignRoutes=no\n"


@dataclass(frozen=True)
class Routes:
    """The routes of a document by where they are kept: with the rules, with a device, or, ``lost``, nowhere."""

    closed: list[TableRoute] = field(default_factory=list)
    with_device: dict[str, list[TableRoute]] = field(default_factory=dict)
    lost: list[TableRoute] = field(default_factory=list)
    online: list[TableRoute] = field(default_factory=list)


def place(
    routes: Iterable[TableRoute], names: Names, methods: Mapping[str, str], owner: str, document: str = ""
) -> Routes:
    """Return where each route is kept. ``methods`` are those of interfaces, by name.

    A route through the device of somebody else comes with the interface ``owner`` where wg-quick brings that up,
    because wg-quick waits for the network; without such an interface, under the name of the document if there is one.
    """
    found = Routes()
    for route in sorted(routes, key=order):
        devices = [names(hop.interface_index) if hop.interface_index else "" for hop in route.hops]
        by_hook = sorted({name for name in devices if methods.get(name) == WG_QUICK})
        by_networkd = [name for name in devices if methods.get(name) == NETWORKD]
        if all(name == "lo" for name in devices):
            found.closed.append(route)
        elif by_hook or methods.get(owner) == WG_QUICK:
            for name in by_hook or [owner]:
                found.with_device.setdefault(name, []).append(route)
        elif by_networkd and networkd_section(route, names) is not None:
            found.with_device.setdefault(by_networkd[0], []).append(route)
        elif document and not owner:
            found.online.append(route)
        else:
            found.lost.append(route)
    return found


def rule_files(name: str, rules: Iterable[Rule]) -> list[BootFile]:
    """Return the files of a document's rules, one for each family that has any."""
    rules = list(rules)
    by_family = {
        suffix: [rule_line(rule) for rule in rules if rule.family == family] for family, suffix in RULES.items()
    }
    return [_text(f"{DIRECTORY}/{name}{suffix}", lines) for suffix, lines in by_family.items() if lines]


def route_files(name: str, routes: Routes, names: Names, methods: Mapping[str, str]) -> list[BootFile]:
    """Return the files of a document's routes."""
    found = []
    if routes.closed:
        found.append(_text(f"{DIRECTORY}/{name}{ROUTES}", [route_line(route, names) for route in routes.closed]))
    if routes.online:
        found.append(_text(f"{DIRECTORY}/{name}{ONLINE}", [route_line(route, names) for route in routes.online]))
    for interface, held in routes.with_device.items():
        if methods[interface] == WG_QUICK:
            found.append(_text(hook_path(interface), [route_line(route, names) for route in held]))
        else:
            sections = [networkd_section(route, names) or () for route in held]
            found.append(_text(drop_in_path(interface), [line for lines in sections for line in (*lines, "")][:-1]))
    return found


def shared_files(paths: Iterable[str]) -> list[BootFile]:
    """Return the files that stand for all documents, where ``paths`` are those of all their files."""
    paths = list(paths)
    loaded = [path for path in paths if path.endswith((ROUTES, *RULES.values()))]
    is_online = any(path.endswith(ONLINE) for path in paths)
    found = []
    if loaded:
        found += [BootFile(UNIT_PATH, _UNIT_TEXT), BootFile(WANTED_BY, mode=0o777, target=UNIT_PATH)]
    if is_online:
        found += [BootFile(ONLINE_PATH, _ONLINE_TEXT), BootFile(ONLINE_WANTED_BY, mode=0o777, target=ONLINE_PATH)]
    if is_online or any(path.endswith(ROUTES) for path in loaded):
        found.append(BootFile(NETWORKD_CONF, _NETWORKD_TEXT))
    return found


def _text(path: str, lines: Sequence[str]) -> BootFile:
    return BootFile(path, "\n".join([HEADER, *lines, ""]))
