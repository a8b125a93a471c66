# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab host: modules run in it, and other programs observe the result."""

from __future__ import annotations

import base64
import hashlib
import importlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from ansible.module_utils import _internal, basic
from lab_hosts import Lab
from namespaces import call_inside

T = TypeVar("T")

MODULES = "ansible_collections.wirewright.overlay.plugins.modules."
FOREIGN_PROTOCOL = 99  # of foreign routes that tests add

RESET = f"""
for link in $(ls /sys/class/net); do
    case $link in lo|eth0) ;; *) ip link del "$link" 2>/dev/null || : ;; esac
done
for family in -4 -6; do ip $family route flush proto {FOREIGN_PROTOCOL}; done
rm -rf /etc/wireguard/* /etc/wirewright.overlay /var/lib/wirewright.overlay /etc/systemd/network/* /etc/sysctl.d/90-wirewright-*
if [ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ]; then echo 0 >/proc/sys/net/ipv4/ip_forward; fi
"""


@dataclass(frozen=True)
class ModuleResult:
    """The exit code of a module and its JSON output, parsed and as text."""

    rc: int
    output: str
    data: dict[str, Any]

    @property
    def changed(self) -> bool:
        assert self.rc == 0, self.output
        return bool(self.data["changed"])

    @property
    def diff(self) -> dict[str, Any]:
        return {
            side: {found[f"{side}_header"]: found[side] for found in self.data["diff"]} for side in ("before", "after")
        }

    @property
    def shown_diff(self) -> str:
        """The output of `--diff`."""
        from ansible.plugins.callback import CallbackBase  # a part of the controller that modules do not need

        return str(CallbackBase()._get_diff(self.data["diff"]))  # type: ignore[no-untyped-call]

    @property
    def failure(self) -> str:
        """The message of a module that failed."""
        assert self.rc != 0 and self.data["failed"], self.output
        return str(self.data["msg"])


def key(seed: object) -> str:
    """Return a base64 key that depends only on the seed; valid as public, preshared and private key."""
    return base64.b64encode(hashlib.sha256(repr(seed).encode()).digest()).decode()


def run_module(
    name: str, arguments: Mapping[str, Any], check_mode: bool, tracebacks: Sequence[str] = ()
) -> ModuleResult:
    """Run a module's main() in this process, as AnsiballZ does, with diff on. Leaves ansible's globals changed.

    tracebacks: of which events the result has one, such as error (ANSIBLE_DISPLAY_TRACEBACK).
    """
    internal = {"_ansible_check_mode": check_mode, "_ansible_diff": True, "_ansible_tracebacks_for": tracebacks}
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": {**arguments, **internal}}).encode()
    basic._ANSIBLE_PROFILE = "legacy"
    # If a test has imported a part of the controller, a module would print its warnings instead of returning them.
    _internal.is_controller = False
    rc = 0
    with redirect_stdout(io.StringIO()) as printed:
        try:
            importlib.import_module(MODULES + name).main()
        except SystemExit as left:
            rc = int(left.code or 0)
    output = printed.getvalue()
    return ModuleResult(rc, output, json.loads(output))


@dataclass(frozen=True)
class ManagedHost:
    """One host of a lab."""

    lab: Lab
    name: str

    @property
    def netns(self) -> str:
        """The name of its network namespace."""
        return f"ww-{self.lab.name}-{self.name}"

    def call(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a function in the host and return its result."""
        importlib.import_module("pyroute2")  # once here rather than in every child
        options = [word.partition("=") for word in self.lab.enter(self.name) if word.startswith("--") and "=" in word]
        return call_inside([path for _option, _equals, path in options], partial(function, *args, **kwargs))

    def module(self, name: str, /, *, check_mode: bool = False, **arguments: Any) -> ModuleResult:
        """Run a module of the collection in the host, in a separate process."""
        importlib.import_module(MODULES + name)
        return self.call(run_module, name, arguments, check_mode)

    def traced_module(
        self, name: str, calls: str, /, *, umask: str = "022", **arguments: Any
    ) -> tuple[ModuleResult, str]:
        """Run a module in a separate Python process; return its result and the strace output of these system calls."""
        trace = "/run/module.trace"
        program = (
            "import json, sys; sys.path[:0] = json.loads(sys.argv[1]); from managed_host import run_module; "
            "result = run_module(sys.argv[2], json.load(sys.stdin), False); print(result.rc); print(result.output)"
        )
        strace = ["strace", "-f", "-y", "-v", "-s", "65536", "-o", trace, "-e", f"trace={calls}"]
        python = [sys.executable, "-c", program, json.dumps(sys.path), name]
        script = f'umask {umask}; exec "$@"'
        rc, _newline, output = self.run(
            "sh", "-c", script, "sh", *strace, *python, input=json.dumps(arguments)
        ).partition("\n")
        return ModuleResult(int(rc), output, json.loads(output)), self.run("cat", trace)

    def apply(self, *, preshared_keys: Mapping[str, str] | None = None, **interface: Any) -> ModuleResult:
        """Run overlay_apply with one interface, wg0 by default."""
        wanted = {"name": "wg0", **interface}
        return self.module("overlay_apply", interfaces=[wanted], preshared_keys={wanted["name"]: preshared_keys or {}})

    def run(self, *argv: str, **options: Any) -> str:
        """Run a program in the host and return its output; a failure raises unless `check=False`."""
        return self.lab.run(self.name, argv, **options).stdout

    def shell(self, script: str, **options: Any) -> str:
        """Run a shell script in the host and return its output."""
        return self.run("sh", "-ec", script, **options)

    def write(self, path: str, text: str, mode: str = "600") -> None:
        """Put a file into the host."""
        self.shell(f'mkdir -p "$(dirname {path})"; cat >{path}; chmod {mode} {path}', input=text)

    def make_key(self, interface: str = "wg0", text: str | None = None) -> str:
        """Write a private key to the default path of overlay_apply, and return the path."""
        path = f"/etc/wireguard/{interface}.key"
        self.write(path, (text or key(f"private {interface} {self.name}")) + "\n")
        return path

    def wg_dump(self, interface: str = "wg0") -> list[list[str]]:
        """Return the fields of each line of `wg show INTERFACE dump`: the interface, then its peers."""
        return [line.split("\t") for line in self.run("wg", "show", interface, "dump").splitlines()]

    def addresses(self, interface: str = "wg0") -> set[str]:
        """Return the global addresses of an interface with their prefix lengths, as shown by `ip`."""
        (link,) = json.loads(self.run("ip", "-j", "addr", "show", "dev", interface))
        return {f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"] if a["scope"] == "global"}

    def routes(self, interface: str = "wg0") -> set[str]:
        """Return the destinations of our routes through an interface, as shown by `ip`."""
        found: set[str] = set()
        for family in ("-4", "-6"):
            shown = json.loads(self.run("ip", family, "-j", "route", "show", "dev", interface, "proto", "87"))
            found |= {entry["dst"] for entry in shown}
        return found

    def link(self, interface: str = "wg0") -> dict[str, Any] | None:
        """Return an interface as `ip -d link` shows it, None if it is missing."""
        links = json.loads(self.run("ip", "-j", "-d", "link"))
        return next((link for link in links if link["ifname"] == interface), None)

    @contextmanager
    def taken_port(self, port: int) -> Iterator[None]:
        """Bind a UDP port of the host, for IPv4 and IPv6."""
        script = (
            "import socket, sys; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); "
            f"s.bind(('::', {port})); print('bound', flush=True); sys.stdin.read()"
        )
        argv = [*self.lab.enter(self.name), sys.executable, "-c", script]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "bound\n"
            try:
                yield
            finally:
                holder.communicate()

    def daemons(self) -> list[str]:
        """Return the process ids of wireguard-go in this host."""
        inside = _output("ip", "netns", "pids", self.netns).split()
        names = _output("ps", "-o", "pid=,stat=,comm=", "-p", ",".join(inside)) if inside else ""
        return re.findall(r"^\s*(\d+) [^Z]\S*\s+wireguard-go", names, re.MULTILINE)

    def reset(self) -> None:
        """Remove every interface, process, route and file that a test may have created."""
        serving = self.daemons()
        self.shell(RESET)
        for pid in self.daemons():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        wait_until(lambda: not self.daemons() and not any(map(_runs, serving)), "wireguard-go has ended")
        self.shell("rm -f /var/run/wireguard/*")


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait for a condition; fail if it is not met in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not so after {seconds:.0f} s: {what}"
        time.sleep(0.02)


def _runs(pid: str) -> bool:
    """Return whether a thread of a process is left: each keeps all sockets open, even after the first one has ended."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        with open(f"/proc/{pid}/stat") as stat:
            return len(threads) > 1 or stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _output(*argv: str) -> str:
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False).stdout
