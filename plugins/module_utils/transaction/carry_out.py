# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The plan for a host, carried out in a safe order, and read back.

Interfaces come first and go last, so that what stands on them finds them.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..netlink.connection import Connection
from ..stage import Outcome, make, remove, verify
from .apply import Prepared
from .execute import execute
from .outcome import HostOutcome
from .section_stages import Stages, fib_stages
from .wanted_sections import ROUTES, Interfaces


def carry_out(
    fib: Connection,
    prepared: Sequence[Prepared],
    stages: Stages | None,
    options: Mapping[str, Any],
    interfaces: Interfaces,
) -> HostOutcome:
    """Do what was planned and return what was done. Raises NotConverged, and OSError where the kernel refuses."""
    around, inside, boot = stages or Stages({}, {}, {})
    filtered = make(list(around.values()))  # what shall not be forwarded must not be, from the first packet on
    done = {one.name: execute(fib, one) for one in prepared if one.wanted.present}
    if options.get(ROUTES) and any(one.index == 0 for one in prepared):
        # What leads through an interface that was made just now has its index only now.
        from .sections import parse_sections

        again = parse_sections({ROUTES: options[ROUTES]}, interfaces.index_of)
        inside.update(fib_stages(fib, again, interfaces))
    made, removed = make(list(inside.values())), remove(list(inside.values()))
    done.update({one.name: execute(fib, one) for one in prepared if not one.wanted.present})
    unfiltered = remove(list(around.values()))
    make(list(boot.values()))  # what boots is what runs, so what runs comes first
    verify([*around.values(), *inside.values(), *boot.values()])
    sent = zip({**around, **inside}.items(), (*filtered, *made), (*unfiltered, *removed))
    outcomes = {section: Outcome(stage, sum(requests)) for (section, stage), *requests in sent}
    outcomes.update({section: Outcome(stage) for section, stage in boot.items()})
    return HostOutcome([done[one.name] for one in prepared], outcomes)
