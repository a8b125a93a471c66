# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gates: checks of a release, which `.ci/gates` runs."""

from __future__ import annotations

from collections.abc import Callable

from gate import checks, plays
from gate.session import Session

# Cheap ones first.
GATES: dict[str, Callable[[Session], None]] = {
    "build": checks.build,
    "importer": checks.importer,
    "units-oldest-python": checks.units_oldest,
    "units-newest-python": checks.units_newest,
    "site-core-2.19": plays.site_with_core("2.19", (3, 11), (3, 13)),
    "site-core-2.21": plays.site_with_core("2.21", (3, 12), (3, 14)),
    "site-core-newest": plays.site_with_newest_core,
    "importing-project": plays.importing_project,
    "pyroute2-versions": plays.pyroute2_versions,
    "sanity-oldest-core": checks.sanity_oldest,
    "sanity-newest-core": checks.sanity_newest,
}

# Left out unless named, or all are wanted, and why.
SLOW = {
    "importer": "the linters and sanity read the same files; make gates also runs Galaxy's importer",
    "units-newest-python": "the oldest Python runs these tests, and that of the unit tier; make gates also runs the newest",
    "site-core-2.19": "importing-project runs plays with this ansible-core; make gates also runs the site",
    "site-core-2.21": "the oldest and the newest ansible-core run plays; make gates also runs the site with this one",
    "sanity-oldest-core": "ruff and mypy read the same files; make gates also runs pylint, and what depends on this ansible-core",
}
