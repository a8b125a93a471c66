# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher as its unit runs it: another user, with two capabilities and no way to more; and pings as the witness."""

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
    """The program and its configuration, where another user may read them."""

    directory: Path

    @property
    def log(self) -> Path:
        return self.directory / "stderr"

    def lines(self) -> list[str]:
        """Return what all watchers have said."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def configure(self, document: dict[str, Any]) -> None:
        """Write the configuration file."""
        (self.directory / "failover.json").write_text(json.dumps(document))

    def argv(self, *options: str) -> list[str]:
        """Return the command by which the unit starts the program, with its privileges."""
        program, config = self.directory / PROGRAM.name, self.directory / "failover.json"
        (start,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
        *python, path = start.split()
        assert Path(path).name == program.name
        return [*privileges(), *python, str(program), "--config", str(config), *options]

    @contextmanager
    def watching(self, start: Start, *options: str) -> Iterator[subprocess.Popen[str]]:
        """Run the watcher by what starts programs on the spoke, from when it has said by whom routes lead."""
        said = len(self.lines())
        with self.log.open("a") as log, start(*self.argv(*options), stderr=log) as process:
            try:
                wait_until(lambda: len(self.lines()) > said, "the watcher speaks", 20)
                yield process
            finally:
                process.terminate()

    def wait_for(self, text: str, seconds: float = 20, since: int = 0) -> None:
        """Wait until a watcher says something that contains this."""
        wait_until(lambda: any(text in line for line in self.lines()[since:]), f"{text!r} in {self.lines()}", seconds)


@contextmanager
def install() -> Iterator[Installed]:
    """Put the program where every user can read it."""
    with tempfile.TemporaryDirectory(prefix="wirewright-") as directory:
        Path(directory).chmod(0o755)
        shutil.copyfile(PROGRAM, Path(directory, PROGRAM.name))
        yield Installed(Path(directory))


def privileges() -> list[str]:
    """Return the command prefix that gives and takes what the unit does."""
    unit = UNIT.read_text()
    (given,) = re.findall(r"^AmbientCapabilities=(.*)$", unit, re.MULTILINE)
    assert f"CapabilityBoundingSet={given}" in unit and "NoNewPrivileges=yes" in unit and "DynamicUser=yes" in unit
    capabilities = ",".join(["-all", *(f"+{name.lower().removeprefix('cap_')}" for name in given.split())])
    kinds = [f"--{kind}={capabilities}" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", *kinds]


@dataclass(frozen=True)
class Pings:
    """A ping that goes on, with its output in a file."""

    output: Path

    def replies(self) -> dict[int, float]:
        """Return the times of all replies so far by their sequence number."""
        found = re.findall(r"^\[([\d.]+)\] \d+ bytes from .*icmp_seq=(\d+)", self.output.read_text(), re.MULTILINE)
        return {int(number): float(time) for time, number in found}

    def last(self) -> int:
        return max(self.replies(), default=0)

    def wait_for_more(self, count: int, seconds: float = 60) -> None:
        """Wait for so many replies from now on."""
        wanted = len(self.replies()) + count
        wait_until(lambda: len(self.replies()) >= wanted, f"{count} more replies in {self.output}", seconds)

    def lost(self, first: int, last: int) -> list[int]:
        """Return the numbers of the requests, from one to another, that were not answered."""
        return sorted({*range(first, last + 1)} - self.replies().keys())

    def longest_silence(self) -> float:
        """Return the longest time between two replies, in seconds."""
        times = [time for _number, time in sorted(self.replies().items())]
        return max(after - before for before, after in zip(times, times[1:]))


@contextmanager
def pinging(start: Start, address: str, directory: Path) -> Iterator[Pings]:
    """Ping an address fifty times a second, from when the first reply has come."""
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
