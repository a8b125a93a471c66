# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The failover program as its unit runs it: another user with two capabilities; and pings that measure the effect."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from managed_host import wait_until

FILES = Path(__file__).parents[3] / "roles/hub_spoke/files"
PROGRAM = FILES / "wirewright-overlay-failover"
UNIT = FILES.parent / "templates/wirewright-overlay-failover.service.j2"

Start = Callable[..., "subprocess.Popen[str]"]


@dataclass(frozen=True)
class Installed:
    """The program and its configuration, readable by another user."""

    directory: Path

    @property
    def log(self) -> Path:
        return self.directory / "stderr"

    def lines(self) -> list[str]:
        """Return the log lines of all starts."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def configure(self, document: dict[str, Any]) -> None:
        """Write the configuration file."""
        (self.directory / "failover.json").write_text(json.dumps(document))

    def argv(self, *options: str) -> list[str]:
        """Return the command of the unit, with its privileges."""
        program, config = self.directory / PROGRAM.name, self.directory / "failover.json"
        (start,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
        *python, path = start.split()
        assert Path(path).name == program.name
        return [*privileges(), *python, str(program), "--config", str(config), *options]

    @contextmanager
    def watching(self, start: Start, *options: str) -> Iterator[subprocess.Popen[str]]:
        """Run the program with `start`, from its first log line on."""
        before = len(self.lines())
        with self.log.open("a") as log, start(*self.argv(*options), stderr=log) as process:
            try:
                wait_until(lambda: len(self.lines()) > before, "the program has logged a line", 20)
                yield process
            finally:
                process.terminate()

    def wait_for(self, text: str, seconds: float = 20, since: int = 0) -> None:
        """Wait until a log line contains this."""
        wait_until(lambda: any(text in line for line in self.lines()[since:]), f"{text!r} in {self.lines()}", seconds)


@contextmanager
def install() -> Iterator[Installed]:
    """Install the program where every user can read it."""
    with tempfile.TemporaryDirectory(prefix="wirewright-") as directory:
        Path(directory).chmod(0o755)
        shutil.copyfile(PROGRAM, Path(directory, PROGRAM.name))
        yield Installed(Path(directory))


def privileges() -> list[str]:
    """Return the command prefix that sets the privileges of the unit."""
    unit = UNIT.read_text()
    (given,) = re.findall(r"^AmbientCapabilities=(.*)$", unit, re.MULTILINE)
    assert f"CapabilityBoundingSet={given}" in unit and "NoNewPrivileges=yes" in unit and "DynamicUser=yes" in unit
    capabilities = ",".join(["-all", *(f"+{name.lower().removeprefix('cap_')}" for name in given.split())])
    kinds = [f"--{kind}={capabilities}" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", *kinds]


@dataclass(frozen=True)
class Pings:
    """A continuous ping, with its output in a file."""

    output: Path

    def replies(self) -> dict[int, float]:
        """Return the times of all replies so far by their sequence number."""
        found = re.findall(r"^\[([\d.]+)\] \d+ bytes from .*icmp_seq=(\d+)", self.output.read_text(), re.MULTILINE)
        return {int(number): float(time) for time, number in found}

    def last(self) -> int:
        return max(self.replies(), default=0)

    def wait_for_more(self, count: int, seconds: float = 60) -> None:
        """Wait for a number of further replies."""
        wanted = len(self.replies()) + count
        wait_until(lambda: len(self.replies()) >= wanted, f"{count} more replies in {self.output}", seconds)

    def lost(self, first: int, last: int) -> list[int]:
        """Return the sequence numbers in a range without a reply."""
        return sorted({*range(first, last + 1)} - self.replies().keys())

    def longest_silence(self) -> float:
        """Return the longest time between two replies, in seconds."""
        times = [time for _number, time in sorted(self.replies().items())]
        return max(after - before for before, after in zip(times, times[1:]))


@contextmanager
def pinging(start: Start, address: str, directory: Path) -> Iterator[Pings]:
    """Ping an address fifty times a second, from the first reply on."""
    path = directory / f"ping {address}"
    with (
        path.open("w") as output,
        start("stdbuf", "-oL", "ping", "-nD", "-i", "0.02", address, stdout=output) as process,
    ):
        try:
            pings = Pings(path)
            pings.wait_for_more(1)
            yield pings
        finally:
            process.terminate()
