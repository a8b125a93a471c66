# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Refuse a run that would cut or redirect the management connection.

This module is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from .._engine.errors import Refused
from .._engine.reconcile import Operation
from .._engine.stage import Stage
from .._fib.advertised_routes import drops_routes
from .._fib.lockout import Change, refuse_route_lockout
from .._fib.route_table import as_table_route
from .._host import sysctls
from .._interface.prepare import PreparedInterface
from .._ip.prefix import Prefix
from .._netlink.connection import Connection
from .._netlink.table_route import TableRoute
from .outcome import SectionKey
from .sections import NFTABLES, ROUTES, RULES, Interfaces
from .tunnel_path import TunnelPath, find, refuse_tunnel_lockout

# With it the kernel removes all IPv6 addresses and routes of an interface (net/ipv6/addrconf.c, addrconf_disable_ipv6).
_DISABLING = re.compile(r"net/ipv6/conf/([^/]+)/disable_ipv6")
# Parameters that an overlay needs, as in ip-sysctl.rst. None of them ends a connection to this host.
_NEEDED = re.compile(
    r"net/ipv4/ip_forward = [01]|net/ipv6/conf/all/forwarding = [012]"
    r"|net/ipv4/conf/[^/]+/(rp_filter = [02]|(src_valid_mark|send_redirects|forwarding) = [01])"
)


def refuse_lockout(
    fib: Connection,
    prepared: Sequence[PreparedInterface],
    stages: Mapping[SectionKey, Stage],
    interfaces: Interfaces,
    temporary_sysctls: Mapping[str, str],
    *,
    one_end: bool = False,
    allowed: bool = False,
) -> None:
    """Raise Refused where interfaces, rules and routes together would cut or redirect the management connection.

    Without such a connection, too, only kernel parameters that an overlay needs are set. one_end: as in
    refuse_tunnel_lockout(). allowed: whether only what no rollback can restore is refused.
    """
    parameters = {parameter.path: parameter.value for one in prepared for parameter in one.wanted.sysctls}
    refuse_lost_addresses({**parameters, **temporary_sysctls}, [one.name for one in prepared])
    if allowed:
        return
    refuse_sysctls(parameters)
    refuse_sysctls(temporary_sysctls)
    path = find(fib)
    if not path.flows:
        return
    refuse_tunnel_lockout(prepared, path, one_end=one_end)
    _refuse_plaintext_drop(
        [one for section, stage in stages.items() if section.kind == NFTABLES for one in stage.operations], path
    )

    def planned(kind: str) -> list[Operation[Any]]:
        return [
            operation for section, stage in stages.items() if section.kind == kind for operation in stage.operations
        ]

    change = Change(
        planned(RULES),
        planned(ROUTES) + list(_routes_of(prepared, interfaces)),
        frozenset(one.index for one in prepared if one.index and _goes_down(one)),
        _removed_addresses(prepared),
        any(drops_routes(parameter) for one in prepared for parameter in one.plan.sysctls),
        frozenset((network, one.index) for one in prepared if one.index for network in _networks(one, leaving=True)),
    )
    refuse_route_lockout(fib, change, interfaces.name_of, path.flows)


def refuse_sysctls(values: Mapping[str, str]) -> None:
    """Raise Refused for values of kernel parameters, by path, that no overlay needs: any could cut the connection."""
    found = [
        text for text in (f"{path} = {value}" for path, value in sorted(values.items())) if not _NEEDED.fullmatch(text)
    ]
    if found:
        raise Refused(
            f"an overlay does not need the kernel parameter {', '.join(found)}, which may cut the management connection: "
            "set it with another module, or set O(allow_management_change=true)"
        )


def refuse_lost_addresses(values: Mapping[str, str], own: Collection[str]) -> None:
    """Raise Refused for values of kernel parameters, by path, that remove addresses of interfaces other than these.

    No rollback restores them, so that they are refused whatever is allowed.
    """
    found = []
    for path, value in sorted(values.items()):
        disabling = _DISABLING.fullmatch(path)
        if disabling and value == "1" and disabling[1] not in (*own, "default"):
            current = sysctls.read(path)
            if current is not None and current.value != "1":
                found.append(f"{path} = 1")
    if found:
        raise Refused(
            f"the kernel removes all IPv6 addresses and routes of the interface with {', '.join(found)}, and a run that "
            "fails cannot restore them: set it with another module, such as ansible.posix.sysctl"
        )


def _refuse_plaintext_drop(operations: Sequence[Operation[Any]], path: TunnelPath) -> None:
    """Raise Refused where our packet filter would drop packets of the management connection."""
    made = [operation.after for operation in operations if operation.after is not None]
    if not made:
        return
    from .._nftables.table import DROP_INGRESS, RulesetPart
    from .._nftables.verdict import PLAINTEXT_DROPS, Packet, drops

    dropping = [part for part in made if isinstance(part, RulesetPart) and part.purpose in PLAINTEXT_DROPS]
    for flow, interface in zip(path.flows, path.interfaces):
        client, server = flow.to, flow.reversed().to
        kind = "tcp" if flow is path.flows[0] else "udp"
        coming = Packet(interface, client, server, flow.destination_port, flow.source_port, client, kind)
        leaving = Packet(interface, server, client, flow.source_port, flow.destination_port, client, kind, flow.mark)
        said = "the management connection" if flow is path.flows[0] else "the tunnel of the management connection"
        for part in dropping:
            if drops(part, coming if part.purpose == DROP_INGRESS else leaving):
                raise Refused(
                    f"{said} from {client} would be dropped by {part.purpose} of {part.interface}, because it is plaintext: "
                    "list that address in O(except) of drop_plaintext, or set O(allow_management_change=true)"
                )


def _goes_down(one: PreparedInterface) -> bool:
    return not one.wanted.present or any(link.after and not link.after.up for link in one.plan.link)


def _removed_addresses(prepared: Iterable[PreparedInterface]) -> frozenset[bytes]:
    operations = [operation for one in prepared for operation in one.plan.addresses]
    going = {operation.before.address.packed for operation in operations if operation.before is not None}
    return frozenset(
        going - {operation.after.address.packed for operation in operations if operation.after is not None}
    )


def _routes_of(prepared: Iterable[PreparedInterface], interfaces: Interfaces) -> Iterable[Operation[TableRoute]]:
    """Yield the routes that the plans of interfaces add and delete, and the connected routes of new addresses."""
    for one in prepared:
        if not one.wanted.present:
            continue
        index = one.index or interfaces.index_of(one.name)
        for operation in one.plan.routes:
            before, after = operation.before, operation.after
            yield Operation(
                None if before is None else as_table_route(before.destination, before.metric, index),
                None if after is None else as_table_route(after.destination, after.metric, index),
            )
        for network in _networks(one, leaving=False):
            yield Operation(None, as_table_route(network, 0, index))


def _networks(one: PreparedInterface, *, leaving: bool) -> set[Prefix]:
    """Return the networks on the link of an interface that the addresses of a plan take with them, or bring."""
    if not one.plan.addresses or one.plan.held is None:
        return set()
    before = {entry.address.network for entry in one.before.addresses}
    after = {entry.address.network for entry in one.plan.held}
    return before - after if leaving else after - before
