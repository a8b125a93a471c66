# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The diff of an interface, without secrets: peers by name, files as text. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .._engine.reconcile import DELETE, UPDATE, Operation
from .._engine.shown import Diff
from .._fib.link_routes import Route
from .._host.addresses import InterfaceAddress
from .._host.file_diff import describe_files, describe_records
from .._wireguard.keys import ZERO, encode_key
from .._wireguard.model import Peer
from .plan import Plan

NameOf = Callable[[bytes], str]
Side = dict[str, Any]


def describe(result: Plan, name_of: NameOf) -> list[Diff]:
    """Return the diff of an interface, and one for each file.

    ``name_of`` returns the name of the peer with a public key, "" where it has none.
    """
    before, after = {**_interface(result, 0)}, {**_interface(result, 1)}
    sides: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    if before != after:
        sides = {"interface": before} if before else {}, {"interface": after} if after else {}
    peers = _peers(result, name_of)
    sysctls = [
        {operation.key(): one.value for operation in result.sysctls for one in (_side(operation, place),) if one}
        for place in (0, 1)
    ]
    for section, described in (("peers", peers), ("sysctls", sysctls)):
        for side, objects in zip(sides, described):
            if objects:
                side[section] = objects
    for section, listed in (("addresses", result.addresses), ("routes", result.routes)):
        texts = [
            [_label(item) for operation in listed for item in (_side(operation, place),) if item] for place in (0, 1)
        ]
        if section == "routes" and result.lost:
            from .side_effects import shown

            texts[0] += (shown(route, result.name) for route in result.lost)
        if any(texts):
            for side, labels in zip(sides, texts):
                side[section] = labels
    found = [Diff(result.name, *sides)] if sides[0] != sides[1] else []
    found += describe_files(result.files)
    # A change is never invisible: another name of a peer is in the state file only.
    return found or describe_records(result.files)


def _side(operation: Operation[Any], place: int) -> Any:
    return operation.after if place else operation.before


def _peers(result: Plan, name_of: NameOf) -> tuple[Side, Side]:
    """Return the changed peers by name, or all that go with the interface."""
    operations: Iterable[Operation[Peer]] = result.peers
    if result.link and result.link[0].action == DELETE and result.device_before is not None:
        operations = [Operation(peer, None) for peer in result.device_before.peers]
    before: Side = {}
    after: Side = {}
    for operation in operations:
        key = encode_key(operation.key())
        name = name_of(operation.key()) or key
        for side, peer in ((before, operation.before), (after, operation.after)):
            if peer is not None:
                # Two peers can have one name: a member with a new key, beside its old one that is kept.
                side[f"{name} ({key})" if name in side else name] = {"public_key": key, **peer.describe()}
        if operation.after is not None and _has_other_preshared_key(operation):
            after[f"{name} ({key})" if f"{name} ({key})" in after else name]["preshared_key"] = "changed"
    return before, after


def _has_other_preshared_key(operation: Operation[Peer]) -> bool:
    if operation.action != UPDATE or operation.before is None or operation.after is None:
        return False
    keys = operation.before.preshared_key, operation.after.preshared_key
    return keys[0] != keys[1] and ZERO not in keys and None not in keys


def _interface(result: Plan, place: int) -> Side:
    """Return the interface before (0) or after (1), of its settings only those that change."""
    found: Side = {}
    device = result.device_before
    for operation in result.link:
        link = _side(operation, place)
        if link is not None:
            found.update(link.describe())
    if result.settings.private_key is not None:
        known = encode_key(device.public_key) if device and device.public_key != ZERO else ""
        found["public_key"] = encode_key(result.own_key) if place else known
    for name in ("listen_port", "fwmark"):
        value = getattr(result.settings, name)
        if value is not None:
            now = getattr(device.settings, name) if device else 0
            found[name] = value if place else now
    return found


def _label(item: InterfaceAddress | Route) -> str:
    return str(item.address if isinstance(item, InterfaceAddress) else item.destination)
