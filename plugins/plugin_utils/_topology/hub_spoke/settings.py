# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role variables of hubs and spokes, and their defaults for the variables of all topologies.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from ....module_utils._ip.prefix import Prefix
from ....module_utils._stun.options import parse_server
from ....module_utils._wireguard.endpoint import Endpoint
from ..._problems import Problem
from ..._variable_reader import Reader, shown, whole_number
from ..fleet import settings as common
from ..fleet.endpoints import address_of
from ..fleet.networks import parse_network
from ..fleet.settings import LONGEST_WAIT, NONE, Settings, interface_name, is_loopback, read_settings
from ..plan_model.fleet import HUB, HostInput

VARIABLES = (
    *common.VARIABLES,
    "direct",
    "direct_deadline",
    "direct_interface",
    "direct_retry",
    "full_tunnel",
    "full_tunnel_priority",
    "full_tunnel_table",
    "isolate",
    "masquerade",
    "ports",
    "priority",
    "stun_servers",
)

T = TypeVar("T")

DIRECT_INTERFACE = "wgdirect"

DEFAULT_PRIORITY = 100
# Metric 1 is for the failover program, whose routes go first.
LOWEST_PRIORITY = 2

# Neither is in the ranges of kube-proxy, Calico or Cilium. As with wg-quick, the table's number is also the mark.
FULL_TUNNEL_TABLE = FULL_TUNNEL_PRIORITY = 7170
# The rules of a full tunnel take this many priorities, from the configured one on.
FULL_TUNNEL_PRIORITIES = 6
# The last one before the kernel's own rule for the main table.
_LAST_PRIORITY = 32765
_SHARED_TABLES = {253: "default", 254: "main", 255: "local"}


class FullTunnelSettings(NamedTuple):
    """Whether a spoke sends all its traffic through its hubs; its routing table and the first priority of its rules."""

    wanted: bool = False
    table: int = FULL_TUNNEL_TABLE
    priority: int = FULL_TUNNEL_PRIORITY


@dataclass(frozen=True)
class HubSpokeSettings:
    """The settings of one host. isolate None: not set. masquerade: the prefixes. ports: by interface.

    direct: the spokes to have direct tunnels to, True for all that want one too. direct_interface: the interface for
    them. direct_retry: whether failed pairs are probed again.
    """

    priority: int
    isolate: bool | None
    masquerade: tuple[Prefix, ...]
    ports: Mapping[str, int]
    own_key_file: bool
    full_tunnel: FullTunnelSettings
    direct: bool | tuple[str, ...] = False
    direct_interface: str = DIRECT_INTERFACE
    direct_retry: bool = False


def is_hub(host: HostInput) -> bool:
    """Return whether a host is planned as a hub; one in both groups is, and is reported as a problem."""
    return HUB in host.parts


def read_common_settings(host: HostInput, prefix: str, problems: list[Problem]) -> Settings:
    """Return a host's settings for all topologies; problems are appended to `problems`.

    A spoke without `endpoint` has no reachable endpoint.
    """
    found = read_settings(host, prefix, problems, may_have_any_port=not is_hub(host))
    return found if is_hub(host) or isinstance(found.endpoint, Endpoint) else replace(found, endpoint=NONE)


def read_hub_spoke_settings(
    host: HostInput, network: tuple[Prefix, ...], prefix: str, problems: list[Problem]
) -> HubSpokeSettings:
    """Return a host's settings for hubs and spokes; problems are appended to `problems`."""
    read = Reader(host.name, prefix, host.variables, problems)
    _check_stun_servers(read, network)
    read.seconds("direct_deadline", 1, LONGEST_WAIT)
    return HubSpokeSettings(
        priority=read.integer("priority", DEFAULT_PRIORITY, LOWEST_PRIORITY, 0xFFFFFFFF),
        isolate=None if read.given("isolate") is None else read.boolean("isolate", False),
        masquerade=_masquerade(read, network),
        ports=_ports(read),
        own_key_file=bool(read.given("private_key_file")),
        full_tunnel=_full_tunnel(read),
        direct=_boolean_or_list(read, "direct", str),
        direct_interface=interface_name(read, "direct_interface", DIRECT_INTERFACE),
        direct_retry=read.boolean("direct_retry", False),
    )


def main_interface(settings: Settings, interfaces: Collection[str]) -> str:
    """Return the device of a spoke that has its `port`: the one in its `interface`, else that of the preferred hub.

    interfaces: those of the hubs, that of the preferred one first.
    """
    return settings.interface if settings.interface in interfaces else next(iter(interfaces), settings.interface)


def _full_tunnel(read: Reader) -> FullTunnelSettings:
    table = read.integer("full_tunnel_table", FULL_TUNNEL_TABLE, 1, 0xFFFFFFFF)
    if table in _SHARED_TABLES:
        read.note("full_tunnel_table", f"{table} is the table {_SHARED_TABLES[table]} of the host; use another number")
    highest = _LAST_PRIORITY - FULL_TUNNEL_PRIORITIES + 1
    return FullTunnelSettings(
        read.boolean("full_tunnel", False),
        table,
        read.integer("full_tunnel_priority", FULL_TUNNEL_PRIORITY, 1, highest),
    )


def _boolean_or_list(read: Reader, name: str, parse: Callable[[str], T]) -> bool | tuple[T, ...]:
    """Return a boolean (default false), or a list with each entry parsed."""
    value = read.given(name)
    if value is None or isinstance(value, bool) or str(value).lower() in ("true", "yes", "false", "no"):
        return read.boolean(name, False)
    return read.parsed(name, parse)


def _masquerade(read: Reader, network: tuple[Prefix, ...]) -> tuple[Prefix, ...]:
    prefixes = _boolean_or_list(read, "masquerade", parse_network)
    if isinstance(prefixes, bool):
        return network if prefixes else ()
    for every in (prefix for prefix in prefixes if not prefix.length):
        read.note("masquerade", f"{every} is every address; list networks of the overlay, or set true for all of them")
    return prefixes


def _check_stun_servers(read: Reader, network: Collection[Prefix]) -> None:
    """Note the STUN servers that `stun_info` would refuse on each spoke."""
    seen: set[Endpoint] = set()
    for entry in read.entries("stun_servers"):
        try:
            server = parse_server(entry)
        except ValueError as error:
            read.note("stun_servers", f"{shown(entry)}: {error}; write HOST or HOST:PORT")
            continue
        if is_loopback(server.host):
            read.note("stun_servers", f"{shown(entry)} is loopback, where no server sees the address of this host")
        address = address_of(server.host)
        if address is not None and any(one.contains(address) for one in network):
            text = f"{shown(entry)} is inside the overlay, where no server sees the underlay's address of this host"
            read.note("stun_servers", f"{text}; name a server outside")
        if server in seen:
            read.note("stun_servers", f"{shown(entry)} is in the list twice; name another server")
        seen.add(server)


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
            read.note(
                "ports", f"{shown(port)} of {interface} is not a whole number from 0 to 65535; write 0 for any port"
            )
        else:
            found[str(interface)] = number
    return found
