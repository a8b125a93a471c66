# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The input of a plan, whatever part of the fleet a run reaches: it asks hosts whose facts the current batch lacks.

Like `_fleet_variables`, this plugin util needs Ansible. It is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from ansible import constants as C
from ansible.playbook.task import Task
from ansible.plugins.loader import strategy_loader

from ._fleet_variables import FleetVariables, HostReader
from ._host_fact import FACT, is_of_this_run
from ._other_hosts import GatheredFacts, StoredFacts, gather_facts, gather_task
from ._problems import host_list
from ._refusal import unplanned
from ._topology.fleet.earlier_facts import contradicted
from ._topology.fleet.observation import without_predictions
from ._topology.plan_model.fleet import HUB, Absence, HostInput
from ._untrusted import mapping_of, text_of

# Hosts outside of a run that are asked at a time, and at most in one play.
ASKED_AT_A_TIME, ASKED_AT_MOST = 3, 9
_MEMORY_CACHE = ("memory", "ansible.builtin.memory")
_LOCAL = ("local", "ansible.builtin.local")


class ThisRun(NamedTuple):
    """The hosts of a play: all, those that take part so far, and those that are changed together; None for all.

    With the strategy linear the last are the hosts of a batch. With free each host has a plan of its own.
    failed: those that have failed in this batch of this play, not those that could not be reached.
    """

    play: frozenset[str] | None
    alive: frozenset[str] | None
    together: frozenset[str] | None
    failed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, task: Task, variables: Mapping[str, Any]) -> ThisRun:
        """Return the hosts of the play of a task."""
        names = ("ansible_play_hosts_all", "ansible_play_hosts", "ansible_play_batch")
        play, alive, batch = (variables.get(name) for name in names)
        together = None if batch is None else frozenset(map(str, batch))
        if runs_freely(task):
            together = frozenset({str(variables["inventory_hostname"])})
        return cls(
            None if play is None else frozenset(map(str, play)),
            None if alive is None else frozenset(map(str, alive)),
            together,
            frozenset(map(str, variables.get("ansible_failed_hosts") or ())),
        )

    def lost(self, name: str) -> Absence | None:
        """Return why a host of the play takes no further part in it, None if it does."""
        if not self.has(name) or self.is_alive(name):
            return None
        return Absence.FAILED if name in self.failed else Absence.LOST

    def has(self, name: str) -> bool:
        """Return whether a host is in the play, even if it has failed."""
        return self.play is None or name in self.play

    def is_alive(self, name: str) -> bool:
        """Return whether a host is in the play, could be reached and has not failed."""
        return self.has(name) and (self.alive is None or name in self.alive)

    def is_changed(self, name: str) -> bool:
        """Return whether a host is one of those that are changed together."""
        return self.together is None or name in self.together


def runs_freely(task: Task) -> bool:
    """Return whether hosts of the play do not wait for each other, as with the strategies free and host_pinned."""
    strategy: Any = strategy_loader.get(str(task.get_play().strategy), class_only=True)
    return not getattr(strategy, "ALLOW_BASE_THROTTLING", True)


class FleetRun:
    """Reads the input of the planner, and asks other hosts for what it lacks: each at most once in a play."""

    def __init__(self, task: Task, fleet: FleetVariables, reader: HostReader, run: ThisRun, overlay: str) -> None:
        """overlay: the overlay that is planned; a play may plan several."""
        self._fleet, self._reader, self._run = fleet, reader, run
        self._gather, self._check_mode = gather_task(task), bool(task.check_mode)
        self._freely = runs_freely(task)
        self._answers = StoredFacts(task.get_play()._uuid, overlay)
        self._inputs: dict[str, HostInput] = {}
        # Hosts outside of the run that were asked because the fact cache has another key of them than hosts of the run.
        self.facts_refreshed: dict[str, GatheredFacts] = {}

    @property
    def inputs(self) -> list[HostInput]:
        """What is known of each member so far."""
        return list(self._inputs.values())

    def read(self, notice: Callable[[str, dict[str, Any]], None], *, asks: bool) -> list[str]:
        """Read all members; with `asks`, ask those hosts of the play whose facts are not of this run.

        notice: gets the variables of each member. Returns the names of the hosts that generated a key for that.
        """
        for name, variables in self._fleet.by_host():
            notice(name, variables)
            self._inputs[name] = self._input(name, variables)
        self._refuse_without_facts()
        self._refuse_one_machine()
        doubted = contradicted(self._inputs, {name for name, host in self._inputs.items() if _is_earlier(host.fact)})
        with self._answers.hold() as known:
            own = {name for name, host in self._inputs.items() if self._run.is_changed(name) and host.fact is not None}
            # A worker knows the facts of other hosts as they were when it started, so without batches it needs this one's too.
            found = {
                name: GatheredFacts(self._inputs[name].fact if self._freely else None, asked=False)
                for name in own
                if name not in known
            }
            if asks and self._gather is not None:
                names = [
                    name for name in self._inputs if name not in own and name not in known and self._is_stale(name)
                ]
                found.update(gather_facts(self._gather, map(self._fleet.host, names)))
                again = [name for name in sorted(doubted.keys) if self._inputs[name].outside and name not in known]
                again = again[: _allowed(known)]
                self.facts_refreshed = self._ask_outside(again) if again else {}
                found.update(self.facts_refreshed)
            self._answers.add(found)
        self._use({**known, **found})
        for name in doubted.keys | doubted.others:
            if _is_earlier(self._inputs[name].fact):
                self._inputs[name] = self._inputs[name]._replace(fact=None)
        return sorted(name for name, answer in found.items() if answer.changed)

    def _is_stale(self, name: str) -> bool:
        """Return whether a host of the play has no facts, or those of an earlier run."""
        fact = self._inputs[name].fact
        return self._run.is_alive(name) and (fact is None or _is_earlier(fact))

    def _use(self, answers: Mapping[str, GatheredFacts]) -> None:
        for name, answer in answers.items():
            host = self._inputs.get(name)
            if host is not None and answer.fact is not None and (not host.reached or host.fact is None):
                self._inputs[name] = self._input(name, self._fleet.variables_of(name), answer.fact)
            elif host is not None and answer.asked and host.lost is Absence.SILENT:
                lost = Absence.UNREACHABLE if answer.unreachable else Absence.FAILED
                self._inputs[name] = host._replace(lost=lost)

    def ask_outside(self, lacking: Collection[str]) -> dict[str, GatheredFacts]:
        """Ask some hosts outside of the run; return their answers, none where it is of no more use.

        Hubs are asked first, because they know most, then the hosts of which nothing is known, then others, until one
        answers that has peers.

        lacking: the members of which nothing is known.
        """
        if self._gather is None or not lacking:
            return {}
        with self._answers.hold() as known:
            before = [answer for answer in known.values() if answer.outside]
            able = [
                host for name, host in self._inputs.items() if host.outside and host.fact is None and name not in known
            ]
            if any(map(_has_peers, before)):
                able = [host for host in able if host.name in lacking]
            able.sort(key=lambda host: (HUB not in host.parts, host.name not in lacking))
            names = [host.name for host in able][: min(ASKED_AT_A_TIME, _allowed(known))]
            found = self._ask_outside(names)
            self._answers.add(found)
        self._use({**known, **found})
        return found

    def _ask_outside(self, names: Iterable[str]) -> dict[str, GatheredFacts]:
        """Return the answers of hosts outside of the run; none of one that is a machine of this run, by its connection."""
        if self._gather is None:
            return {}
        own = {key for host in self._inputs.values() if host.reached for key in _public_keys(host.fact)}
        found = gather_facts(self._gather, map(self._fleet.host, names), outside=True)
        for name, answer in found.items():
            if own.intersection(_public_keys(answer.fact)) and self._is_local(name):
                reason = "its connection is local, so this is the machine of a host of this run"
                found[name] = answer._replace(fact=None, reason=reason)
        return found

    def _is_local(self, name: str) -> bool:
        connection = self._fleet.variables_of(name).get("ansible_connection") or getattr(self._gather, "connection", "")
        return str(connection) in _LOCAL

    def _input(self, name: str, variables: Mapping[str, Any], fact: Mapping[str, Any] | None = None) -> HostInput:
        if fact is not None:
            facts = variables.get("ansible_facts")
            variables = {**variables, "ansible_facts": {**(facts if isinstance(facts, Mapping) else {}), FACT: fact}}
        found = self._reader.read(name, dict(variables))
        if found.fact is not None and not (self._check_mode and self._run.has(name)):
            # Only check mode predicts keys, and only of the hosts of its play.
            found = found._replace(fact=without_predictions(found.fact))
        return found._replace(
            parts=self._fleet.parts_of(name),
            reached=self._run.is_changed(name),
            outside=not self._run.has(name),
            lost=self._run.lost(name) or (Absence.SILENT if found.fact is None and self._run.has(name) else None),
        )

    def _refuse_without_facts(self) -> None:
        """Fail if the members of the current batch all lack facts: a plan would treat every one as unreachable.

        Facts are not gathered where tags leave out that task, for example.
        """
        reached = [host for host in self._inputs.values() if host.reached and self._run.together is not None]
        if reached and all(host.fact is None for host in reached):
            text = (
                f"no facts of {host_list([host.name for host in reached])} in this run: the task that gathers them "
                "(overlay_prepare) was left out. Run without --skip-tags and --start-at-task, or run the role keys before"
            )
            raise unplanned([text])

    def _refuse_one_machine(self) -> None:
        """Fail if hosts of the current batch are one machine: their connection is local, and they have one key."""
        by_key: dict[str, list[str]] = {}
        for name, host in self._inputs.items():
            for key in _public_keys(host.fact) if host.reached else ():
                by_key.setdefault(key, []).append(name)
        for names in by_key.values():
            if len(names) > 1 and all(map(self._is_local, names)):
                text = (
                    f"{host_list(names)} have the connection local, so they are one machine; run with --limit and its name "
                    "there, as ansible-pull does, or set ansible_connection for them"
                )
                raise unplanned([text])


def _is_earlier(fact: Mapping[str, Any] | None) -> bool:
    """Return whether a fact cache has kept a fact from an earlier run, perhaps of another controller."""
    cached = C.CACHE_PLUGIN not in _MEMORY_CACHE  # type: ignore[attr-defined]
    return cached and fact is not None and not is_of_this_run(fact)


def _allowed(known: Mapping[str, GatheredFacts]) -> int:
    """Return how many more hosts outside of the run may be asked in this play. known: the answers so far."""
    return max(0, ASKED_AT_MOST - sum(answer.outside for answer in known.values()))


def _public_keys(fact: Mapping[str, Any] | None) -> set[str]:
    devices = mapping_of((fact or {}).get("interfaces")).values()
    return {key for device in devices if (key := text_of(mapping_of(device).get("public_key")))}


def _has_peers(answer: GatheredFacts) -> bool:
    """Return whether a host has stored peers on any interface."""
    interfaces = mapping_of((answer.fact or {}).get("interfaces"))
    return any(mapping_of(device).get("peers") for device in interfaces.values())
