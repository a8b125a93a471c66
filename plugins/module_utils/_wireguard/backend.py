# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The two backends of WireGuard devices: generic netlink, and the socket of a userspace implementation.

Both offer the same two calls, so that everything above them is written once.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .kernel import Kernel
from .model import Device, PeerChange, Settings
from .uapi_socket import is_running


class Backend(Protocol):
    """Reads and changes WireGuard devices."""

    def read(self, name: str) -> Device | None:
        """Return the device, None where there is no interface of this name."""

    def write(self, name: str, settings: Settings, changes: Sequence[PeerChange]) -> int:
        """Send the changes; returns the number of requests. Several requests are not atomic."""


def backend_for(name: str) -> Backend:
    """Return the backend that serves an interface: its userspace process if one listens, else the kernel."""
    if not is_running(name):
        return Kernel()
    from .userspace import Userspace

    return Userspace()
