# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A new connection to a host: an established one can outlive the path that a next one would need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible.plugins.connection import ConnectionBase

SSH, ARGUMENTS = "ssh", "ssh_args"
# Of options that are given twice ssh(1) takes the first, and these come before those of users and of ssh_config(5).
UNSHARED = "-o ControlMaster=no -o ControlPath=none"


@contextmanager
def fresh(connection: Any) -> Iterator[None]:
    """Let the commands in the block use a new connection to the same host.

    The plugin ssh starts a process for each command, which may share the TCP connection of an earlier one; in the block it
    does not. Other plugins are reset, and those that cannot be have nothing to reset.
    """
    if getattr(connection, "transport", "") != SSH:
        if type(connection).reset is not ConnectionBase.reset:
            connection.reset()
        yield
        return
    before = connection.get_option(ARGUMENTS)
    connection.set_option(ARGUMENTS, f"{UNSHARED} {before or ''}".strip())
    try:
        yield
    finally:
        connection.set_option(ARGUMENTS, before)
