# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The files that restore rules and routes at boot. Pure.

One unit loads rules and routes without a device (throw, blackhole, unreachable, prohibit) of all documents, before the
network is set up and before a kubelet starts, so that plaintext is dropped in time. Routes through a managed device are
restored with it: wg-quick loads a file of ip(8), systemd-networkd reads a drop-in. Another unit loads the routes of
documents without a managed device when the network is online.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .._host.files import HEADER, BootFile
from .._host.systemd import KUBELETS
from .._netlink.rule import Rule
from .._netlink.table_route import TableRoute
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
from .ip_batch import Names, networkd_section, route_line, rule_line
from .route_table import order

# Routes come before the rules that look them up. Existing ones stay (EEXIST is ignored): deleting a rule and adding it
# again would leave a gap. It is no error if there are no files of a kind.
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
# systemd-networkd removes routes that it did not make (networkd.conf(5)); rules of protocol kernel are exempt.
_NETWORKD_TEXT = f"{HEADER}\n[Network]\nManageForeignRoutes=no\n"


@dataclass(frozen=True)
class Routes:
    """The routes of a document by the file that restores them: with the rules, with a device, or ``lost`` for none."""

    closed: list[TableRoute] = field(default_factory=list)
    with_device: dict[str, list[TableRoute]] = field(default_factory=dict)
    lost: list[TableRoute] = field(default_factory=list)
    online: list[TableRoute] = field(default_factory=list)


def place(
    routes: Iterable[TableRoute], names: Names, methods: Mapping[str, str], owner: str, document: str = ""
) -> Routes:
    """Return the file of each route. ``methods`` are the persistence methods of interfaces by name.

    A route through a foreign device is restored with the interface ``owner`` if wg-quick brings that up, because wg-quick
    waits for the network. Without such an interface it is kept under the name of the document, if there is one.
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
    """Return the files of a document's rules, one per family with rules."""
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
    """Return the units that cover all documents, where ``paths`` are those of all their files."""
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
