# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The only import of pyroute2: links and addresses are changed with its IPRoute.

The import costs a fifth of a second, so it happens only when something has to be changed. Written against pyroute2
0.7.2 (Debian 12) and newer: requests are wrapped in list(), because newer versions send nothing until the answer is
iterated.

This module is private to the collection.
"""

from __future__ import annotations

from typing import Any


def open_socket() -> Any:
    """Return an IPRoute, to be used as a context manager. Raises ImportError where pyroute2 is missing."""
    from pyroute2 import IPRoute

    return IPRoute()


def error_types() -> tuple[type[Exception], ...]:
    """Return the exception type of pyroute2 for refusals of the kernel; it has ``code`` (errno)."""
    from pyroute2.netlink.exceptions import NetlinkError

    return (NetlinkError,)
