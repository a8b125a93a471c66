# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of all tests: the backend, and lab hosts.

A test with the fixture ``backend`` runs on the backend that ``--backend`` names. Marked ``both``, it is part of the
integration tier (wireguard-go) and of the kernel tier (kernel WireGuard) alike.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS.parent / ".cache/collections"), str(TESTS / "integration")]

if TYPE_CHECKING:
    from lab_hosts import Lab
    from managed_host import ManagedHost


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend",
        choices=["userspace", "kernel"],
        default="userspace",
        help="backend of WireGuard interfaces: wireguard-go or the kernel (default: %(default)s)",
    )
    parser.addoption(
        "--long", action="store_true", help="also run the tests marked slow and, on the kernel, those marked long"
    )
    parser.addoption("--first-case", action="store_true", help="of each test function's parameters, run only the first")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--first-case"):
        items[:] = {item.nodeid.partition("[")[0]: item for item in reversed(items)}.values()
        items.reverse()
    if config.getoption("--long"):
        return
    if config.getoption("--backend") == "kernel":
        mark, reason = "long", "takes minutes in an emulated machine; make kernel runs it"
    else:
        mark, reason = "slow", "has tests of the same kind beside it; make integration runs it"
    for item in [item for item in items if item.get_closest_marker(mark)] + _not_sampled(items):
        item.add_marker(pytest.mark.skip(reason=reason))


def _not_sampled(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return the tests that ``sampled(n)`` leaves out: of each function's parameters, the first and then each n-th is run."""
    seen: Counter[str] = Counter()
    left_out = []
    for item in items:
        if sampled := item.get_closest_marker("sampled"):
            function = item.nodeid.partition("[")[0]
            if seen[function] % sampled.args[0]:
                left_out.append(item)
            seen[function] += 1
    return left_out


def pytest_sessionfinish() -> None:
    if runs := sys.modules.get("playbook_runs"):
        runs.end_processes()


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--backend"))


@pytest.fixture(scope="session")
def lab_of_two(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The hosts h1 and h2, which tests use in turn; each test leaves them unchanged."""
    if os.geteuid() != 0:
        pytest.skip("lab hosts are network namespaces, and those need root")
    from lab_hosts import Lab

    with Lab() as lab:
        lab.up(["h1", "h2"])
        yield lab


@pytest.fixture
def host(lab_of_two: Lab) -> Iterator[ManagedHost]:
    """h1, reset after the previous test."""
    from managed_host import ManagedHost

    managed = ManagedHost(lab_of_two, "h1")
    managed.reset()
    yield managed
    managed.reset()


@pytest.fixture
def other_host(lab_of_two: Lab) -> Iterator[ManagedHost]:
    """h2, on the same link as ``host``."""
    from managed_host import ManagedHost

    managed = ManagedHost(lab_of_two, "h2")
    managed.reset()
    yield managed
    managed.reset()
