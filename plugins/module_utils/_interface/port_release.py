# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Release the UDP ports that other interfaces of this run take.

The interface gets a port that the kernel chooses, and keeps its sessions: its peers follow, because it sends from there.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

from .._engine.reconcile import Operation
from .._engine.rollback import Rollback
from .._engine.stage import Stage
from .._wireguard.backend import backend_for
from .._wireguard.model import Device, Settings
from .prepare import PreparedInterface
from .read import read_device


def release_stage(prepared: Sequence[PreparedInterface]) -> Stage:
    """Return the stage that releases ports, which precedes all interfaces.

    Its rollback precedes theirs: it frees the ports that were taken and gives them back.
    """
    before: dict[str, Device] = {
        one.name: one.before.device
        for one in prepared
        if one.plan.moves and one.plan.moves.gives_port and one.before.device
    }
    takers = {
        one.name: one.plan.settings.listen_port for one in prepared if one.plan.moves and one.plan.moves.takes_port
    }

    return Stage(
        [Operation(device.settings, None) for device in before.values()],  # type: ignore[type-var]  # only counted
        diff=tuple,
        apply=lambda: sum(_set_port(name, 0) for name in before),
        delete=lambda: 0,
        pending=lambda: (),
        rollback=partial(_rollback, before, takers),
    )


def _rollback(before: Mapping[str, Device], takers: Mapping[str, int | None]) -> Rollback:
    def moved(name: str) -> bool:
        device = read_device(name)
        return device is not None and device.settings.listen_port != before[name].settings.listen_port

    def restore() -> None:
        for name, port in takers.items():
            device = read_device(name)
            if device is not None and device.settings.listen_port == port:
                _set_port(name, 0)
        for name, device in before.items():
            if moved(name):
                with suppress(OSError):  # pending() names it
                    _set_port(name, device.settings.listen_port)

    return Rollback(
        any(read_device(name) is None or moved(name) for name in before),
        restore,
        lambda: None,
        lambda: [f"{name}: listen port (changed)" for name in before if moved(name)],
    )


def _set_port(name: str, port: int | None) -> int:
    return backend_for(name).write(name, Settings(listen_port=port), [])
