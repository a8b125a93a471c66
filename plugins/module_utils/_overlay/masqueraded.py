# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Masqueraded connections survive that their routes change to another interface.

The kernel drops a masqueraded connection when its packets leave by another interface (nf_nat_core.c, nf_nat_oif_changed): the
address may not be that of the new interface. It keeps one with an explicit translation. So each masqueraded connection is
replaced by one with the same addresses and ports, translated explicitly, before routes change.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from .._engine.stage import Stage
from .._fib.route_table import FAMILIES
from .._ip.longest_match import LongestMatch
from .._ip.longest_match import networks as longest_match
from .._ip.prefix import Prefix, host_prefix
from .._netlink import conntrack as codec
from .._netlink import messages as nl
from .._netlink.connection import Connection
from .._netlink.table_route import TableRoute
from .._nftables.stage import run_nft

K = TypeVar("K")
_GUARD = "inet wirewright_overlay_connections"
# While a connection is replaced, its packets belong to none: a reply would be reset by this host. TCP sends them again.
_GUARD_SCRIPT = f"""
add table {_GUARD}
delete table {_GUARD}
table {_GUARD} {{
    chain prerouting {{
        type filter hook prerouting priority -150; policy accept;
        ct state {{ new, invalid }} tcp flags & (syn | rst) == 0 drop
    }}
}}
"""


def with_connections_kept(stages: Mapping[K, Stage]) -> dict[K, Stage]:
    """Return stages of routes and rules that replace masqueraded connections before they first change something."""
    networks = [network for stage in stages.values() for network in _destinations(stage)]
    if not any(stage.operations for stage in stages.values()):
        return dict(stages)
    kept: list[int] = []

    def keep() -> None:
        if not kept:
            kept.append(replace_masqueraded(networks))

    def after(change: Callable[[], int]) -> Callable[[], int]:
        def work() -> int:
            keep()
            return change()

        return work

    return {
        section: replace(stage, apply=after(stage.apply), delete=after(stage.delete)) if stage.operations else stage
        for section, stage in stages.items()
    }


def _destinations(stage: Stage) -> Iterator[Prefix]:
    for operation in stage.operations:
        for route in (operation.before, operation.after):
            if isinstance(route, TableRoute):
                yield route.destination


def replace_masqueraded(networks: Collection[Prefix]) -> int:
    """Replace the connections to some networks whose source address is translated; return how many.

    A connection that cannot be replaced stays masqueraded. Does nothing on a kernel without connection tracking.
    """
    try:
        with Connection(codec.NETLINK_NETFILTER) as connection:
            around = longest_match(networks)
            found = [one for one in _translated(connection) if is_concerned(one, around)]
            if not found:
                return 0
            with _guarded():
                return sum(_replace(connection, one) for one in found)
    except nl.NetlinkError:
        return 0


def is_concerned(one: codec.TrackedConnection, networks: LongestMatch[Prefix]) -> bool:
    """Return whether a connection to one of the networks has another source address there."""
    if one.reply.destination == one.original.source:
        return False
    return networks.find(host_prefix(one.reply.source)) is not None


def _translated(connection: Connection) -> Iterator[codec.TrackedConnection]:
    for family in FAMILIES:
        for payload in connection.dump(codec.GET, codec.encode_dump(family)):
            one = codec.decode(payload)
            if one is not None:
                yield one


def _replace(connection: Connection, one: codec.TrackedConnection) -> bool:
    requests = [
        (codec.DELETE, codec.encode_delete(one), 0),
        (codec.NEW, codec.encode_create(one), nl.NLM_F_CREATE | nl.NLM_F_EXCL),
    ]
    return not any(connection.one_datagram(requests))


@contextmanager
def _guarded() -> Iterator[None]:
    run_nft("-f", "-", text=_GUARD_SCRIPT)
    try:
        yield
    finally:
        run_nft("delete", "table", *_GUARD.split())
