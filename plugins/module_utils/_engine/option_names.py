# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Names of options in messages.

A message names an option as documentation does: `O(listen_port)` or `O(adopt=true)`. Whoever called the module may have set
it by a variable of a role. So the name is inserted last, where a module exits.

This module is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_OPTION = re.compile(r"\bO\(([a-z_]+)(?:=([^()]*))?\)")


def spoken(message: str, variables: Mapping[str, str]) -> str:
    """Return a message with each option as its variable, or by its own name where none set it."""

    def name(found: re.Match[str]) -> str:
        option, value = found.groups()
        variable = variables.get(option) or option
        return variable if value is None else f"{variable}: {value}"

    return _OPTION.sub(name, message)
