# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twelve steps for rules and routes, observed with `ip`: create, modify and delete, each twice, and each first in check mode,
which must predict the real run and change nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fib_host import TABLE
from managed_host import ManagedHost

Arguments = Mapping[str, Any]

# One process for all. For a missing table, `ip` ends its output after the first bracket.
SCRIPT = f"""
ip -4 -N -j -d rule; echo @@; ip -6 -N -j -d rule; echo "##"
for table in {TABLE} main; do
    ip -4 -N -j -d route show table $table 2>/dev/null || :; echo @@
    ip -6 -N -j -d route show table $table 2>/dev/null || :
    [ $table = main ] || echo "##"
done
"""


def observe(host: ManagedHost) -> dict[str, Any]:
    """Return all rules, and the routes of the tests' table and of main."""
    parts = [part.split("@@\n") for part in host.shell(SCRIPT).split("##\n")]
    rules, routes, main = (
        [json.loads(text) if text.strip() not in ("", "[") else [] for text in part] for part in parts
    )
    return {
        "rules": rules,
        "routes": [sorted(listed, key=json.dumps) for listed in routes],
        # The kernel sets the carrier state and the link-local network of a link asynchronously.
        "main": [
            {name: value for name, value in route.items() if name != "flags"}
            for listed in main
            for route in listed
            if not route["dst"].startswith("fe80:")
        ],
    }


def take_twelve_steps(host: ManagedHost, module: str, create: Arguments, modify: Arguments, delete: Arguments) -> None:
    """Take the twelve steps. Every assertion names the step."""
    for step, arguments in (("create", create), ("modify", modify), ("delete", delete)):
        before = observe(host)
        predicted = host.module(module, check_mode=True, **arguments)
        assert predicted.changed, f"{step}, check mode: {predicted.output}"
        assert observe(host) == before, f"{step}: check mode changed the host"
        done = host.module(module, **arguments)
        after = observe(host)
        assert done.changed and after != before, f"{step}: {done.output}"
        assert predicted.diff == done.diff, f"{step}: the real diff is not the one that check mode showed"
        assert done.diff["before"] != done.diff["after"], f"{step}: changed, and nothing in the diff"
        assert "\n+" in done.shown_diff or "\n-" in done.shown_diff, f"{step}: the diff cannot be shown"
        for again in (host.module(module, check_mode=True, **arguments), host.module(module, **arguments)):
            assert not again.changed, f"{step} again: {again.output}"
            assert again.diff == {"before": {}, "after": {}} and again.data["requests"] == 0, f"{step} again"
        assert observe(host) == after, f"{step} again: changed the host and did not say so"
