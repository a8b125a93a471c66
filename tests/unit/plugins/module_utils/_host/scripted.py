# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Substitutes for an rtnetlink connection and for pyroute2's IPRoute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class ScriptedConnection:
    """Answers every dump and request with the same payloads, or an error."""

    answer: Sequence[bytes] | Exception = ()

    def dump(self, _kind: int, _payload: bytes) -> Sequence[bytes]:
        return self.request(_kind, _payload)

    def request(self, _kind: int, _payload: bytes) -> Sequence[bytes]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class ScriptedIpr:
    """Replaces pyroute2: records requests, and sends nothing until its result is iterated."""

    requests: list[tuple[object, ...]] = field(default_factory=list)

    def _lazy(self, *request: object):  # type: ignore[no-untyped-def]
        self.requests.append(request)
        yield None

    def link(self, command: str, **arguments: object):  # type: ignore[no-untyped-def]
        return self._lazy("link", command, arguments)
