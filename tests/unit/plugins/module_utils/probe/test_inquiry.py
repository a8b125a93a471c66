# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sizes are asked for, on a path that is simulated: its MTU, its losses, its delays."""

from __future__ import annotations

import heapq
import math
import socket
from collections.abc import Callable

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.probe.echo import FLOOR, SMALL
from ansible_collections.wirewright.overlay.plugins.module_utils.probe.inquiry import Inquiry, rungs
from hypothesis import example, given
from hypothesis import strategies as st

FAMILIES = [socket.AF_INET, socket.AF_INET6]


def passes_up_to(mtu: int) -> Callable[[int, int], bool]:
    """Return a path without losses; it is asked for a size and the number of the packet."""
    return lambda size, _number: size <= mtu


def travel(
    inquiry: Inquiry,
    passes: Callable[[int, int], bool],
    *,
    trip: Callable[[int], float] = lambda _number: 0.01,
    seconds: float = 1000,
    device_mtu: int = 65535,
) -> tuple[float, int]:
    """Ask until there is nothing left to ask; returns when that was, and how many packets it took."""
    now, number = 0.0, 0
    answers: list[tuple[float, int, int, float]] = []
    while now < seconds:
        if answers and answers[0][0] <= inquiry.due:
            now, _number, size, took = heapq.heappop(answers)
            inquiry.answered(size, took, now)
            continue
        if inquiry.due == math.inf:
            break
        now = max(inquiry.due, now)
        for size in inquiry.ask(now):
            if size > device_mtu:
                inquiry.too_large(size, now)
                continue
            if passes(size, number):
                heapq.heappush(answers, (now + trip(number), number, size, trip(number)))
            number += 1
    return now, number


@pytest.mark.parametrize("family", FAMILIES)
def test_wanted_size_that_passes_takes_three_packets_and_two_trips(family: int) -> None:
    inquiry = Inquiry(family, 1420, 0.0)
    assert travel(inquiry, passes_up_to(1500)) == (pytest.approx(0.02), 3)
    assert inquiry.largest == 1420
    assert inquiry.trips == [0.01, 0.01]


@pytest.mark.parametrize("family", FAMILIES)
def test_small_packets_alone_take_two(family: int) -> None:
    inquiry = Inquiry(family, None, 0.0)
    assert travel(inquiry, passes_up_to(1500)) == (pytest.approx(0.02), 2)
    assert inquiry.largest is None
    assert len(inquiry.trips) == 2


@given(st.sampled_from(FAMILIES), st.integers(1280, 9000), st.data())
@example(socket.AF_INET, 1420, None)
def test_largest_size_is_found_to_the_byte(family: int, wanted: int, data: st.DataObject | None) -> None:
    mtu = data.draw(st.integers(FLOOR[family], wanted)) if data else 1419
    inquiry = Inquiry(family, wanted, 0.0)
    took, packets = travel(inquiry, passes_up_to(mtu))
    assert inquiry.largest == mtu
    assert packets < 80
    assert took < 12


@pytest.mark.parametrize("family", FAMILIES)
def test_path_that_takes_only_small_packets(family: int) -> None:
    inquiry = Inquiry(family, 1420, 0.0)
    travel(inquiry, passes_up_to(FLOOR[family] - 1))
    assert inquiry.replied
    assert inquiry.largest is None


def test_floor_is_asked_for_even_where_it_is_wanted() -> None:
    inquiry = Inquiry(socket.AF_INET6, 1280, 0.0)
    travel(inquiry, passes_up_to(1279))
    assert inquiry.largest is None


@given(st.integers(600, 1500), st.integers(600, 1500))
def test_device_that_takes_less_is_searched_at_once(device_mtu: int, wanted: int) -> None:
    inquiry = Inquiry(socket.AF_INET, wanted, 0.0)
    took, _packets = travel(inquiry, passes_up_to(9000), device_mtu=device_mtu)
    assert inquiry.largest == min(device_mtu, wanted)
    assert took < 0.3, "nothing was waited for"


@given(st.integers(576, 1420), st.sets(st.integers(0, 200), max_size=60))
def test_two_of_three_packets_may_be_lost(mtu: int, unlucky: set[int]) -> None:
    tries: dict[int, int] = {}

    def passes(size: int, _number: int) -> bool:
        tries[size] = tries.get(size, 0) + 1
        return size <= mtu and (size not in unlucky_sizes or tries[size] >= 3)

    unlucky_sizes = {576 + place * 4 for place in unlucky} | {SMALL[socket.AF_INET]}
    inquiry = Inquiry(socket.AF_INET, 1420, 0.0)
    travel(inquiry, passes)
    assert inquiry.largest == mtu


def test_answer_after_its_size_was_given_up_is_believed() -> None:
    inquiry = Inquiry(socket.AF_INET, 1420, 0.0)
    travel(inquiry, passes_up_to(1420), trip=lambda number: 0.01 if number < 2 else 3.0)
    assert inquiry.largest == 1420


def test_answer_to_a_size_after_the_end_opens_the_question_again() -> None:
    inquiry = Inquiry(socket.AF_INET, 1420, 0.0)
    travel(inquiry, passes_up_to(1300))
    assert (inquiry.largest, inquiry.due) == (1300, math.inf)
    inquiry.answered(1350, 9.0, 100.0)
    assert inquiry.due == 100.0
    travel(inquiry, passes_up_to(1400))
    assert inquiry.largest == 1400


def test_silent_address_is_asked_every_second_and_knocked_at_from_the_second_time_on() -> None:
    inquiry = Inquiry(socket.AF_INET, 1420, 5.0)
    knocks = []
    for second in range(5, 9):
        assert inquiry.due == second
        assert inquiry.ask(float(second)) == [84]
        knocks.append(inquiry.knocks)
    assert knocks == [False, True, True, True]
    inquiry.answered(84, 0.5, 9.0)
    assert not inquiry.knocks


def test_device_too_small_for_small_packets_is_no_endless_question() -> None:
    inquiry = Inquiry(socket.AF_INET, 80, 0.0)
    now, _packets = travel(inquiry, passes_up_to(9000), device_mtu=80, seconds=5)
    assert now >= 5
    assert not inquiry.replied


@given(st.integers(1, 65535), st.integers(1, 65535))
def test_rungs_lie_between(one: int, other: int) -> None:
    passes, fails = sorted((one, other))
    found = rungs(passes, fails)
    assert list(found) == sorted(set(found))
    assert all(passes < size < fails for size in found)
    assert min(fails - passes - 1, 1) <= len(found) <= 3


@given(st.sampled_from(FAMILIES), st.integers(84, 1500))
def test_answers_are_counted_as_wireguard_does(family: int, size: int) -> None:
    inquiry = Inquiry(family, 1500, 0.0)
    inquiry.answered(SMALL[family], 0.1, 1.0)
    before = inquiry.answered_bytes
    inquiry.answered(size, 0.1, 1.0)
    grown = inquiry.answered_bytes - before
    assert grown % 16 == 0
    assert size + 32 <= grown < size + 48
