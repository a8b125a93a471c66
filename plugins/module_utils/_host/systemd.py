# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""systemd units: reload, start, stop.

This module is private to the collection.
"""

from __future__ import annotations

import os
import subprocess

# Units that start pods: plaintext is dropped before they start.
KUBELETS = "kubelet.service k3s.service k3s-agent.service rke2-server.service rke2-agent.service"

# Present while systemd is the init system (sd_booted(3)).
_MARK = "/run/systemd/system"


def is_running() -> bool:
    """Return whether systemd runs this host."""
    return os.path.isdir(_MARK)


def reload() -> None:
    """Reload unit files. Raises OSError."""
    _ask("daemon-reload")


def start(unit: str) -> None:
    """Start a unit. Raises OSError."""
    _ask("start", unit)


def retire(unit: str) -> None:
    """Stop a removed unit and reset its failed state; an unknown or stopped unit is no error."""
    for verb in ("stop", "reset-failed"):
        subprocess.run(["systemctl", verb, unit], capture_output=True, check=False)


def _ask(*arguments: str) -> None:
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"systemctl {' '.join(arguments)}: {done.stderr.strip() or f'exit code {done.returncode}'}")
