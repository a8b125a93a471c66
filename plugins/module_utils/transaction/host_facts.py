# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The facts of one host, put together from its rooms.

This module is private to the collection.
"""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from .. import ssh_connection
from ..host import facts as host
from ..wireguard import kernel_module, memory
from ..wireguard.facts import interface_facts

if TYPE_CHECKING:
    from ..netlink.table_route import TableRoute


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
    """Return the host's facts; those of other interfaces are what is remembered of them, without their keys.

    own_keys: the public keys of the interfaces that were asked for, by name. userspace, nftables: what is wanted, and
    missing where it is not there. ipsec: whether that of a node with IPsec is told too. sessions: the interfaces whose
    handshakes are told too. node: what is looked up as a Kubernetes node, None where it is none.
    Raises OSError, and ValueError for a damaged memory.
    """
    kernel_wireguard = kernel_module.available()
    told = ssh_connection.find(environment)
    # A link-local address says nothing of the way to anybody else.
    towards = told.client_text if told is not None and not told.scope else ""
    names = sorted({*memory.interfaces(), *own_keys})
    interfaces = {name: interface_facts(name, own_keys.get(name)) for name in names}
    for name in sessions:
        interfaces.setdefault(name, {})["sessions"] = _sessions(name)
    facts = {
        "boot_id": host.boot_id(),
        "kernel_wireguard": kernel_wireguard,
        "missing": host.missing(kernel_wireguard, userspace) + (_missing_nft(environment) if nftables else []),
        "persistence": host.persistence(kernel_wireguard),
        "underlay": host.underlay(towards, lambda name: _mark_of(name) if name in names else 0),
        "interfaces": interfaces,
    }
    if node is not None:
        from ..host import node as kubernetes_node

        found = kubernetes_node.gather(node["can_reach"], node["cni_directories"])
        facts["node"] = {**found, "rp_filter": _lasting_rp_filters(found["rp_filter"])}
        facts["tables"] = {str(number): _destinations(number) for number in node["tables"]}
        facts["nftables"] = {} if _missing_nft(environment) else _chains()
    if ipsec:
        from ..xfrm import boot_facts

        facts["ipsec"] = boot_facts.gather()
    return facts


def _lasting_rp_filters(found: Mapping[str, str]) -> dict[str, str]:
    """Return the source checks of interfaces as they are between runs: one that ended before its last phase keeps some loose."""
    from . import temporary_sysctls

    memory = temporary_sysctls.load()
    return {
        name: temporary_sysctls.lasting(f"net/ipv4/conf/{name}/rp_filter", value, memory)
        for name, value in found.items()
    }


def _sessions(interface: str) -> str:
    from ..wireguard.devices import session_lines

    return session_lines(interface, time.time())


def _mark_of(interface: str) -> int:
    from ..wireguard.devices import mark_of

    return mark_of(interface)


def _destinations(table: int) -> str:
    """Return what a table holds, a line for each route, parted by tabs: destination, interface or type, and gateway.

    The gateway of the first next hop, and no such field where there is none.
    """
    from ..fib import tables, ways

    with ways.open_connection() as connection:
        found = tables.read(connection, table)
    return "\n".join(sorted("\t".join(_way(route)) for route in found))


def _way(route: TableRoute) -> list[str]:
    from ..fib import tables

    hop = route.hops[0] if route.hops else None
    words = [str(route.destination), (tables.name_of(hop.interface_index) if hop else "") or tables.type_name(route)]
    if hop and hop.via:
        words.append(socket.inet_ntop(socket.AF_INET6 if len(hop.via) == 16 else socket.AF_INET, hop.via))
    return words


def _chains() -> dict[str, list[str]]:
    """Return the purposes of our sections of nftables by interface."""
    from ..nftables import converge as packet_filter

    found: dict[str, list[str]] = {}
    for part in packet_filter.read(needed=False):
        interface, purpose = part.key()
        if interface:
            found.setdefault(interface, []).append(purpose)
    return {interface: sorted(purposes) for interface, purposes in found.items()}


def _missing_nft(environment: Mapping[str, str]) -> list[str]:
    # Not in the PATH of everybody, and whoever applies an overlay is root.
    path = environment.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
    return [] if shutil.which("nft", path=path) else ["nftables"]
