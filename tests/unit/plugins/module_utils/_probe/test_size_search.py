# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for the packet size on a simulated path with an MTU, losses and delays."""

from __future__ import annotations

import heapq
import math
import socket
from collections.abc import Callable

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._probe.echo import FLOOR, SMALL
from ansible_collections.wirewright.overlay.plugins.module_utils._probe.size_search import SizeSearch, sizes_between
from hypothesis import example, given
from hypothesis import strategies as st

FAMILIES = [socket.AF_INET, socket.AF_INET6]


def passes_up_to(mtu: int) -> Callable[[int, int], bool]:
    """Return a path without losses: a predicate of the size and number of a packet."""
    return lambda size, _number: size <= mtu


def travel(
    search: SizeSearch,
    passes: Callable[[int, int], bool],
    *,
    trip: Callable[[int], float] = lambda _number: 0.01,
    seconds: float = 1000,
    device_mtu: int = 65535,
) -> tuple[float, int]:
    """Run a search to its end; return its duration and the number of packets."""
    now, number = 0.0, 0
    answers: list[tuple[float, int, int, float]] = []
    while now < seconds:
        if answers and answers[0][0] <= search.due:
            now, _number, size, took = heapq.heappop(answers)
            search.answered(size, took, now)
            continue
        if search.due == math.inf:
            break
        now = max(search.due, now)
        for size in search.next_sizes(now):
            if size > device_mtu:
                search.too_large(size, now)
                continue
            if passes(size, number):
                heapq.heappush(answers, (now + trip(number), number, size, trip(number)))
            number += 1
    return now, number


@pytest.mark.parametrize("family", FAMILIES)
def test_wanted_size_that_passes_takes_three_packets_and_two_round_trips(family: int) -> None:
    search = SizeSearch(family, 1420, 0.0)
    assert travel(search, passes_up_to(1500)) == (pytest.approx(0.02), 3)
    assert search.largest == 1420
    assert search.trips == [0.01, 0.01]


@pytest.mark.parametrize("family", FAMILIES)
def test_search_with_small_packets_only_takes_two(family: int) -> None:
    search = SizeSearch(family, None, 0.0)
    assert travel(search, passes_up_to(1500)) == (pytest.approx(0.02), 2)
    assert search.largest is None
    assert len(search.trips) == 2


@given(st.sampled_from(FAMILIES), st.integers(1280, 9000), st.data())
@example(socket.AF_INET, 1420, None)
def test_largest_size_is_found_to_the_byte(family: int, wanted: int, data: st.DataObject | None) -> None:
    mtu = data.draw(st.integers(FLOOR[family], wanted)) if data else 1419
    search = SizeSearch(family, wanted, 0.0)
    took, packets = travel(search, passes_up_to(mtu))
    assert search.largest == mtu
    assert packets < 80
    assert took < 12


@pytest.mark.parametrize("family", FAMILIES)
def test_path_that_passes_only_small_packets(family: int) -> None:
    search = SizeSearch(family, 1420, 0.0)
    travel(search, passes_up_to(FLOOR[family] - 1))
    assert search.replied
    assert search.largest is None


def test_floor_is_tried_when_it_is_the_wanted_size() -> None:
    search = SizeSearch(socket.AF_INET6, 1280, 0.0)
    travel(search, passes_up_to(1279))
    assert search.largest is None


@given(st.integers(600, 1500), st.integers(600, 1500))
def test_device_mtu_is_found_without_waiting(device_mtu: int, wanted: int) -> None:
    search = SizeSearch(socket.AF_INET, wanted, 0.0)
    took, _packets = travel(search, passes_up_to(9000), device_mtu=device_mtu)
    assert search.largest == min(device_mtu, wanted)
    assert took < 0.3, "the search did not wait"


@given(st.integers(576, 1420), st.sets(st.integers(0, 200), max_size=60))
def test_two_of_three_packets_may_be_lost(mtu: int, unlucky: set[int]) -> None:
    tries: dict[int, int] = {}

    def passes(size: int, _number: int) -> bool:
        tries[size] = tries.get(size, 0) + 1
        return size <= mtu and (size not in unlucky_sizes or tries[size] >= 3)

    unlucky_sizes = {576 + place * 4 for place in unlucky} | {SMALL[socket.AF_INET]}
    search = SizeSearch(socket.AF_INET, 1420, 0.0)
    travel(search, passes)
    assert search.largest == mtu


def test_late_reply_to_a_failed_size_counts() -> None:
    search = SizeSearch(socket.AF_INET, 1420, 0.0)
    travel(search, passes_up_to(1420), trip=lambda number: 0.01 if number < 2 else 3.0)
    assert search.largest == 1420


def test_late_reply_after_the_end_resumes_the_search() -> None:
    search = SizeSearch(socket.AF_INET, 1420, 0.0)
    travel(search, passes_up_to(1300))
    assert (search.largest, search.due) == (1300, math.inf)
    search.answered(1350, 9.0, 100.0)
    assert search.due == 100.0
    travel(search, passes_up_to(1400))
    assert search.largest == 1400


def test_silent_address_gets_a_packet_a_second_and_udp_from_the_second_on() -> None:
    search = SizeSearch(socket.AF_INET, 1420, 5.0)
    tries_udp = []
    for second in range(5, 9):
        assert search.due == second
        assert search.next_sizes(float(second)) == [84]
        tries_udp.append(search.try_udp)
    assert tries_udp == [False, True, True, True]
    search.answered(84, 0.5, 9.0)
    assert not search.try_udp


def test_device_mtu_below_small_packets_does_not_loop() -> None:
    search = SizeSearch(socket.AF_INET, 80, 0.0)
    now, _packets = travel(search, passes_up_to(9000), device_mtu=80, seconds=5)
    assert now >= 5
    assert not search.replied


@given(st.integers(1, 65535), st.integers(1, 65535))
def test_rungs_lie_between(one: int, other: int) -> None:
    passes, fails = sorted((one, other))
    found = sizes_between(passes, fails)
    assert list(found) == sorted(set(found))
    assert all(passes < size < fails for size in found)
    assert min(fails - passes - 1, 1) <= len(found) <= 3


@given(st.sampled_from(FAMILIES), st.integers(84, 1500))
def test_replies_are_counted_as_wireguard_does(family: int, size: int) -> None:
    search = SizeSearch(family, 1500, 0.0)
    search.answered(SMALL[family], 0.1, 1.0)
    before = search.answered_bytes
    search.answered(size, 0.1, 1.0)
    grown = search.answered_bytes - before
    assert grown % 16 == 0
    assert size + 32 <= grown < size + 48
