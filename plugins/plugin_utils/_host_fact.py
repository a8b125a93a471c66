# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fact of `overlay_prepare`: its name, and the run of Ansible that gathered it.

A persistent fact cache returns the facts of earlier runs, and perhaps of another controller, without a word about their age.
Like `_fleet_variables`, this plugin util needs Ansible. It is private to the collection.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ansible import constants as C

FACT = "wirewright_overlay"
_RUN = "run"


def of_this_run(fact: Mapping[str, Any]) -> dict[str, Any]:
    """Return a fact that says which run gathered it."""
    return {**fact, _RUN: _run()}


def is_of_this_run(fact: Mapping[str, Any]) -> bool:
    """Return whether this run of Ansible gathered a fact."""
    return fact.get(_RUN) == _run()


def _run() -> str:
    """Return an identifier of this run: all its workers have the name of its temporary directory, which has a random part."""
    return hashlib.sha256(C.DEFAULT_LOCAL_TMP.encode()).hexdigest()[:16]
