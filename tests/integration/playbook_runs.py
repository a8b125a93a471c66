# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of ansible-playbook, forked from one process that has imported it: imports are a third of a short run.

The module is also the program of that process. It reads a request per line, as JSON, runs it in a fork, and writes the return
code.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]

_processes: dict[tuple[str, ...], subprocess.Popen[str]] = {}


def run_playbook(
    arguments: Sequence[str], env: Mapping[str, str], outputs: tuple[Path, Path], timeout: float, cwd: Path = ROOT
) -> int:
    """Run ansible-playbook, with its output and errors in two files or in one; return its exit code.

    Ansible reads its settings when it is imported, so that each set of ``ANSIBLE_`` variables has a process of its own.

    Raises:
        subprocess.TimeoutExpired: The run took longer than ``timeout`` seconds.
        RuntimeError: The process that runs playbooks has died.
    """
    settings = tuple(f"{name}={env[name]}" for name in sorted(env) if name == "HOME" or name.startswith("ANSIBLE_"))
    process = _processes.get(settings)
    if process is None:
        process = _processes[settings] = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
            cwd=ROOT,
            text=True,
            start_new_session=True,
        )
    assert process.stdin and process.stdout
    paths = [str(path) for path in outputs]
    request = {"arguments": list(arguments), "env": dict(env), "outputs": paths, "cwd": str(cwd)}
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    try:
        answer = line_in_time(process.stdout, timeout)
    except TimeoutError:
        del _processes[settings]
        os.killpg(process.pid, 9)
        process.wait()
        raise subprocess.TimeoutExpired(list(arguments), timeout) from None
    if not answer:
        del _processes[settings]
        raise RuntimeError(f"the process that runs playbooks ended with {process.wait()}")
    return int(answer)


def line_in_time(pipe: IO[str], timeout: float) -> str:
    """Return the next line of a pipe of which nothing is buffered; raise TimeoutError without one in so many seconds."""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        if not selector.select(timeout):
            raise TimeoutError
    return pipe.readline()


def end_processes() -> None:
    """End the processes, and wait for them, so that their processor time counts as that of the tests."""
    while _processes:
        process = _processes.popitem()[1]
        assert process.stdin and process.stdout
        process.stdin.close()
        process.stdout.close()
        process.wait()


def serve() -> None:
    """Import ansible-playbook and the plugins that most playbooks use, and run each request in a fork."""
    from ansible import constants
    from ansible.cli import playbook
    from ansible.utils.path import cleanup_tmp_file

    load_plugins()
    gc.freeze()  # exempt these objects from garbage collection in runs, so that their pages are not copied
    # A process that is imported makes a temporary directory, and removes it at exit: each run has one of its own.
    temporary = Path(constants.DEFAULT_LOCAL_TMP).parent
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            atexit._clear()
            os.environ.clear()
            os.environ.update(request["env"])
            for number, path in enumerate([os.devnull, *request["outputs"]]):
                os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600), number)
            os.chdir(request["cwd"])
            answers.close()
            constants.DEFAULT_LOCAL_TMP = tempfile.mkdtemp(prefix="ansible-local-", dir=temporary)
            atexit.register(cleanup_tmp_file, constants.DEFAULT_LOCAL_TMP, warn=True)
            playbook.main(["ansible-playbook", *request["arguments"]])
        status = os.waitpid(child, 0)[1]
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


def load_plugins() -> None:
    """Load plugins of Ansible and of the collection, with their documentation, which is read for their options."""
    from ansible import constants
    from ansible.executor import playbook_executor  # noqa: F401
    from ansible.plugins import loader

    loader.init_plugin_loader()
    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")  # what runs call again
    for name in constants.INVENTORY_ENABLED:
        loader.inventory_loader.get(name)
    for name in ("validate_argument_spec", "set_fact", "include_role"):
        loader.action_loader.get(f"ansible.builtin.{name}", class_only=True)
    for name in ("overlay_plan", "overlay_summary"):
        loader.action_loader.get(f"wirewright.overlay.{name}", class_only=True)
    for name in ("wirewright.overlay.exec", "ansible.builtin.local"):
        loader.connection_loader.get(name, class_only=True)
    loader.strategy_loader.get("linear", class_only=True)
    loader.shell_loader.get("sh", class_only=True)
    loader.callback_loader.get("default", class_only=True)
    for plugins in (loader.filter_loader, loader.test_loader):
        list(plugins.all())
    if "forked_modules" in constants.CALLBACKS_ENABLED:
        for name in ("overlay_apply", "overlay_prepare", "probe_info"):
            importlib.import_module(f"ansible_collections.wirewright.overlay.plugins.modules.{name}")
        for name in ("ansible.modules.copy", "ansible.modules.file", "ansible.modules.stat", "pyroute2"):
            importlib.import_module(name)


if __name__ == "__main__":
    serve()
