# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The plan for a host, carried out in a safe order, and read back.

Interfaces come first and go last, so that what stands on them finds them.

This module is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..all_or_nothing import all_or_nothing
from ..netlink.connection import Connection
from ..stage import Begun, Outcome, make, remove, verify
from .apply import Prepared
from .execute import execute
from .outcome import HostOutcome, Section
from .outcome import Outcome as InterfaceOutcome
from .section_stages import ByTurn, Stages, fib_stages
from .wanted_sections import ROUTES, Interfaces


def carry_out(
    fib: Connection,
    prepared: Sequence[Prepared],
    stages: Stages | None,
    options: Mapping[str, Any],
    interfaces: Interfaces,
) -> HostOutcome:
    """Do what was planned and return what was done. Raises NotConverged, and OSError where the kernel refuses.

    What was done by then is taken back, and the error has a note of that.
    """
    around, inside, boot, last = stages or Stages({}, {}, {}, {})
    done: dict[str, InterfaceOutcome] = {}
    sent: Counter[Section] = Counter()
    filters: Begun = []
    devices: Begun = []
    standing: Begun = []
    files: Begun = []
    with all_or_nothing(lambda: [*filters, *devices, *standing, *files]):
        # What shall not be forwarded must not be, from the first packet on.
        sent.update(_counted(around, make(list(around.values()), filters)))
        done.update({one.name: execute(fib, one, devices) for one in prepared if one.wanted.present})
        if options.get(ROUTES) and any(one.index == 0 for one in prepared):
            # What leads through an interface that was made just now has its index only now.
            from .sections import parse_sections

            again = parse_sections({ROUTES: options[ROUTES]}, interfaces.index_of)
            inside.update(fib_stages(fib, again, interfaces))
        sent.update(_counted(inside, make(list(inside.values()), standing)))
        final = {section: stage for section, stage in inside.items() if stage.final}
        other = {section: stage for section, stage in inside.items() if not stage.final}
        sent.update(_counted(other, remove(list(other.values()))))
        done.update({one.name: execute(fib, one, devices) for one in prepared if not one.wanted.present})
        sent.update(_counted(around, remove(list(around.values()))))
        make(list(boot.values()), files)  # what boots is what runs, so what runs comes first
        verify([*around.values(), *other.values(), *boot.values()])
        # Behind all that could fail stands what cannot be taken back.
        sent.update(_counted(final, remove(list(final.values()))))
        make(list(last.values()), files)
        verify([*final.values(), *last.values()])
    carried = {**around, **inside, **boot, **last}
    outcomes = {section: Outcome(stage, sent[section]) for section, stage in carried.items()}
    return HostOutcome([done[one.name] for one in prepared], outcomes)


def _counted(stages: ByTurn, requests: Sequence[int]) -> dict[Section, int]:
    return dict(zip(stages, requests))
