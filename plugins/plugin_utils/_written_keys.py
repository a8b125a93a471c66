# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts on which this run of Ansible has written private key files, for what a refused plan says of changed hosts.

They are in a file in the temporary directory of the run, because a task cannot tell whether a fact is of this run, and workers
share no memory. Like `_other_hosts`, this plugin util needs Ansible. It is private to the collection.
"""

from __future__ import annotations

import os

from ansible import constants as C

_NAME = "wirewright_overlay_written_keys"


def add_written_keys(host: str) -> None:
    """Record that key files were written on a host. One small write with O_APPEND, which no other worker splits."""
    with open(_path(), "a", encoding="utf-8") as file:
        file.write(host + "\n")


def hosts_with_written_keys() -> list[str]:
    """Return the hosts on which key files were written, sorted."""
    try:
        with open(_path(), encoding="utf-8") as file:
            return sorted(set(file.read().splitlines()))
    except FileNotFoundError:
        return []


def _path() -> str:
    return os.path.join(C.DEFAULT_LOCAL_TMP, _NAME)
