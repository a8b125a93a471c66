# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The two ways to a WireGuard device: the kernel's generic netlink, and a userspace implementation's socket.

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
        """Send the changes; returns how many requests that took. Not atomic past the first request."""


def backend_for(name: str) -> Backend:
    """Return the backend that serves an interface: its userspace process if one listens, else the kernel."""
    if not is_running(name):
        return Kernel()
    from .userspace import Userspace

    return Userspace()
