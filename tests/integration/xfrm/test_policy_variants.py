# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`ip xfrm` lists our policies exactly as those of iproute2, and the module recognises those of iproute2."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.result import StageResult
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.policy_options import parse_policies
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.stages import converge_policies
from ipsec_host import Hosts
from variants import POLICIES


def make_policies(options: dict[str, Any]) -> list[StageResult]:
    """Apply a policy twice."""
    wanted = parse_policies({"policies": [options]})
    return [converge_policies(wanted, check_mode=False) for _round in range(2)]


@pytest.mark.parametrize("name", POLICIES)
def test_policy_equals_that_of_iproute2(hosts: Hosts, name: str) -> None:
    ours, theirs = hosts
    variant = POLICIES[name]
    theirs.xfrm(f"policy add {variant.words}")
    made, again = ours.quick(make_policies, variant.options)
    assert made.counts == {"created": 1, "updated": 0, "deleted": 0} and made.requests == 1
    assert not again.changed, again.diff()
    assert ours.policies() == theirs.policies() != ""
    assert ours.limits("policy") == theirs.limits("policy") != []
    recognised, _again = theirs.quick(make_policies, variant.options)
    assert not recognised.changed and recognised.requests == 0, recognised.diff()


def test_there_are_enough_policies_of_both_families() -> None:
    six = [name for name, variant in POLICIES.items() if ":" in variant.words.split("tmpl")[0]]
    assert len(POLICIES) >= 40 and len(six) >= 10
