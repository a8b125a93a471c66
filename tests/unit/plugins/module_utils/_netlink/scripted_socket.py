# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scripted netlink socket: it records requests, and each one gets the next answer of a script."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Sequence
from typing import Union

from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import messages as nl

# One step of an answer: a datagram, one with its receive flags, or an error of the socket.
Step = Union[bytes, tuple[bytes, int], OSError]
Answer = Callable[[int], Sequence[Step]]


def message(kind: int, sequence: int, payload: bytes = b"", flags: int = 0) -> bytes:
    """Return a message as sent by the kernel."""
    length = 16 + len(payload)
    return struct.pack("=IHHII", length, kind, flags, sequence, 0) + payload + bytes(-length % 4)


def acknowledgement(sequence: int, code: int = 0, explanation: str = "") -> bytes:
    """Return an NLMSG_ERROR, capped, with the kernel's explanation if any."""
    flags = nl.NLM_F_CAPPED | (nl.NLM_F_ACK_TLVS if explanation else 0)
    explained = nl.text(nl.NLMSGERR_ATTR_MSG, explanation) if explanation else b""
    return message(nl.NLMSG_ERROR, sequence, struct.pack("=i", -code) + bytes(16) + explained, flags)


def done(sequence: int, code: int = 0, flags: int = 0) -> bytes:
    """Return the NLMSG_DONE that ends a dump."""
    return message(nl.NLMSG_DONE, sequence, struct.pack("=i", -code), nl.NLM_F_MULTI | flags)


def part(sequence: int, payload: bytes, flags: int = 0) -> bytes:
    """Return one message of a dump; all payloads here are of an invented type."""
    return message(0x20, sequence, payload, nl.NLM_F_MULTI | flags)


class ScriptedSocket:
    """Replaces the socket of a Connection."""

    def __init__(self, *script: Answer) -> None:
        self.requests: list[nl.Message] = []
        self.closed = False
        self._script = deque(script)
        self._queue: deque[Step] = deque()

    def sendall(self, datagram: bytes) -> None:
        (request,) = nl.messages(datagram)
        self.requests.append(request)
        self._queue.extend(self._script.popleft()(request.sequence))

    def recvmsg(self, _size: int) -> tuple[bytes, list[object], int, object]:
        if not self._queue:
            raise TimeoutError("nothing more comes")
        step = self._queue.popleft()
        if isinstance(step, OSError):
            raise step
        datagram, flags = step if isinstance(step, tuple) else (step, 0)
        return datagram, [], flags, (0, 0)

    def close(self) -> None:
        self.closed = True

    @property
    def finished(self) -> bool:
        """Whether every answer was requested and read."""
        return not self._script and not self._queue
