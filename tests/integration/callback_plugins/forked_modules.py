# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402   # documentation stands before imports, as in all plugins
"""Test helper: modules run in a fork of the worker, inside the host, instead of in a new Python."""

from __future__ import annotations

DOCUMENTATION = """
name: forked_modules
type: notification
short_description: run modules in a process that has imported them
description:
  - A host spends most of a module's time starting Python, unpacking the archive and importing what is in it.
    This runs the modules of the collection, and those of Ansible that its roles use, in a fork that has imported them,
    in the namespaces of the lab host.
  - What the host would get on its standard input is built all the same, and the arguments are taken from it.
    Any other command, connection prefix or interpreter runs as without this.
"""

import ast
import importlib
import io
import os
import random
import re
import signal
import traceback
from contextlib import redirect_stdout
from functools import partial
from typing import Any

import namespaces
from ansible.module_utils import _internal, basic
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import connection_loader

COMMANDS = ("/bin/sh -c '/usr/bin/python3 && sleep 0'", "/bin/sh -c /usr/bin/python3")
ENTER = re.compile(r"--(?:net|mount|uts)=(.+)")
MODULES = "ansible_collections.wirewright.overlay.plugins.modules."
BUILTIN = tuple(f"ansible.modules.{name}" for name in ("command", "copy", "file", "ping", "slurp", "stat"))

# In the program that ansible-core makes of a module, one line each.
NAME = re.compile(rb"^module_fqn=(.+),$", re.MULTILINE)
PROFILE = re.compile(rb"^profile=(.+),$", re.MULTILINE)
PARAMETERS = re.compile(rb"^params=(.+),$", re.MULTILINE)

Ended = tuple[int, bytes, bytes]


class CallbackModule(CallbackBase):
    """Replaces how the exec connection runs a command; handles no event."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "forked_modules"
    CALLBACK_NEEDS_ENABLED = True

    def set_options(self, *args: Any, **kwargs: Any) -> None:
        super().set_options(*args, **kwargs)
        connection = connection_loader.get("wirewright.overlay.exec", class_only=True)
        run_command = connection._run

        def run(self: Any, command: str, stdin: Any, *more: Any, **options: Any) -> Ended:
            ended = run_forked(self._prefix, command, stdin) if isinstance(stdin, bytes) else None
            return ended or run_command(self, command, stdin, *more, **options)

        connection._run = run


def run_forked(prefix: list[str], command: str, program: bytes) -> Ended | None:
    """Run a module in the host that a prefix enters; None if this is something else."""
    entered = [found for word in prefix[1:-1] if (found := ENTER.fullmatch(word))]
    if command not in COMMANDS or prefix[0] != "nsenter" or len(entered) != len(prefix) - 2:
        return None
    paths = [found[1] for found in entered]
    words = [word[1] for pattern in (NAME, PROFILE, PARAMETERS) if (word := pattern.search(program))]
    if len(words) < 3 or not all(map(os.path.exists, paths)):
        return None
    name, profile, parameters = (ast.literal_eval(word.decode()) for word in words)
    if not name.startswith(MODULES) and name not in BUILTIN:
        return None
    return namespaces.call_inside(paths, partial(run_module, name, profile, parameters), timeout=1200)


def run_module(name: str, profile: str, parameters: str) -> Ended:
    """Run a module's main() in this process; return its exit code, output and errors."""
    os.chdir("/")
    random.seed()  # a fork has its parent's state
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    basic._ANSIBLE_ARGS = parameters.encode()
    basic._ANSIBLE_PROFILE = profile
    _internal.is_controller = False
    with redirect_stdout(io.StringIO()) as printed:
        try:
            importlib.import_module(name).main()
        except SystemExit as left:
            return int(left.code or 0), printed.getvalue().encode(), b""
        except BaseException:
            return 1, printed.getvalue().encode(), traceback.format_exc().encode()
    return 0, printed.getvalue().encode(), b""
