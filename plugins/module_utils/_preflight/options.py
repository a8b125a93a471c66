# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The options of a preflight check.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .._engine.errors import InvalidOptions
from .._interface.option_types import interface_name

_LARGEST_PORT = 65535


class Wanted(NamedTuple):
    """What a host is to have, as in the module's documentation."""

    interface: str
    port: int = 0
    userspace: bool = False
    forwards: bool = False
    adopt: bool = False
    controller_time: float = 0


def checked(params: Mapping[str, Any]) -> Wanted:
    """Return the options. Raises InvalidOptions."""
    wanted = Wanted(**{name: params[name] for name in Wanted._fields})
    errors = []
    try:
        interface_name(wanted.interface)
    except ValueError as error:
        errors.append(f"interface: {error}")
    if not 0 <= wanted.port <= _LARGEST_PORT:
        errors.append(f"port: {wanted.port} is not a number from 0 to {_LARGEST_PORT}")
    if errors:
        raise InvalidOptions(errors)
    return wanted
