# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Warnings of a run that wants threaded NAPI.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator

from .._engine.reconcile import replay
from .._host import threaded_napi
from . import boot_files
from .options import WantedInterface
from .plan import Current, Plan


def napi_warnings(current: Current, wanted: WantedInterface, found: Plan) -> Iterator[str]:
    """Yield why threaded NAPI differs from the option after the run, or after the next boot."""
    if current.link is not None and current.link.threaded_napi is not wanted.threaded_napi:
        peers = replay(current.device.peers if current.device else (), found.peers)
        obstacle = threaded_napi.obstacle(current.link, has_peers=bool(peers))
        if obstacle:
            yield f"{wanted.name}: O(threaded_napi) was left as it is, because {obstacle}"
    if wanted.persistence == boot_files.NETWORKD:
        yield (
            f"{wanted.name}: systemd-networkd has no setting for O(threaded_napi): after a boot it is the kernel's choice "
            "until the next run"
        )
