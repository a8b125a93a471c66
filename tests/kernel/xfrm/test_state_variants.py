# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`ip xfrm` lists our states exactly as those of iproute2, and the module recognises those of iproute2."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.result import StageResult
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.stages import converge_states
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.state_options import parse_states
from ipsec_host import Hosts
from variants import STATES


def make_states(options: dict[str, Any], memory: str) -> list[StageResult]:
    """Apply a state twice."""
    wanted = parse_states({"states": [options], "allow_nonce_reuse": True})
    return [converge_states(wanted, check_mode=False, boot_id=lambda: "boot", uses_path=memory) for _round in range(2)]


def remove_state(options: dict[str, Any], memory: str) -> StageResult:
    gone = {name: value for name, value in options.items() if name in ("dst", "proto", "spi", "mark", "reqid")}
    wanted = parse_states({"states": [{**gone, "state": "absent"}]})
    return converge_states(wanted, check_mode=False, boot_id=lambda: "boot", uses_path=memory)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if place % 5 else ()) for place, name in enumerate(STATES)]
)
def test_state_equals_that_of_iproute2(hosts: Hosts, name: str) -> None:
    ours, theirs = hosts
    variant = STATES[name]
    theirs.xfrm(f"state add {variant.words}")
    made, again = ours.quick(make_states, variant.options, ours.memory)
    assert made.counts == {"created": 1, "updated": 0, "replaced": 0, "deleted": 0} and made.requests == 1
    assert not again.changed, again.diff()
    assert ours.states() == theirs.states() != ""
    assert ours.limits("state") == theirs.limits("state") != []
    recognised, _again = theirs.quick(make_states, variant.options, theirs.memory)
    assert not recognised.changed and recognised.requests == 0, recognised.diff()
    assert ours.quick(remove_state, variant.options, ours.memory).counts["deleted"] == 1
    assert ours.states() == ""


def test_there_are_enough_states_of_both_families() -> None:
    six = [name for name, variant in STATES.items() if ":" in variant.words]
    assert len(STATES) >= 40 and len(six) >= 5
