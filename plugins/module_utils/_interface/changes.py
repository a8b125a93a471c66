# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The changed objects of an interface, for a summary. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .._engine.reconcile import CREATE, DELETE, UPDATE, Operation
from .._engine.shown import Change
from .._host.file_diff import is_bookkeeping
from .._host.files import BootFile
from .._wireguard.keys import encode_key
from .._wireguard.model import Peer, Settings
from .._wireguard.state_file import KnownPeer, StateFile
from .options import WantedInterface
from .plan import Plan

_UNKNOWN = KnownPeer()
_ATTRIBUTES = ("endpoint", "allowed_ips", "persistent_keepalive", "preshared_key")


def changes(plan: Plan, name_of: Callable[[bytes], str]) -> Iterator[Change]:
    """Yield the changed objects. ``name_of`` is as in diff.describe().

    What a new interface begins with is not named: it is the same for many hosts, except for the host itself.
    """
    action = plan.link[0].action if plan.link else UPDATE
    if plan.link or plan.settings != Settings():
        yield Change("interface", action, plan.name, tuple(_changed_settings(plan)) if action == UPDATE else ())
    if action == DELETE:
        for peer in plan.device_before.peers if plan.device_before is not None else ():
            yield Change("peer", DELETE, name_of(peer.public_key) or encode_key(peer.public_key))
    new = action == CREATE
    for operation in plan.peers:
        key = operation.key()
        yield Change(
            "peer",
            operation.action,
            "" if new else name_of(key) or encode_key(key),
            tuple(_changed_attributes(operation)),
        )
    if not new:
        for kind, listed in (("address", plan.addresses), ("route", plan.routes)):
            for one in listed:
                yield Change(kind, one.action, _label(one))
        for parameter in plan.sysctls:
            yield Change("sysctl", parameter.action, parameter.key())
    for file in plan.files:
        if not _is_bookkeeping(file):
            yield Change("file", file.action, file.key())


def renamed(wanted: WantedInterface, recorded: StateFile) -> Iterator[Change]:
    """Yield the names in the record of a host that change: its own, and those of peers. The tunnels stay as they are."""
    names = [(recorded.inventory_name, wanted.inventory_name)] if wanted.present else []
    for item in wanted.peers or ():
        names.append((recorded.peers.get(encode_key(item.peer.public_key), _UNKNOWN).name, item.name))
    for before, after in names:
        if before and after and before != after:
            yield Change("recorded name", UPDATE, after, (f"was {before}",))


def _changed_attributes(operation: Operation[Peer]) -> Iterator[str]:
    """Yield the names of the attributes of a peer that an update changes."""
    if operation.before is not None and operation.after is not None:
        yield from (name for name in _ATTRIBUTES if getattr(operation.before, name) != getattr(operation.after, name))


def _changed_settings(plan: Plan) -> Iterator[str]:
    """Yield the names of the attributes of an interface that change, as a diff has them."""
    for operation in plan.link:
        if operation.before is not None and operation.after is not None:
            before, after = operation.before.describe(), operation.after.describe()
            yield from (name for name in after if after[name] != before.get(name))
    if plan.settings.private_key is not None:
        yield "public_key"
    yield from (name for name in ("listen_port", "fwmark") if getattr(plan.settings, name) is not None)


def _is_bookkeeping(operation: Operation[BootFile]) -> bool:
    return any(file is not None and is_bookkeeping(file) for file in (operation.before, operation.after))


def _label(operation: Operation[Any]) -> str:  # of addresses or routes
    shown: Any = operation.after if operation.after is not None else operation.before
    return str(getattr(shown, "address", None) or shown.destination)
