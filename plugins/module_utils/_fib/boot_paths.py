# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Paths of the files that restore rules and routes at boot. Pure.

This module is private to the collection.
"""

from __future__ import annotations

import socket

from .._host.files import OWN_DIRECTORY

DIRECTORY = f"/etc/{OWN_DIRECTORY}/fib"
UNIT, ONLINE_UNIT = "wirewright-overlay-fib.service", "wirewright-overlay-fib-online.service"
# Persistence methods of interfaces that affect their routes.
WG_QUICK, NETWORKD = "wg_quick", "networkd"

UNIT_PATH = f"/etc/systemd/system/{UNIT}"
WANTED_BY = f"/etc/systemd/system/sysinit.target.wants/{UNIT}"
ONLINE_PATH = f"/etc/systemd/system/{ONLINE_UNIT}"
ONLINE_WANTED_BY = f"/etc/systemd/system/multi-user.target.wants/{ONLINE_UNIT}"
NETWORKD_CONF = "/etc/systemd/networkd.conf.d/50-wirewright.conf"
# Files that cover all documents and interfaces.
SHARED_PATHS = (UNIT_PATH, WANTED_BY, ONLINE_PATH, ONLINE_WANTED_BY, NETWORKD_CONF)
# Suffixes of files: routes, routes that wait for the network, rules by family.
ROUTES, ONLINE, RULES = ".routes", ".online", {socket.AF_INET: ".ipv4.rules", socket.AF_INET6: ".ipv6.rules"}


def hook_path(interface: str) -> str:
    """Return the file of ip(8) that wg-quick loads when the interface is up."""
    return f"{DIRECTORY}/{interface}.up"


def drop_in_path(interface: str) -> str:
    """Return the drop-in of the interface's systemd.network(5) file."""
    return f"/etc/systemd/network/50-wirewright-{interface}.network.d/routes.conf"


def route_paths(name: str) -> tuple[str, ...]:
    """Return the paths of all files that can hold routes of a document or interface of this name."""
    return f"{DIRECTORY}/{name}{ROUTES}", f"{DIRECTORY}/{name}{ONLINE}", hook_path(name), drop_in_path(name)


def rule_paths(name: str) -> tuple[str, ...]:
    """Return the paths of all files that can hold rules of a document of this name."""
    return tuple(f"{DIRECTORY}/{name}{suffix}" for suffix in RULES.values())
