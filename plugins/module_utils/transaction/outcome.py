# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a run did, or in check mode would do: to one interface, and to a host.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from .desired import WantedInterface
from .plan import Plan

if TYPE_CHECKING:
    from ..stage import Outcome as StageOutcome


@dataclass(frozen=True)
class Outcome:
    """What a run did, or in check mode would do, to one interface."""

    plan: Plan
    wanted: WantedInterface
    warnings: tuple[str, ...] = ()
    requests: int = 0


class Section(NamedTuple):
    """One kind of object beside interfaces; routes have a section for each table."""

    kind: str
    table: int = 0

    @property
    def label(self) -> str:
        """The section's name in a diff; no interface can have it."""
        return self.kind.replace("_", " ") + (f" of table {self.table}" if self.table else "")


@dataclass(frozen=True)
class HostOutcome:
    """What a run did, or in check mode would do."""

    interfaces: Sequence[Outcome]
    sections: Mapping[Section, StageOutcome] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether there was anything to do."""
        return any(one.plan for one in self.interfaces) or any(one.changed for one in self.sections.values())
