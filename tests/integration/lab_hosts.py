# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lab hosts for tests, and playbooks run on them.

with Lab() as lab:
    lab.up(["h1", "h2"])
    lab.inventory(mesh_network="10.42.0.0/24")
    play = lab.playbook("site.yml")
    assert play.rc == 0 and play.changed == 0, play
    lab.run("h1", ["ping", "-c", "1", "10.42.0.2"])
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playbook_runs import run_playbook

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "playbooks/files/lab.py"
CALLBACKS = Path(__file__).parent / "callback_plugins"
ARCHIVES = ROOT / ".cache/archives"

FORWARD_NOTHING = """
for file in /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding; do
    if [ -e $file ] && [ "$(cat $file)" != 0 ]; then echo 0 >$file; fi
done
"""

# Variables of this process that hosts do not get. With the first, Python reads a module from its standard input byte by byte;
# with the second, each run compiles the plugins of this checkout.
NOT_IN_HOSTS = ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")

_serial = itertools.count(1)


@dataclass
class Play:
    """The result of a playbook run."""

    rc: int
    stdout: str
    stderr: str
    recap: dict[str, dict[str, int]]
    events: list[dict[str, Any]] = field(repr=False)
    remote_calls: dict[str, int] = field(default_factory=dict)
    """Calls of each host's shell, file transfers included; counted only with `-vvv`."""

    @property
    def changed(self) -> int:
        """The number of tasks that changed something, over all hosts."""
        return sum(counts["changed"] for counts in self.recap.values())

    def results(self, *, host: str | None = None, task: str | None = None, action: str | None = None) -> list[Any]:
        """Return task results, in order; `task` may be a part of its name."""
        return [
            event["result"]
            for event in self.events
            if (host is None or event["host"] == host)
            and (task is None or task in event["task"])
            and (action is None or event["action"] == action)
        ]

    def executions(self, host: str) -> dict[str, int]:
        """Return the number of runs of each action for a host, without skipped tasks."""
        counts: dict[str, int] = {}
        for event in self.events:
            if event["host"] == host and event["event"] != "skipped":
                counts[event["action"]] = counts.get(event["action"], 0) + 1
        return counts

    def __str__(self) -> str:
        return f"rc={self.rc}\n{self.stdout}\n{self.stderr}"


class Lab:
    """A lab with a unique name; leaving the context removes it and all its files."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name or f"t{os.getpid()}_{next(_serial)}"
        self.hosts: dict[str, dict[str, Any]] = {}
        self._files = tempfile.TemporaryDirectory(prefix="wirewright-")
        self.path = Path(self._files.name)

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.down()
        finally:
            self._files.cleanup()

    def up(self, hosts: Iterable[str] | Mapping[str, Iterable[str]], mtu: int = 1500) -> dict[str, Any]:
        """Add hosts, or repair them. Names alone get addresses in order: 192.0.2.11 and 2001:db8:1::11 first."""
        for name in hosts:
            if isinstance(hosts, Mapping):
                addresses = list(hosts[name])
            else:
                number = list(self.hosts).index(name) + 11 if name in self.hosts else len(self.hosts) + 11
                addresses = [f"192.0.2.{number}/24", f"2001:db8:1::{number}/64"]
            self.hosts[name] = {"addresses": addresses, "mtu": mtu}
        wanted = {"lab": self.name, "hosts": {name: self.hosts[name] for name in hosts}}
        done = self._program("up", stdin=json.dumps(wanted))
        for name in done["created"]:  # a new network namespace inherits sysctls of the machine, for example forwarding
            self.run(name, ["sh", "-c", FORWARD_NOTHING])
        return done

    def down(self, *hosts: str) -> dict[str, Any]:
        """Remove these hosts, or the whole lab."""
        for name in hosts or list(self.hosts):
            self.hosts.pop(name, None)
        return self._program("down", "--lab", self.name, *(f"--host={host}" for host in hosts))

    def enter(self, host: str) -> list[str]:
        """Return the command prefix that enters a host."""
        home = f"/run/wirewright-lab/{self.name}/{host}"
        net = f"--net=/run/netns/ww-{self.name}-{host}"
        return ["nsenter", net, f"--mount={home}/mnt", f"--uts={home}/uts", "--"]

    def run(self, host: str, argv: Iterable[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in a host; a failure raises unless `check=False`."""
        defaults = {"check": True, "capture_output": True, "text": True, "timeout": 60}
        return subprocess.run([*self.enter(host), *argv], **{**defaults, **options})  # pylint: disable=subprocess-run-check  # in the defaults

    def inventory(
        self, per_host: Mapping[str, Mapping[str, Any]] | None = None, group: str = "vpn", **variables: Any
    ) -> Path:
        """Write the inventory of all hosts, in one group with these variables, and return its path."""
        hosts = {}
        for name, spec in self.hosts.items():
            hosts[name] = {
                "ansible_connection": "wirewright.overlay.exec",
                "ansible_exec_prefix": self.enter(name),
                "ansible_python_interpreter": "/usr/bin/python3",
                "ansible_host": spec["addresses"][0].partition("/")[0],
                **(per_host or {}).get(name, {}),
            }
        path = self.path / "inventory.yml"
        # Tests verify connectivity themselves, lab hosts do not boot, and the guard of changes has tests of its own.
        common = {
            "overlay_userspace": True,
            "mesh_verify_seconds": 0,
            "overlay_persistence": "none",
            "overlay_confirm_timeout": 0,
        }
        path.write_text(json.dumps({group: {"hosts": hosts, "vars": {**common, **variables}}}))
        return path

    def playbook(
        self,
        play: str | Path,
        *args: str,
        env: Mapping[str, str] | None = None,
        under: Iterable[str] = (),
        timeout: float = 1200,
        from_archives: bool = False,
    ) -> Play:
        """Run a playbook, given as a path in the checkout or as text, with the inventory written last.

        ``under`` is a command that runs the playbook, such as strace; it may outlive the playbook. With ``from_archives``,
        each module is run by a Python of its own, from its archive, as on other hosts.
        """
        path = Path(play) if "\n" not in str(play) else self.path / "play.yml"
        if path.parent == self.path and "\n" in str(play):
            path.write_text(str(play))
        inventory = self.path / "inventory.yml"
        if not inventory.exists():
            self.inventory()
        results = self.path / "results.jsonl"
        results.unlink(missing_ok=True)
        arguments = ["-i", str(inventory), str(path), *args]
        callbacks = ["json_lines"] if from_archives or under else ["json_lines", "forked_modules"]
        variables = {**environment(*callbacks), "WIREWRIGHT_RESULTS": str(results), **(env or {})}
        outputs = (self.path / "stdout", self.path / "stderr")
        if under:
            command = [*under, str(Path(sys.executable).parent / "ansible-playbook"), *arguments]
            # A pipe would stay open until the last process that has it ends.
            with open(outputs[0], "w") as stdout, open(outputs[1], "w") as stderr:
                options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": stdout, "stderr": stderr}
                rc = subprocess.run(
                    command, cwd=ROOT, env=variables, timeout=timeout, check=False, **options
                ).returncode
        else:
            rc = run_playbook(arguments, variables, outputs, timeout)
        output, errors = (path.read_text() for path in outputs)
        lines = results.read_text().splitlines() if results.exists() else []
        events = [json.loads(line) for line in lines]
        recap: dict[str, dict[str, int]] = next((one["hosts"] for one in events if one["event"] == "recap"), {})
        tasks = [event for event in events if event["event"] != "recap"]
        return Play(rc, output, errors, recap, tasks, self._remote_calls(output))

    def _remote_calls(self, output: str) -> dict[str, int]:
        names = {spec["addresses"][0].partition("/")[0]: name for name, spec in self.hosts.items()}
        calls: dict[str, int] = {}
        for address in re.findall(r"^<(\S+)> (?:EXEC|PUT|FETCH) ", output, re.MULTILINE):
            host = names.get(address, address)
            calls[host] = calls.get(host, 0) + 1
        return calls

    def _program(self, *args: str, stdin: str = "") -> dict[str, Any]:
        argv = [sys.executable, str(PROGRAM), *args]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return dict(json.loads(done.stdout))


def environment(*callbacks: str) -> dict[str, str]:
    """Return the environment of playbooks: plays cost less than with Ansible alone, with the same results."""
    return {
        **{name: value for name, value in os.environ.items() if name not in NOT_IN_HOSTS},
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
        "ANSIBLE_CALLBACKS_ENABLED": ",".join([*callbacks, "kept_archives", "ready_workers"]),
        "WIREWRIGHT_ARCHIVES": str(archives()),
    }


def archives() -> Path:
    """Return the directory for archives of modules in their current state, as this ansible-core packs them."""
    # Not at the top: the gates use labs without an ansible-core of their own.
    from ansible import release as ansible_core

    sources = [ROOT / "plugins" / room for room in ("module_utils", "modules")] + [CALLBACKS]
    files = sorted(file for source in sources for file in source.rglob("*.py"))
    states = [f"{sys.prefix} {ansible_core.__version__}"]
    states += [f"{file} {(stat := file.stat()).st_size} {stat.st_mtime_ns}" for file in files]
    return ARCHIVES / hashlib.sha256("\n".join(states).encode()).hexdigest()[:16]


def shipped_playbook(lab: Lab, inventory: str, playbook: str, *options: str) -> str:
    """Run a playbook of the collection with an inventory that it ships, under a lab's name; return its output."""
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", inventory]
    done = subprocess.run(
        [*argv, *options, "-e", f"lab_name={lab.name}", f"wirewright.overlay.{playbook}"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
