# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts that the workers of one play share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._fleet_run import FleetRun, ThisRun
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from planned_fleet import fact_of

NAMES = ("h1", "h2")


class Fleet:
    """A fleet as one worker knows it: with the facts that hosts had when it started."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = facts

    def by_host(self) -> Iterator[tuple[str, dict[str, Any]]]:
        return ((name, self.variables_of(name)) for name in NAMES)

    def variables_of(self, name: str) -> dict[str, Any]:
        return {"ansible_facts": {"wirewright_overlay": self._facts[name]} if name in self._facts else {}}

    def parts_of(self, _name: str) -> tuple[str, ...]:
        return ()


class Reader:
    def read(self, name: str, variables: Mapping[str, Any]) -> HostInput:
        return HostInput(name, {}, fact=variables["ansible_facts"].get("wirewright_overlay"))


@pytest.mark.parametrize(("strategy", "known"), [("free", True), ("host_pinned", True), ("linear", False)])
def test_a_host_that_planned_since_a_worker_started_is_known_to_it(strategy: str, known: bool) -> None:
    play = SimpleNamespace(_uuid=str(uuid.uuid4()), strategy=strategy)
    task: Any = SimpleNamespace(_parent=None, check_mode=False, get_play=lambda: play)

    def read(own: str) -> dict[str, HostInput]:
        fleet: Any = Fleet({own: fact_of(own)})
        reader: Any = Reader()
        run = FleetRun(task, fleet, reader, ThisRun(frozenset(NAMES), frozenset(NAMES), frozenset({own})), "mesh")
        run.read(lambda _name, _variables: None, asks=True)
        return {host.name: host for host in run.inputs}

    assert read("h2")["h1"].fact is None
    # With batches, Ansible itself has the facts of earlier ones.
    assert (read("h1")["h2"].fact == fact_of("h2")) is known
