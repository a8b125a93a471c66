# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""systemd units: reload, start, stop, by systemctl(1).

This module is private to the collection.
"""

from __future__ import annotations

import subprocess
from contextlib import suppress

# Seconds. Starting a unit takes up to 90 by default (DefaultTimeoutStartSec=, systemd-system.conf(5)).
_PATIENCE = 100


def reload() -> None:
    """Reload unit files. Raises OSError."""
    _ask("daemon-reload")


def start(unit: str) -> None:
    """Start a unit. Raises OSError."""
    _ask("start", unit)


def retire(unit: str) -> None:
    """Stop a removed unit and reset its failed state; an unknown or stopped unit is no error."""
    for verb in ("stop", "reset-failed"):
        with suppress(OSError):
            _run(verb, unit)


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = ["systemctl", *arguments]
    try:
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"{' '.join(argv)}: no answer within {_PATIENCE} s") from None


def _ask(*arguments: str) -> None:
    done = _run(*arguments)
    if done.returncode:
        raise OSError(f"systemctl {' '.join(arguments)}: {done.stderr.strip() or f'exit code {done.returncode}'}")
