# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A plan as people read it: the diff of what changes, without secrets. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..host.sysctls import Sysctl
from ..prefix import Prefix
from ..reconcile import DELETE, UPDATE, Operation
from ..wireguard.keys import ZERO, encode_key
from .plan import Plan


def describe(result: Plan) -> dict[str, dict[str, Any]]:
    """Return the plan as a diff: ``before`` and ``after``, of what changes only, without secrets."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    device = result.device_before
    interface_before, interface_after = _describe_interface(result)
    if interface_before != interface_after:
        before["interface"], after["interface"] = interface_before, interface_after
    sections: tuple[tuple[str, Iterable[Operation[Any]]], ...] = (
        ("peers", result.peers),
        ("sysctls", result.sysctls),
        ("files", result.files),
    )
    for section, operations in sections:
        for operation in operations:
            subject = operation.key()
            name = encode_key(subject) if isinstance(subject, bytes) else subject
            if operation.before is not None:
                before.setdefault(section, {})[name] = _describe_object(operation.before)
            if operation.after is not None:
                after.setdefault(section, {})[name] = _describe_object(operation.after)
    for section, listed in (("addresses", result.addresses), ("routes", result.routes)):
        texts_before = [_label(operation) for operation in listed if operation.before is not None]
        texts_after = [_label(operation) for operation in listed if operation.after is not None]
        if texts_before or texts_after:
            before[section], after[section] = texts_before, texts_after
    _mark_new_preshared_keys(result, after)
    if result.link and result.link[0].action == DELETE and device is not None:
        before["peers"] = {encode_key(peer.public_key): peer.describe() for peer in device.peers}
    return {"before": before, "after": after}


def _mark_new_preshared_keys(result: Plan, after: dict[str, Any]) -> None:
    for operation in result.peers:
        if operation.action == UPDATE and operation.before and operation.after and operation.after.preshared_key:
            changed = operation.before.preshared_key != operation.after.preshared_key
            if changed and operation.before.preshared_key != ZERO and operation.after.preshared_key != ZERO:
                after["peers"][encode_key(operation.key())]["preshared_key"] = "set anew"


def _describe_interface(result: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    device = result.device_before
    for operation in result.link:
        if operation.before is not None:
            before.update(operation.before.describe())
        if operation.after is not None:
            after.update(operation.after.describe())
    if result.settings.private_key is not None:
        before["public_key"] = encode_key(device.public_key) if device and device.public_key != ZERO else ""
        after["public_key"] = encode_key(result.own_key)
    for name in ("listen_port", "fwmark"):
        value = getattr(result.settings, name)
        if value is not None:
            before[name] = getattr(device.settings, name) if device else 0
            after[name] = value
    return before, after


def _describe_object(item: Any) -> object:
    return item.value if isinstance(item, Sysctl) else item.describe()


def _label(operation: Operation[Any]) -> str:
    subject = operation.key()
    return str(subject[0] if isinstance(subject[0], Prefix) else subject)
