# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cilium's objects on a node are listed alike whether the modules or `ip xfrm` created them."""

from __future__ import annotations

from ipsec_host import Hosts
from variants import POLICIES, STATES

NAMES = [name for name in POLICIES if name.startswith("cilium")]


def objects(listing: str) -> list[str]:
    """Return the listing, object by object, in the order of creation."""
    return sorted(block.strip() for block in ("\n" + listing).split("\nsrc "))


def test_node_of_cilium(hosts: Hosts) -> None:
    ours, theirs = hosts
    # Cilium encrypts both directions under one key; the module requires an option for this.
    states = {
        "states": [STATES["cilium"].options, STATES["cilium inbound"].options],
        "allow_nonce_reuse": True,
    }
    policies = {"policies": [POLICIES[name].options for name in NAMES]}
    for name in ("cilium", "cilium inbound"):
        theirs.xfrm(f"state add {STATES[name].words}")
    for name in NAMES:
        theirs.xfrm(f"policy add {POLICIES[name].words}")
    assert ours.module("xfrm_state", **states).data["states"]["created"] == 2
    assert ours.module("xfrm_policy", **policies).data["policies"]["created"] == len(NAMES)
    assert objects(ours.states()) == objects(theirs.states())
    assert objects(ours.policies()) == objects(theirs.policies())
    for host in hosts:
        for check_mode in (True, False):
            assert not host.module("xfrm_state", **states, check_mode=check_mode).changed
            assert not host.module("xfrm_policy", **policies, check_mode=check_mode).changed
        # Cilium's objects are foreign, and not purged.
        for module in ("xfrm_state", "xfrm_policy"):
            assert not host.module(module, purge=True).changed
