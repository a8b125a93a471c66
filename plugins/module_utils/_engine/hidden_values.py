# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Messages of ansible-core about options of a wrong type, without the values that they quote. Only a run that fails needs it.

This module is private to the collection.
"""

from __future__ import annotations

import re

# Names of options are in lower case and have no digits; keys in base64 or hexadecimal are as long as this, or longer.
_VALUE = re.compile(r"(?=[a-z_]*[A-Z0-9+/=])[A-Za-z0-9+/=_-]{16,}")


def without_values(text: str) -> str:
    """Return a text with all that could be a key replaced, wherever it is: a value of a wrong type may hold one."""
    return _VALUE.sub("(hidden)", text)
