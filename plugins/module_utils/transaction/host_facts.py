# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The facts of one host, put together from its rooms.

This module is private to the collection.
"""

from __future__ import annotations

from typing import Any

from .. import ssh_connection
from ..host import facts as host
from ..wireguard import kernel, memory
from ..wireguard.facts import interface_facts


def gather(interface: str, own_public_key: str | None, userspace: bool, environment: dict[str, str]) -> dict[str, Any]:
    """Return the host's facts; those of other interfaces are what is remembered of them, without their keys.

    Raises OSError, and ValueError for a damaged memory.
    """
    kernel_wireguard = kernel.available()
    told = ssh_connection.find(environment)
    # A link-local address says nothing of the way to anybody else.
    towards = told.client_text if told is not None and not told.scope else ""
    names = sorted({*memory.interfaces(), interface})
    return {
        "boot_id": host.boot_id(),
        "kernel_wireguard": kernel_wireguard,
        "missing": host.missing(kernel_wireguard, userspace),
        "persistence": host.persistence(kernel_wireguard),
        "underlay": host.underlay(towards),
        "interfaces": {name: interface_facts(name, own_public_key if name == interface else None) for name in names},
    }
