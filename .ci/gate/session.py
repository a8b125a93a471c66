# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The session of a gate: commands whose output is logged, and exceptions that end the gate."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache/gates"
DEVELOPMENT = ROOT / ".venv/bin"


class GateFailed(Exception):
    """The gate failed; the text is the reason."""


class GateSkipped(Exception):
    """This machine lacks what the gate needs; the text names it."""


class Session:
    """The commands of one gate."""

    def __init__(self, log: Path) -> None:
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("")

    def note(self, text: str) -> None:
        """Write a line to the log."""
        with self.log.open("a") as file:
            file.write(f"{text}\n")

    def run(
        self,
        *argv: str | Path,
        cwd: Path = ROOT,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        accept: Sequence[int] = (0,),
        timeout: float = 1200,
    ) -> str:
        """Run a command and return its output, errors included; an exit code that is not accepted ends the gate."""
        words = [str(word) for word in argv]
        self.note(f"$ {' '.join(words)}")
        try:
            done = subprocess.run(
                words,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise GateFailed(f"time-out after {timeout:.0f} s: {' '.join(words)[:200]}") from error
        self.note(done.stdout)
        if done.returncode not in accept:
            raise GateFailed(f"exit code {done.returncode}: {' '.join(words)[:200]}")
        return done.stdout

    def tail(self, lines: int = 60) -> str:
        """Return the end of the log."""
        return "\n".join(self.log.read_text().splitlines()[-lines:])
