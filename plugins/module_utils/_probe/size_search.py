# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Find the largest packet size that passes to one address: small packets until one is answered, then larger ones.

Pure: takes replies and the time, returns the sizes to send. Times are seconds of one clock, sizes those of IP packets in
bytes.

This module is private to the collection.
"""

from __future__ import annotations

import math

from .echo import FLOOR, SMALL

_SMALL_INTERVAL_SECONDS = 1.0  # between small packets, before the first reply
_UDP_AFTER = 2  # unanswered small packets
_TRIES = 3  # of each size
_STEPS = 3  # sizes tried at the same time
# Time between tries of a size, in round trips and at least in seconds. After the last try it is three times as long.
_TRIPS, _LEAST_SECONDS = 1.5, 0.2


def sizes_between(passes: int, fails: int) -> tuple[int, ...]:
    """Return the sizes to try next, evenly between one that passes and one that fails, ascending."""
    gap = fails - passes
    if gap <= _STEPS + 1:
        return tuple(range(passes + 1, fails))
    return tuple(passes + gap * step // (_STEPS + 1) for step in range(1, _STEPS + 1))


class SizeSearch:
    """The search for one address. A wanted size of None sends small packets only."""

    def __init__(self, family: int, wanted: int | None, start: float) -> None:
        self.family, self.small, self.wanted = family, SMALL[family], wanted
        self.due = start  # when to send next, infinity at the end of the search
        self.trips: list[float] = []  # round-trip times of small packets, in seconds
        self.largest: int | None = None  # the largest size that was answered
        self.refused = False  # the address sent an ICMP error, or UDP
        self.answered_bytes = 0  # size of the replies as WireGuard counts them
        self.error: int | None = None  # errno, if the last packet could not be sent
        self._floor = min(FLOOR[family], wanted or FLOOR[family])
        self._fails = (wanted or 0) + 1
        self._sizes: tuple[int, ...] = ()
        self._tried = 0

    @property
    def replied(self) -> bool:
        """Whether any packet was answered."""
        return bool(self.trips)

    @property
    def try_udp(self) -> bool:
        """Whether a UDP datagram should follow, because echo requests get no reply."""
        return not self.replied and self._tried >= _UDP_AFTER

    def next_sizes(self, now: float) -> list[int]:
        """Return the sizes to send now, and set the next due time."""
        if not self.replied:
            self._tried += 1
            self.due = now + _SMALL_INTERVAL_SECONDS
            return [self.small]
        if self._tried == _TRIES:
            self._end_round(now)
        if self.due == math.inf:
            return []
        self._tried += 1
        pause = max(_TRIPS * min(self.trips), _LEAST_SECONDS)
        self.due = now + pause * (3 if self._tried == _TRIES else 1)
        # The first reply may include the time of a handshake; a second one gives the round-trip time.
        return ([self.small] if len(self.trips) < 2 else []) + self._open_sizes()

    def answered(self, size: int, seconds: float, now: float) -> None:
        """Record a reply, its size and round-trip time."""
        self.answered_bytes += 32 + -(-size // 16) * 16  # message_data_len() of drivers/net/wireguard/messages.h
        if size == self.small:
            self.trips.append(seconds)
            if len(self.trips) == 1:
                self._begin_round((self.wanted,) if self.wanted else (), now)
            elif not self._open_sizes():
                self._end_round(now)
            return
        self.largest = max(size, self.largest or 0)
        if size >= self._fails and self.wanted:  # a late reply to a size counted as failed
            self._fails = self.wanted + 1
            self._begin_round(sizes_between(size, self._fails), now)
        elif not self._open_sizes():
            self._end_round(now)

    def too_large(self, size: int, now: float) -> None:
        """Record that the device's MTU is below a size."""
        if size == self.small:
            return
        self._fails = min(size, self._fails)
        if not self._open_sizes():
            self._end_round(now)

    def _begin_round(self, sizes: tuple[int, ...], now: float) -> None:
        self._sizes, self._tried, self.due = sizes, 0, now

    def _open_sizes(self) -> list[int]:
        return [size for size in self._sizes if (self.largest or 0) < size < self._fails]

    def _end_round(self, now: float) -> None:
        """End a round: sizes without reply fail. Begin the next one, or end the search."""
        self._fails = min([self._fails, *self._open_sizes()])
        largest = self.largest
        if not self.wanted or largest == self.wanted:
            sizes: tuple[int, ...] = ()
        elif largest is not None:
            sizes = sizes_between(largest, self._fails)
        elif self._floor >= self._fails:
            sizes = ()
        else:
            sizes = (self._floor, *sizes_between(self._floor, self._fails))
        self._begin_round(sizes, now if sizes else math.inf)
