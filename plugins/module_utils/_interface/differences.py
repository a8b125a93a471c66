# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The differences that a plan removes, for a message.

This module is private to the collection.
"""

from __future__ import annotations

from .._engine.reconcile import Operation, summary
from .._host.links import Link
from .plan import Plan


def differences(plan: Plan) -> list[str]:
    """Describe the operations of a plan: kinds and actions, without secrets."""
    parts = [f"interface {operation.action}{_link_difference(operation)}" for operation in plan.link]
    settings = plan.settings
    named = {"private key": settings.private_key, "listen_port": settings.listen_port, "fwmark": settings.fwmark}
    parts += [name for name, value in named.items() if value is not None]
    for kind in ("peers", "addresses", "routes", "sysctls", "files"):
        operations = getattr(plan, kind)
        if operations:
            parts.append(f"{kind} {summary(operations)}")
    return parts


def _link_difference(operation: Operation[Link]) -> str:
    if operation.before is None or operation.after is None:
        return ""
    before, after = operation.before.describe(), operation.after.describe()
    changes = (f"{name} {before.get(name)!r} to {after[name]!r}" for name in after if before.get(name) != after[name])
    return " (" + ", ".join(changes) + ")"
