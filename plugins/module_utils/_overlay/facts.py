# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The facts of one host.

This module is private to the collection.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .._host import facts as host
from .._host import ports, ssh_connection
from .._wireguard import kernel_module, state_file
from .._wireguard.facts import bare_addresses, interface_facts

if TYPE_CHECKING:
    from .._netlink.table_route import TableRoute
    from .._nftables.table import TableEntry

# Units and configuration of optional programs, which few hosts have.
_PROGRAM_FILES = (
    "/etc/wirewright.overlay/failover.json",
    "/etc/systemd/system/wirewright-overlay-failover.service",
    "/etc/systemd/system/wirewright-overlay-direct@.service",
    "/usr/local/lib/wirewright.overlay/wirewright-overlay-direct",
)


def gather(
    own_keys: Mapping[str, str | None],
    environment: dict[str, str],
    *,
    userspace: bool,
    nftables: bool,
    ipsec: bool = False,
    sessions: Collection[str] = (),
    node: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the host's facts. Facts of interfaces that are not requested come from their state files, without keys.

    own_keys: the public keys of the requested interfaces, by name. userspace, nftables: whether these are needed, and
    listed as missing if they are not installed. ipsec: whether to add the facts of a node with IPsec. sessions: the
    interfaces whose handshakes are added. node: options of the facts of a Kubernetes node, None for none.
    Raises OSError, and ValueError for a corrupt state file.
    """
    kernel_wireguard = kernel_module.available()
    connection = ssh_connection.find(environment)
    # A link-local address does not show the route to other hosts.
    towards = connection.client_text if connection is not None and not connection.scope else ""
    names = sorted({*state_file.interfaces(), *own_keys})
    interfaces = {name: interface_facts(name, own_keys.get(name)) for name in names}
    for name in filter(host.lacks_ipv6, own_keys):
        interfaces[name]["without_ipv6"] = True
    for name in sessions:
        interfaces.setdefault(name, {})["sessions"] = _sessions(name)
    facts = {
        "boot_id": host.boot_id(),
        "kernel_wireguard": kernel_wireguard,
        "missing": host.missing(kernel_wireguard, userspace) + (_missing_nft(environment) if nftables else []),
        "persistence": host.persistence(kernel_wireguard),
        "underlay": host.underlay(towards, own_keys, lambda name: _mark_of(name) if name in names else 0),
        "interfaces": interfaces,
        "routes": _network_routes(own_keys),
        "addresses": bare_addresses(interfaces),
        "udp_ports": ports.in_use(),
    }
    programs = _programs()
    if programs:
        facts["programs"] = programs
    if node is not None:
        from .._kubernetes import node_facts as kubernetes_node

        found = kubernetes_node.gather(node["can_reach"], node["cni_directories"])
        filters, loosened = _rp_filters(found["rp_filter"])
        facts["node"] = {**found, "rp_filter": filters, "loosened": loosened}
        tables = {str(number): _destinations(number) for number in node["tables"]}
        facts["tables"] = tables
        parts = [] if _missing_nft(environment) else _packet_filter()
        facts["nftables"] = _chains(parts)
        facts["accepted"] = _accepted(parts, next(iter(tables.values()), ""))
    if ipsec:
        from .._xfrm import boot_facts

        facts["ipsec"] = boot_facts.gather()
    return facts


def _network_routes(own: Collection[str]) -> str:
    """Return the routes of the host to networks, one per line (see `network_routes`). own: the requested interfaces."""
    from .._host import network_routes

    return "\n".join(map(str, network_routes.read(own)))


def _rp_filters(found: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return rp_filter of interfaces without temporary changes, which a run that stopped before its last phase leaves.

    The second result names the interfaces with such a change.
    """
    from . import temporary_sysctls

    previous = temporary_sysctls.load()
    paths = {name: f"net/ipv4/conf/{name}/rp_filter" for name in found}
    lasting = {name: temporary_sysctls.lasting(paths[name], value, previous) for name, value in found.items()}
    return lasting, [name for name, path in paths.items() if path in previous and previous[path].given == found[name]]


def _programs() -> dict[str, list[str]]:
    if not any(map(os.path.lexists, _PROGRAM_FILES)):
        return {}
    from .._host import programs

    return programs.installed()


def _sessions(interface: str) -> str:
    from .._wireguard.devices import session_lines

    return session_lines(interface, time.time())


def _mark_of(interface: str) -> int:
    from .._wireguard.devices import mark_of

    return mark_of(interface)


def _destinations(table: int) -> str:
    """Return the routes of a table, one per line, tab-separated: destination, interface or type, and gateway.

    The gateway is that of the first next hop; the field is missing without one.
    """
    from .._fib import route_table as tables
    from .._netlink import route_lookup

    with route_lookup.open_connection() as connection:
        found = tables.read(connection, table)
    return "\n".join(sorted("\t".join(_fields(route)) for route in found))


def _fields(route: TableRoute) -> list[str]:
    from .._fib import route_table as tables

    hop = route.hops[0] if route.hops else None
    words = [str(route.destination), (tables.name_of(hop.interface_index) if hop else "") or tables.type_name(route)]
    if hop and hop.via:
        words.append(socket.inet_ntop(socket.AF_INET6 if len(hop.via) == 16 else socket.AF_INET, hop.via))
    return words


def _packet_filter() -> list[TableEntry]:
    from .._nftables import stage as packet_filter

    return list(packet_filter.read(needed=False))


def _chains(parts: Iterable[TableEntry]) -> dict[str, list[str]]:
    """Return the purposes of our sections of nftables by interface."""
    found: dict[str, list[str]] = {}
    for part in parts:
        interface, purpose = part.key()
        if interface:
            found.setdefault(interface, []).append(purpose)
    return {interface: sorted(purposes) for interface, purposes in found.items()}


def _accepted(parts: Iterable[TableEntry], table: str) -> str:
    """Return the destinations that a table routes through an interface and whose plaintext its section accepts.

    One per line; none if no section drops what arrives as plaintext.
    """
    from .._ip.prefix import parse_prefix
    from .._nftables.accepted_plaintext import accepted_sources
    from .._nftables.table import DROP_INGRESS, RulesetPart

    dropping = [part for part in parts if isinstance(part, RulesetPart) and part.purpose == DROP_INGRESS]
    interfaces = {part.interface for part in parts if isinstance(part, RulesetPart)}
    lines = [line.split("\t") for line in table.splitlines()] if dropping else []
    found = [parse_prefix(fields[0]) for fields in lines if fields[1] in interfaces]
    for part in dropping:
        found = accepted_sources(part.rules, found)
    return "\n".join(map(str, found))


def _missing_nft(environment: Mapping[str, str]) -> list[str]:
    # The sbin directories are not in every PATH, and root applies the overlay.
    path = environment.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
    return [] if shutil.which("nft", path=path) else ["nftables"]
