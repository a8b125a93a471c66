# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways of a lab: a bridge for the hosts behind one, and translation of their addresses."""

from __future__ import annotations

import json
from typing import Any

from lab_model import Host, Lab, run

TABLE = "wirewright_lab"
# Drop packets that nobody behind the gateway requested, as routers do. If the gateway accepted them itself, each would leave
# a conntrack entry, which would take the port from a host that sends to the same peer later.
RULES = f"""
table ip {TABLE} {{
    chain outgoing {{ type nat hook postrouting priority 100; oifname "eth0" masquerade; }}
    chain input {{ type filter hook input priority 0; iifname "eth0" ct state new drop; }}
    chain forward {{
        type filter hook forward priority 0; policy drop;
        iifname "lan" accept
        ct state established,related accept
    }}
}}
"""


def plan_lan(lab: Lab, host: Host, here: dict[str, dict[str, Any]]) -> list[str]:
    """Return the `ip` commands that give a host its bridge, and a default route through the host it is behind.

    here: the host's links by name, as `ip -j address` shows them.
    """
    commands = []
    if host.lan:
        bridge = here.get("lan", {})
        if not bridge:
            commands.append("link add lan type bridge mcast_snooping 0")
        if "UP" not in bridge.get("flags", []):
            commands.append("link set lan up")
        if host.lan not in {f"{entry['local']}/{entry['prefixlen']}" for entry in bridge.get("addr_info", [])}:
            commands.append(f"addr add {host.lan} dev lan")
    if host.via:
        shown = json.loads(run("ip", "-n", lab.netns(host.name), "-j", "route", "show", "default"))
        if host.via not in {entry.get("gateway") for entry in shown}:
            commands.append(f"route replace default via {host.via} dev eth0")
    return commands


def translate(lab: Lab, host: Host) -> bool:
    """Make a gateway forward and translate; return whether that changed anything."""
    inside = ["ip", "netns", "exec", lab.netns(host.name)]
    if f"table ip {TABLE}" in run(*inside, "nft", "list", "tables").splitlines():
        return False
    run(*inside, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    run(*inside, "nft", "-f", "-", stdin=RULES)
    return True
