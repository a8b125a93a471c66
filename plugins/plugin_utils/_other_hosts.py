# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gather the facts of hosts that have not run the task for that themselves: of later batches, or outside of the run.

Each host is asked by a worker of Ansible that runs the play's own task of `overlay_prepare`: so connection, become and the
arguments of the task are those of that host, as in a normal task. Workers run in parallel, as many as `forks`.

Like `_fleet_variables`, this plugin util needs Ansible. It is private to the collection.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from ansible import constants as C
from ansible import context
from ansible.executor.process import worker
from ansible.inventory.host import Host
from ansible.playbook.block import Block
from ansible.playbook.task import Task

from ._host_fact import FACT

_GATHER = "overlay_prepare"


class GatheredFacts(NamedTuple):
    """What a host answered. fact: None without one, and then `reason` says why.

    unreachable: whether it could not be reached. changed: whether the host has generated a key. asked: false for a host that
    ran the task itself, and whose fact Ansible has for later batches.
    """

    fact: Mapping[str, Any] | None = None
    reason: str = ""
    changed: bool = False
    asked: bool = True
    outside: bool = False
    unreachable: bool = False


class StoredFacts:
    """The answers of a play, in the temporary directory of this run of Ansible: batches and workers share them."""

    def __init__(self, *identity: object) -> None:
        digest = hashlib.sha256(json.dumps([str(part) for part in identity]).encode()).hexdigest()[:16]
        self._path = os.path.join(C.DEFAULT_LOCAL_TMP, f"wirewright_overlay_{digest}.jsonl")

    @contextlib.contextmanager
    def hold(self) -> Iterator[dict[str, GatheredFacts]]:
        """Yield all answers so far, while no other worker asks: with the strategy free, each host has its own plan."""
        with open(self._path, "a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            yield {name: GatheredFacts(*rest) for name, *rest in map(json.loads, file)}

    def add(self, answers: Mapping[str, GatheredFacts]) -> None:
        """Store answers. Only inside of `hold`."""
        with open(self._path, "a", encoding="utf-8") as file:
            file.writelines(json.dumps([name, *answer]) + "\n" for name, answer in answers.items())


def gather_task(task: Task) -> Task | None:
    """Return the task that gathers facts in the same role or play as another task, None without one."""
    parent = task._parent
    while parent is not None:
        if isinstance(parent, Block):
            for found in _tasks(parent):
                if found.action.rpartition(".")[2] == _GATHER and "never" not in found.tags:
                    return found
        parent = parent._parent
    return None


def _tasks(block: Block) -> Iterator[Task]:
    for entry in block.block:
        if isinstance(entry, Block):
            yield from _tasks(entry)
        else:
            yield entry


def gather_facts(task: Task, hosts: Iterable[Host], *, outside: bool = False) -> dict[str, GatheredFacts]:
    """Run a task that gathers facts on hosts, and return their answers.

    outside: the hosts are not in this run, so nothing is changed on them, nor on hosts for which the task's conditions do not
    hold: these will not run it, but perhaps have a key.
    """
    current = worker.current_worker
    if current is None:
        return {}
    asked, reading = _copy(task), _copy(task)
    reading.when, reading.check_mode = [], True
    reading.args = {**task.args, "create_key": False}
    listed = list(hosts)
    answers = _run(current, reading if outside else asked, listed)
    if asked.when and not outside:
        skipped = [host for host in listed if answers[host.name].fact is None and not answers[host.name].unreachable]
        answers.update(_run(current, reading, skipped))
    return {name: answer._replace(outside=outside) for name, answer in answers.items()}


def _copy(task: Task) -> Task:
    """Return a task with all that its blocks, role and play give it, whose result is not registered."""
    made = task.copy(exclude_parent=True)
    made._parent = task._parent
    made.squash()
    made.register = None
    return made


def _run(current: Any, asked: Task, hosts: Iterable[Host]) -> dict[str, GatheredFacts]:
    waiting = list(reversed(list(hosts)))
    running: dict[Connection, tuple[str, Any]] = {}
    answers: dict[str, GatheredFacts] = {}
    forks = int(context.CLIARGS.get("forks") or C.DEFAULT_FORKS)
    while waiting or running:
        while waiting and len(running) < forks:
            host = waiting.pop()
            receiver, process = _start(current, asked, host)
            running[receiver] = (host.name, process)
        for ready in [receiver for receiver in wait(list(running)) if isinstance(receiver, Connection)]:
            name, process = running.pop(ready)
            answers[name] = _received(ready)
            process.join()
            process.close()
    return answers


def _start(current: Any, task: Task, host: Host) -> tuple[Connection, Any]:
    receiver, sender = Pipe(duplex=False)
    manager = current._variable_manager
    variables = manager.get_vars(play=task.get_play(), host=host, task=task)
    # A worker clears its list of the temporary files of its process, here those of this action.
    temporary = current._loader._tempfiles
    process = worker.WorkerProcess(
        final_q=_ResultReceiver(sender, current._final_q),
        task_vars=variables,
        host=host,
        task=task,
        play_context=current._play_context,
        loader=current._loader,
        variable_manager=manager,
        shared_loader_obj=current._shared_loader_obj,
        worker_id=current.worker_id,
        cliargs=current._cliargs,
    )
    current._loader._tempfiles = temporary
    process.start()
    sender.close()
    return receiver, process


def _received(receiver: Connection) -> GatheredFacts:
    with receiver:
        try:
            return GatheredFacts(*json.loads(receiver.recv_bytes()))
        except EOFError:
            return GatheredFacts(reason="its worker ended without a result")


class _ResultReceiver:
    """The end of a worker's queue: takes its result, and passes on what it displays."""

    def __init__(self, sender: Connection, display: Any) -> None:
        self._sender, self._display = sender, display

    def send_task_result(self, *arguments: Any) -> None:
        """Take the result of the task: one object, since ansible-core 2.21 host, task and result."""
        result = arguments[0]._return_data if len(arguments) == 1 else arguments[-1].as_result_dict()
        facts = result.get("ansible_facts")
        fact = facts.get(FACT) if isinstance(facts, Mapping) else None
        failed = result.get("failed") or result.get("unreachable") or not isinstance(fact, Mapping)
        reason = str(result.get("msg") or "it returned no facts") if failed else ""
        answer = GatheredFacts(
            None if failed else fact, reason, bool(result.get("changed")), unreachable=bool(result.get("unreachable"))
        )
        self._sender.send_bytes(json.dumps(answer, default=str).encode())
        self._sender.close()

    def send_display(self, *args: Any, **options: Any) -> None:
        """Show what the worker displays."""
        self._display.send_display(*args, **options)

    def send_callback(self, *_arguments: Any, **_options: Any) -> None:
        """Callbacks know only tasks of the strategy."""

    def send_prompt(self, **_options: Any) -> None:
        """Refuse to ask the user: the answer would go to another worker."""
        raise RuntimeError("a host that is asked for its facts cannot prompt")
