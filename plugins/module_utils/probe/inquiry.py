# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What is asked of one address next: small packets until one is answered, then sizes, until the largest is found.

Pure: it is told of answers and of the time, and says what to send. Times are seconds of one clock, sizes are those of
whole IP packets.

This module is private to the collection.
"""

from __future__ import annotations

import math

from .echo import FLOOR, SMALL

_GREETING_SECONDS = 1.0  # between small packets, as long as nothing has come back
_KNOCKS_FROM = 2  # small packets unanswered
_TRIES = 3  # of each size
_RUNGS = 3  # sizes asked at the same time
# Between tries of a size, in round trips and at least in seconds; behind the last try answers get thrice that.
_TRIPS, _LEAST_SECONDS = 1.5, 0.2


def rungs(passes: int, fails: int) -> tuple[int, ...]:
    """Return the sizes to ask next, where one is known to pass and one not to: evenly between the two, ascending."""
    gap = fails - passes
    if gap <= _RUNGS + 1:
        return tuple(range(passes + 1, fails))
    return tuple(passes + gap * rung // (_RUNGS + 1) for rung in range(1, _RUNGS + 1))


class Inquiry:
    """The questions to one address. A wanted size of None asks with small packets only."""

    def __init__(self, family: int, wanted: int | None, start: float) -> None:
        self.family, self.small, self.wanted = family, SMALL[family], wanted
        self.due = start  # when to ask next, infinity when there is nothing left to ask
        self.trips: list[float] = []  # seconds, of small packets
        self.largest: int | None = None  # of the sizes asked for, the largest that was answered
        self.refused = False  # the address answered with an ICMP error, or with UDP
        self.answered_bytes = 0  # what WireGuard has counted for the answers
        self.error: int | None = None  # errno, where the last packet could not be sent
        self._floor = min(FLOOR[family], wanted or FLOOR[family])
        self._fails = (wanted or 0) + 1
        self._sizes: tuple[int, ...] = ()
        self._tried = 0

    @property
    def replied(self) -> bool:
        """Whether anything was answered."""
        return bool(self.trips)

    @property
    def knocks(self) -> bool:
        """Whether the address has kept silent for so long that another kind of packet should be tried."""
        return not self.replied and self._tried >= _KNOCKS_FROM

    def ask(self, now: float) -> list[int]:
        """Return the sizes to send now, and set when to ask next."""
        if not self.replied:
            self._tried += 1
            self.due = now + _GREETING_SECONDS
            return [self.small]
        if self._tried == _TRIES:
            self._close(now)
        if self.due == math.inf:
            return []
        self._tried += 1
        pause = max(_TRIPS * min(self.trips), _LEAST_SECONDS)
        self.due = now + pause * (3 if self._tried == _TRIES else 1)
        # The first answer may have waited for a handshake; another one tells the round-trip time.
        return ([self.small] if len(self.trips) < 2 else []) + self._open()

    def answered(self, size: int, seconds: float, now: float) -> None:
        """Take note of an answer, its size and how long it took."""
        self.answered_bytes += 32 + -(-size // 16) * 16  # message_data_len() of drivers/net/wireguard/messages.h
        if size == self.small:
            self.trips.append(seconds)
            if len(self.trips) == 1:
                self._begin((self.wanted,) if self.wanted else (), now)
            elif not self._open():
                self._close(now)
            return
        self.largest = max(size, self.largest or 0)
        if size >= self._fails and self.wanted:  # it was given up too early
            self._fails = self.wanted + 1
            self._begin(rungs(size, self._fails), now)
        elif not self._open():
            self._close(now)

    def too_large(self, size: int, now: float) -> None:
        """Take note that the device does not take packets of a size."""
        if size == self.small:
            return
        self._fails = min(size, self._fails)
        if not self._open():
            self._close(now)

    def _begin(self, sizes: tuple[int, ...], now: float) -> None:
        self._sizes, self._tried, self.due = sizes, 0, now

    def _open(self) -> list[int]:
        return [size for size in self._sizes if (self.largest or 0) < size < self._fails]

    def _close(self, now: float) -> None:
        """End a round: what was not answered in it does not pass."""
        self._fails = min([self._fails, *self._open()])
        largest = self.largest
        if not self.wanted or largest == self.wanted:
            sizes: tuple[int, ...] = ()
        elif largest is not None:
            sizes = rungs(largest, self._fails)
        elif self._floor >= self._fails:
            sizes = ()
        else:
            sizes = (self._floor, *rungs(self._floor, self._fails))
        self._begin(sizes, now if sizes else math.inf)
