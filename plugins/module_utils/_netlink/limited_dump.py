# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The start of a dump, for tables that may be too large to read, such as the routes of a router.

This module is private to the collection.
"""

from __future__ import annotations

import errno
from contextlib import closing

from . import messages as nl
from .connection import Connection
from .route import NETLINK_ROUTE, RTM_GETROUTE


class _LimitedDump(Connection):
    """A connection for one dump: the kernel keeps the rest of it for the socket until that is closed."""

    def start(self, kind: int, payload: bytes, limit: int) -> list[bytes]:
        """Return at most this many payloads. The table may change meanwhile: an object can be missing, or come twice."""
        sequence = self._send(kind, nl.NLM_F_DUMP, payload)
        parts: list[bytes] = []
        while len(parts) < limit:
            for message in self._receive(sequence):
                if message.type in (nl.NLMSG_ERROR, nl.NLMSG_DONE):
                    refused = nl.error(message)
                    if refused and refused.errno != errno.EINTR:
                        raise refused
                    return parts[:limit]
                parts.append(message.payload)
        return parts[:limit]


def routes(payload: bytes, limit: int) -> list[bytes]:
    """Return at most this many of the routes that a request asks for. Raises NetlinkError and OSError."""
    with closing(_LimitedDump(NETLINK_ROUTE, strict=True)) as connection:
        return connection.start(RTM_GETROUTE, payload, limit)
