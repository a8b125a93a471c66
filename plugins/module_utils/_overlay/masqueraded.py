# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Masqueraded connections survive that their routes change to another interface.

The kernel drops a masqueraded connection when its packets leave by another interface (nf_nat_core.c, nf_nat_oif_changed): the
address may not be that of the new interface. It keeps one with an explicit translation. So each masqueraded connection is
replaced by one with the same addresses and ports, translated explicitly, before routes change.

A table of nftables drops packets meanwhile, so a file says that it is there: the rollback, or the next run, removes the table of
a process that was killed.

This module is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from .._engine.result import StageResult
from .._engine.stage import Stage
from .._fib.route_table import FAMILIES
from .._host import file_changes, files
from .._ip.longest_match import LongestMatch
from .._ip.longest_match import networks as longest_match
from .._ip.prefix import Prefix, host_prefix
from .._netlink import conntrack as codec
from .._netlink import messages as nl
from .._netlink.connection import Connection
from .._netlink.table_route import TableRoute
from .._nftables.stage import NoNftables, run_nft
from . import lock
from .outcome import SectionKey

if TYPE_CHECKING:
    from .._engine.rollback import Rollback

K = TypeVar("K")
KEY = SectionKey("left_table")
_TABLE = "inet wirewright_overlay_connections"
_REMOVE = f"add table {_TABLE}\ndelete table {_TABLE}\n"  # also where there is none
# While a connection is replaced, its packets belong to none: a reply would be reset by this host. TCP sends them again.
_ADD = f"""{_REMOVE}
table {_TABLE} {{
    chain prerouting {{
        type filter hook prerouting priority -150; policy accept;
        ct state {{ new, invalid }} tcp flags & (syn | rst) == 0 drop
    }}
}}
"""


def with_connections_kept(stages: Mapping[K, Stage]) -> dict[K, Stage]:
    """Return stages of routes and rules that replace masqueraded connections before they first change something.

    The first stage with operations warns where connections cannot be replaced, and rolls the replacement back.
    """
    networks = [network for stage in stages.values() for network in _destinations(stage)]
    changing = [section for section, stage in stages.items() if stage.operations]
    if not changing:
        return dict(stages)
    first = changing[0]
    done: list[bool] = []
    warnings = list(stages[first].warnings)

    def keep() -> None:
        if not done:
            done.append(True)
            warnings.extend(filter(None, [replace_masqueraded(networks)]))

    def after(change: Callable[[], int]) -> Callable[[], int]:
        def work() -> int:
            keep()
            return change()

        return work

    found = dict(stages)
    for section in changing:
        found[section] = replace(found[section], apply=after(found[section].apply), delete=after(found[section].delete))
    rollback = partial(_rollback, stages[first].rollback)
    return {**found, first: replace(found[first], warnings=warnings, rollback=rollback)}


def _destinations(stage: Stage) -> Iterator[Prefix]:
    for operation in stage.operations:
        for route in (operation.before, operation.after):
            if isinstance(route, TableRoute):
                yield route.destination


def replace_masqueraded(networks: Collection[Prefix]) -> str:
    """Replace the connections to some networks whose source address is translated; return a warning, "" for none.

    A connection that cannot be replaced stays masqueraded. Does nothing on a kernel without connection tracking. Raises
    NoNftables and OSError where the table that drops packets meanwhile cannot be removed again.
    """
    try:
        with Connection(codec.NETLINK_NETFILTER) as connection:
            around = longest_match(networks)
            found = [one for one in _translated(connection) if is_concerned(one, around)]
            if not found:
                return ""
            try:
                _add_table()
            except (NoNftables, OSError) as exc:
                return _unkept(len(found), exc)
            try:
                for one in found:
                    _replace(connection, one)
            finally:
                remove_table()
    except nl.NetlinkError:
        pass
    return ""


def _unkept(count: int, error: Exception) -> str:
    plural = "s" if count != 1 else ""
    return (
        f"{count} connection{plural} to destinations of routes that change stay{'' if plural else 's'} masqueraded, and may be "
        f"reset: {error}"
    )


def is_concerned(one: codec.TrackedConnection, networks: LongestMatch[Prefix]) -> bool:
    """Return whether a connection to one of the networks has another source address or port there.

    kube-proxy masquerades connections of a node itself to services: to the same address, with a random port.
    """
    original, reply = one.original, one.reply
    if (reply.destination, reply.destination_port) == (original.source, original.source_port):
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


def _add_table() -> None:
    """Add the table, and note it before. Raises NoNftables and OSError: there is no table then."""
    file_changes.make_directories(os.path.dirname(lock.CONNECTIONS))
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    os.close(os.open(lock.CONNECTIONS, flags, 0o600))
    try:
        run_nft("-f", "-", text=_ADD)
    except (NoNftables, OSError):  # one transaction, of which nothing is done
        os.unlink(lock.CONNECTIONS)
        raise


def remove_table() -> None:
    """Remove the table, if there is one, and the note of it. Raises NoNftables and OSError."""
    run_nft("-f", "-", text=_REMOVE)
    with suppress(FileNotFoundError):
        os.unlink(lock.CONNECTIONS)


def remove_left(*, check_mode: bool) -> dict[SectionKey, StageResult]:
    """Remove the table that a killed process has left; return the warning about it. The caller holds the lock of the host.

    Raises UnsafeFile where something else is in place of the note.
    """
    if files.read_text(lock.CONNECTIONS) is None:
        return {}
    text = (
        f"a run was killed and left the table {_TABLE} of nftables, which drops TCP packets of untracked connections: "
    )
    if check_mode:
        text += "the next run without check mode removes it"
    else:
        try:
            remove_table()
            text += "it was removed"
        except (NoNftables, OSError) as exc:
            text += f"it cannot be removed ({exc}); mend that, or run nft delete table {_TABLE}"
    return {KEY: StageResult(False, {}, tuple, (text,), details={"message": text})}


def _rollback(of_stage: Callable[[], Rollback]) -> Rollback:
    """Return the rollback of a stage, which also removes a table that the run has left."""
    found = of_stage()
    if not os.path.lexists(lock.CONNECTIONS):
        return found

    def restore() -> None:
        with suppress(NoNftables, OSError):  # pending() names it
            remove_table()
        found.apply()

    def pending() -> list[str]:
        left = [f"table {_TABLE} of nftables (not removed)"] if os.path.lexists(lock.CONNECTIONS) else []
        return [*left, *found.pending()]

    return found._replace(needed=True, apply=restore, pending=pending)
