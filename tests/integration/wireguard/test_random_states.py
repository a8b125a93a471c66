# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From one random state to the next: the wanted state is reached, and a second run changes nothing."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.result import StageResult
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.module_options import parse_module_peers
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.interfaces import converge_interface
from managed_host import ManagedHost, key
from numbered_peers import create_device

pytestmark = pytest.mark.both

KEYS = [key(("random", number)) for number in range(8)]
NETWORKS = ["10.1.0.0/16", "10.1.2.0/24", "10.2.0.1/32", "0.0.0.0/0", "fd01::/48", "fd01::1/128", "::/0"]
ENDPOINTS = ["192.0.2.40:1", "192.0.2.41:65535", "[2001:db8:1::40]:51820", "[fe80::40%eth0]:51820"]

State = dict[str, dict[str, Any]]


def random_entry(choice: random.Random, public_key: str, free: list[str]) -> dict[str, Any]:
    """Return one peer for wg_peer: each option is left out, cleared or set."""
    entry: dict[str, Any] = {"public_key": public_key}
    if choice.random() < 0.2:
        return {**entry, "state": "absent"}
    if choice.random() < 0.6:
        entry["preshared_key"] = choice.choice(["", key("psk 1"), key("psk 2")])
    if choice.random() < 0.6:
        entry["persistent_keepalive"] = choice.choice([0, 1, 25, 65535])
    if choice.random() < 0.6:
        entry["endpoint"] = choice.choice(ENDPOINTS)
    if choice.random() < 0.7:
        entry["allowed_ips"] = [free.pop() for _time in range(min(choice.randrange(4), len(free)))]
    return entry


def expect(state: State, entries: Sequence[dict[str, Any]], purge: bool) -> State:
    """Return the state that must follow, by the rules of wg_peer's documentation."""
    after = {public_key: {**peer, "allowed_ips": set(peer["allowed_ips"])} for public_key, peer in state.items()}
    named = {entry["public_key"] for entry in entries}
    for entry in entries:
        if entry.get("state") == "absent":
            after.pop(entry["public_key"], None)
            continue
        blank = {"preshared_key": "", "endpoint": "", "persistent_keepalive": 0, "allowed_ips": set()}
        peer = after.setdefault(entry["public_key"], blank)
        for option in ("preshared_key", "endpoint", "persistent_keepalive"):
            peer[option] = entry.get(option, peer[option])
    for public_key in [public_key for public_key in after if purge and public_key not in named]:
        del after[public_key]
    for entry in entries:
        if "allowed_ips" in entry and entry["public_key"] in after:
            for peer in after.values():
                peer["allowed_ips"] -= set(entry["allowed_ips"])
    for entry in entries:
        if "allowed_ips" in entry and entry["public_key"] in after:
            after[entry["public_key"]]["allowed_ips"] = set(entry["allowed_ips"])
    return after


def shown() -> State:
    """Return the peers of wg0 as shown by `wg`."""
    output = subprocess.run(["wg", "show", "wg0", "dump"], stdout=subprocess.PIPE, text=True, check=True).stdout
    state = {}
    for line in output.splitlines()[1:]:
        public_key, preshared_key, endpoint, allowed_ips, *_counters, keepalive = line.split("\t")
        state[public_key] = {
            "preshared_key": preshared_key.replace("(none)", ""),
            "endpoint": without_scope(endpoint.replace("(none)", "")),
            "persistent_keepalive": int(keepalive.replace("off", "0")),
            "allowed_ips": set(allowed_ips.replace("(none)", "").split(",")) - {""},
        }
    return state


def without_scope(endpoint: str) -> str:
    """Return an endpoint as shown by wireguard-go, which omits the scope of a link-local one."""
    return endpoint.replace("%eth0", "")


def wander(seed: int, steps: int) -> int:
    """Take random steps on wg0 of this host; returns how many of them changed something."""
    choice = random.Random(seed)  # noqa: S311   no secret is made of it
    state: State = {}
    changes = 0
    for step in range(steps):
        free = choice.sample(NETWORKS, len(NETWORKS))
        entries = [random_entry(choice, public_key, free) for public_key in choice.sample(KEYS, choice.randrange(6))]
        purge = choice.random() < 0.3
        before, state = state, expect(state, entries, purge)
        where = f"seed {seed}, step {step}: {entries}, purge {purge}"
        result = converge(entries, purge)
        expected = {
            public_key: {**peer, "endpoint": without_scope(peer["endpoint"])} for public_key, peer in state.items()
        }
        assert shown() == expected, where
        again = converge(entries, purge)
        assert not again.changed, f"{where}: {again.diff()}"
        if before != state:
            assert result.changed and result.requests == 1, where
            changes += 1
        assert shown() == expected, where
    return changes


def converge(entries: Sequence[dict[str, Any]], purge: bool) -> StageResult:
    wanted = parse_module_peers("wg0", entries, purge, allow_mass_removal=True)
    return converge_interface(wanted, check_mode=False)


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_random_states_follow_each_other(host: ManagedHost, seed: int) -> None:
    create_device(host)
    assert host.call(wander, seed, 30) > 15
