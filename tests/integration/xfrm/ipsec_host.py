# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network namespace with a private /var/lib, for the modules and `ip`."""

from __future__ import annotations

import importlib
import itertools
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from managed_host import MODULES, ModuleResult, run_module
from namespaces import call_in_thread, call_inside

T = TypeVar("T")

_SERIAL = itertools.count(1)


@dataclass(frozen=True)
class IpsecHost:
    """One namespace."""

    name: str
    state_directory: str

    @classmethod
    def make(cls, name: str) -> IpsecHost:
        """Create a namespace and a directory for the state files of the host."""
        subprocess.run(["ip", "netns", "add", name], check=True)
        host = cls(name, tempfile.mkdtemp(prefix=f"{name}-"))
        host.run("ip", "link", "set", "lo", "up")
        return host

    def remove(self) -> None:
        """Remove the namespace."""
        subprocess.run(["ip", "netns", "del", self.name], check=False)
        shutil.rmtree(self.state_directory)

    @property
    def memory(self) -> str:
        """The path of the record of key uses."""
        return f"{self.state_directory}/xfrm_key_uses.json"

    def call(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a function in the namespace, in a separate process, and return its result."""
        return call_inside([f"/run/netns/{self.name}"], partial(function, *args, **kwargs))

    def quick(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a function in the namespace, in a thread: for functions that do not change this process."""
        return call_in_thread(f"/run/netns/{self.name}", partial(function, *args, **kwargs))

    def module(self, name: str, /, *, check_mode: bool = False, **arguments: Any) -> ModuleResult:
        """Run a module of the collection in the namespace."""
        importlib.import_module(MODULES + name)
        return self.call(_run_with_state_directory, self.memory, name, arguments, check_mode)

    def run(self, *argv: str, check: bool = True, **options: Any) -> str:
        """Run a program in the namespace and return its output."""
        words = ["ip", "netns", "exec", self.name, *argv]
        done = subprocess.run(words, check=False, text=True, capture_output=True, **options)
        assert done.returncode == 0 or not check, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def xfrm(self, words: str, check: bool = True) -> str:
        """Run `ip xfrm` with these arguments; `ip -n` is ten times faster than `ip netns exec`."""
        argv = ["ip", "-n", self.name, "xfrm", *shlex.split(words.replace("(", "'('").replace(")", "')'"))]
        done = subprocess.run(argv, check=False, text=True, capture_output=True)
        assert done.returncode == 0 or not check, f"{argv}: {done.stderr}"
        return done.stdout

    def flush(self) -> None:
        """Remove all states, policies and state files."""
        for kind in ("state", "policy"):
            if self.xfrm(kind):
                self.xfrm(f"{kind} flush")
        Path(self.memory).unlink(missing_ok=True)

    def states(self) -> str:
        """Return the output of `ip xfrm state`."""
        return self.xfrm("state")

    def policies(self) -> str:
        """Return the output of `ip xfrm policy`."""
        return self.xfrm("policy")

    def limits(self, kind: str) -> list[str]:
        """Return the lines of `ip -s xfrm` with limits, which `ip xfrm` does not list."""
        argv = ["ip", "-s", "-n", self.name, "xfrm", kind]
        lines = subprocess.run(argv, check=True, text=True, capture_output=True).stdout.splitlines()
        return [line.strip() for line in lines if "limit:" in line or "expire " in line]

    def observe(self) -> dict[str, Any]:
        """Return all state that modules may change, in a comparable form."""
        state_file = Path(self.memory)
        return {
            "states": self.states(),
            "policies": self.policies(),
            "limits": [self.limits(kind) for kind in ("state", "policy")],
            "memory": state_file.read_text() if state_file.exists() else "",
        }


def _run_with_state_directory(memory: str, name: str, arguments: Mapping[str, Any], check_mode: bool) -> ModuleResult:
    from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import key_uses

    key_uses.PATH = memory
    os.environ.pop("SSH_CONNECTION", None)
    return run_module(name, arguments, check_mode)


Hosts = tuple[IpsecHost, IpsecHost]


@pytest.fixture(scope="session")
def namespaces_fixture() -> Iterator[Hosts]:
    prefix = f"wwx{os.getpid()}-{next(_SERIAL)}"  # both tiers may run in one session
    left, right = IpsecHost.make(f"{prefix}-left"), IpsecHost.make(f"{prefix}-right")
    try:
        yield left, right
    finally:
        left.remove()
        right.remove()


@pytest.fixture
def hosts_fixture(namespaces: Hosts) -> Hosts:
    """Two namespaces without states and policies."""
    for host in namespaces:
        host.flush()
    return namespaces
