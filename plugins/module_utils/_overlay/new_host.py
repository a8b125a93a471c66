# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a role says of a host that gets its first key: that its overlay cannot work, before anything else is done.

This module is private to the collection.
"""

from __future__ import annotations

import os

from .._preflight.findings import NOTE, findings
from .._preflight.options import Wanted
from .._preflight.read_state import read_new_host


def warnings(interface: str, *, userspace: bool, controller_time: float) -> list[str]:
    """Return a warning for each error or loss that is found. controller_time: in seconds since 1970, 0 if unknown."""
    wanted = Wanted(interface, userspace=userspace, controller_time=controller_time)
    found = findings(read_new_host(dict(os.environ)), wanted)
    return [f"{one.cause}; {one.remedy}" for one in found if one.level != NOTE and one.check != "boot"]
