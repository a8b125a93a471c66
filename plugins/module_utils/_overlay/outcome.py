# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a run did to a host, or would do in check mode: one result for each stage.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .._engine.result import StageResult

INTERFACES = "interfaces"


class SectionKey(NamedTuple):
    """Identifies one stage: the kind, which is an option or a key of the result, and the interface or routing table."""

    kind: str
    item: str = ""

    @property
    def label(self) -> str:
        """The name in a diff. No interface name has a space, so it is unique."""
        if self.kind == INTERFACES:
            return self.item
        return self.kind.replace("_", " ") + (f" of table {self.item}" if self.item else "")


@dataclass(frozen=True)
class HostResult:
    """The results of all stages."""

    sections: Mapping[SectionKey, StageResult]

    @property
    def changed(self) -> bool:
        """Whether any stage changed anything."""
        return any(one.changed for one in self.sections.values())

    def changes(self) -> list[dict[str, Any]]:
        """Return what changed, by kind of object and action, for a summary."""
        if not self.changed:
            return []
        from .changes import summarized

        return summarized((section.kind, one) for section, one in self.sections.items() if one.changed)

    def by_label(self) -> dict[str, StageResult]:
        """Return the results by their names in a diff."""
        return {section.label: one for section, one in self.sections.items()}

    def values(self) -> dict[str, Any]:
        """Return details, counts and requests by kind; of interfaces by name, of routes by table."""
        found: dict[str, Any] = {INTERFACES: {}, "changes": self.changes()}
        for section, one in self.sections.items():
            values = {**one.details, **one.counts, "requests": one.requests}
            if section.item:
                found.setdefault(section.kind, {})[section.item] = values
            else:
                found[section.kind] = values
        return found
