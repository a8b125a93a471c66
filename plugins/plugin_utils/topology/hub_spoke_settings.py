# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role variables that only hubs and spokes have, and what the common ones mean for them.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import Prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.endpoint import Endpoint
from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem
from ansible_collections.wirewright.overlay.plugins.plugin_utils.reader import Reader, shown, whole_number
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology import full_tunnel_settings
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology import settings as common
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.full_tunnel_settings import (
    FullTunnelSettings,
    read_full_tunnel,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import HUB, HostInput
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import (
    AUTO,
    NONE,
    Settings,
    interface_name,
    read_settings,
)

VARIABLES = (
    *common.VARIABLES,
    *full_tunnel_settings.VARIABLES,
    "direct",
    "direct_interface",
    "direct_retry",
    "isolate",
    "masquerade",
    "open_firewall",
    "ports",
    "priority",
)

DIRECT_INTERFACE = "wgdirect"

DEFAULT_PRIORITY = 100
# The metric below it is for what leads to another hub for a while.
LOWEST_PRIORITY = 2
# What keeps an entry in the tables of most NAT gateways: RFC 4787 wants 120 seconds or more, many give 30.
KEEPALIVE = 25


@dataclass(frozen=True)
class HubSpokeSettings:
    """What the inventory wants of one host. isolate None: not said; masquerade: prefixes; ports: by interface.

    direct: the spokes to have a tunnel to, True for all that want one too; direct_interface: the device for that;
    direct_retry: whether pairs that have failed are tried again.
    """

    priority: int
    isolate: bool | None
    masquerade: tuple[Prefix, ...]
    open_firewall: bool
    ports: Mapping[str, int]
    own_key_file: bool
    full_tunnel: FullTunnelSettings
    direct: bool | tuple[str, ...] = False
    direct_interface: str = DIRECT_INTERFACE
    direct_retry: bool = False


def is_hub(host: HostInput) -> bool:
    """Return whether a host is planned as a hub; one in both groups is, after it has been complained about."""
    return HUB in host.parts


def read_common_settings(host: HostInput, prefix: str, problems: list[Problem]) -> Settings:
    """Return a host's common settings; what is wrong with them is appended to the problems.

    A spoke is reached by others only where it says so, and else keeps the way to it open itself.
    """
    if is_hub(host):
        return read_settings(host, prefix, problems)
    reachable = host.variables.get("endpoint") not in (None, "", AUTO, NONE)
    found = read_settings(host, prefix, problems, 0 if reachable else KEEPALIVE)
    return found if isinstance(found.endpoint, Endpoint) else replace(found, endpoint=NONE)


def read_hub_spoke_settings(
    host: HostInput, network: tuple[Prefix, ...], prefix: str, problems: list[Problem]
) -> HubSpokeSettings:
    """Return a host's other settings; what is wrong with them is appended to the problems."""
    read = Reader(host.name, prefix, host.variables, problems)
    return HubSpokeSettings(
        priority=read.integer("priority", DEFAULT_PRIORITY, LOWEST_PRIORITY, 0xFFFFFFFF),
        isolate=None if read.given("isolate") is None else read.boolean("isolate", False),
        masquerade=_masquerade(read, network),
        open_firewall=read.boolean("open_firewall", False),
        ports=_ports(read),
        own_key_file=bool(read.given("private_key_file")),
        full_tunnel=read_full_tunnel(read),
        direct=_direct(read),
        direct_interface=interface_name(read, "direct_interface", DIRECT_INTERFACE),
        direct_retry=read.boolean("direct_retry", False),
    )


def _direct(read: Reader) -> bool | tuple[str, ...]:
    value = read.given("direct")
    if value is None or isinstance(value, bool) or str(value).lower() in ("true", "yes", "false", "no"):
        return read.boolean("direct", False)
    return read.parsed("direct", str)


def _masquerade(read: Reader, network: tuple[Prefix, ...]) -> tuple[Prefix, ...]:
    value = read.given("masquerade")
    if value is None or isinstance(value, bool) or str(value).lower() in ("true", "yes", "false", "no"):
        return network if read.boolean("masquerade", False) else ()
    prefixes = read.parsed("masquerade", parse_prefix)
    if any(prefix.length == 0 for prefix in prefixes):
        read.note("masquerade", "this hides every address; list networks of the overlay, or write true for all of them")
    return prefixes


def _ports(read: Reader) -> dict[str, int]:
    value = read.given("ports")
    if value is None:
        return {}
    if not isinstance(value, dict):
        read.note("ports", f"{shown(value)} is not a dictionary of ports by interface")
        return {}
    found = {}
    for interface, port in value.items():
        number = whole_number(port)
        if number is None or not 0 <= number <= 65535:
            read.note("ports", f"{shown(port)} of {interface} is not a whole number from 0 to 65535")
        else:
            found[str(interface)] = number
    return found
