# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What we ask of systemd, where it runs.

This module is private to the collection.
"""

from __future__ import annotations

import os
import subprocess

# What starts pods: what shall be closed to them is closed before.
KUBELETS = "kubelet.service k3s.service k3s-agent.service rke2-server.service rke2-agent.service"

# Present while systemd is the init system (sd_booted(3)).
_MARK = "/run/systemd/system"


def is_running() -> bool:
    """Return whether systemd runs this host."""
    return os.path.isdir(_MARK)


def reload() -> None:
    """Tell systemd of new unit files. Raises OSError."""
    _ask("daemon-reload")


def start(unit: str) -> None:
    """Start a unit. Raises OSError."""
    _ask("start", unit)


def retire(unit: str) -> None:
    """Stop a unit that is no more, and forget that it failed to stop; that it is unknown or stopped is no error."""
    for verb in ("stop", "reset-failed"):
        subprocess.run(["systemctl", verb, unit], capture_output=True, check=False)


def _ask(*arguments: str) -> None:
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"systemctl {' '.join(arguments)}: {done.stderr.strip() or f'exit code {done.returncode}'}")
