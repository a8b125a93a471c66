# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a run did, as every stage reports it.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .shown import Change, Diff


@dataclass(frozen=True)
class StageResult:
    """What a run did to the objects of one stage, or would do in check mode.

    ``counts`` has the number of objects created, updated and deleted; of an interface, by kind. ``diff`` returns what
    ``--diff`` shows. ``details`` are values that the module returns with the counts, such as a public key.
    ``changes`` returns the objects for a summary; where it returns none, ``counts`` are all there is to say.
    """

    changed: bool
    counts: Mapping[str, Any]
    diff: Callable[[], Sequence[Diff]] = field(repr=False)
    warnings: tuple[str, ...] = ()
    requests: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)
    changes: Callable[[], Iterable[Change]] = field(default=tuple, repr=False)
