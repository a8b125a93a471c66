# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the master secrets of a fleet can be used, before anything is changed. No message quotes a secret.

This plugin util is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from ._master_secret import MINIMUM_BYTES
from ._problems import Problem
from ._variable_reader import shown, whole_number

_MASTERS, _EPOCH = ("psk_master", "ipsec_master"), "psk_epoch"
# The default of a role, which takes the variable that all roles share. To evaluate it for each host costs more.
_SHARED_DEFAULT = re.compile(r"\{\{ (overlay_[a-z_]+) \| default\([^()]*\) \}\}")


def secret_problems(
    host: str, prefix: str, variables: Mapping[str, object], evaluate: Callable[[object], object]
) -> Iterator[Problem]:
    """Yield what is wrong with the master secrets of a host and their epoch.

    variables: those of the host, not templated. evaluate: returns the value of one; raises ValueError where it has none.
    """
    for name in (*_MASTERS, _EPOCH):
        variable, raw = source_of(prefix + name, variables)
        if raw is None or raw == "":
            continue
        try:
            value = evaluate(raw)
        except ValueError:
            continue  # the task that uses it names the error
        text = _epoch_problem(value) if name == _EPOCH else _master_problem(value)
        if text:
            yield Problem(host, variable, text)


def source_of(name: str, variables: Mapping[str, object]) -> tuple[str, object]:
    """Return the variable that the user sets: of a role, or the one of all roles, which is its default; and its value."""
    raw = variables.get(name)
    shared = _SHARED_DEFAULT.fullmatch(raw) if isinstance(raw, str) else None
    return (shared[1], variables.get(shared[1])) if shared else (name, raw)


def _master_problem(value: object) -> str:
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        return "the master secret must be text; write it in quotes"
    if len(value.encode("utf-8")) < MINIMUM_BYTES:
        return f"the master secret is shorter than {MINIMUM_BYTES} bytes; take one of `openssl rand -base64 32`"
    return ""


def _epoch_problem(value: object) -> str:
    epoch = 0 if value is None or value == "" else whole_number(value)
    if epoch is not None and epoch >= 0:
        return ""
    return f"{shown(value)} is not a whole number from 0"
