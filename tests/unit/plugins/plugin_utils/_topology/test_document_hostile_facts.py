# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile facts of one host: planning succeeds or is refused, and no text of them reaches another host."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import (
    NotInPlan,
    Secrets,
    host_document,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.plan import (
    plan_node_encryption,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput, PlanResult
from planned_fleet import host, key_of, remembered
from planned_hub_spoke import hub, spoke
from planned_nodes import NOW, node

VALUES: tuple[object, ...] = (
    *(None, True, 2**70, "wg0\n[Peer]\tx", [None, {}, "a"], {"a": 1, "b": {"c": []}}),
    # Digits of another script, and more than int() converts.
    *("\u00b2", "9" * 5000, f"{key_of('h2')}\t198.51.100.2:51820\t\u00b2"),
)
MASTER = "correct horse battery staple"
SECRETS = Secrets(ipsec_master=MASTER)
DEVICE: dict[str, Any] = {
    "addresses": ["10.42.0.9/24"],
    "peers": remembered("h2", "10.42.0.75", "198.51.100.2:51820"),
    "revoked": {key_of("gone"): "gone"},
    "notes": {"overlay": "mesh", "full_tunnel": "7000 100"},
    "sessions": f"{key_of('h2')}\t198.51.100.2:51820\t3",
}
FROM_CNI = {"node_ip_detection": "first-found", "pod_cidr_source": "cni", "node_ip": [], "pod_cidrs": []}
FROM_ROUTES = {**FROM_CNI, "node_ip_detection": "can-reach=1.1.1.1", "pod_cidr_source": "routes"}
LOCATED = {"granularity": "location", "location": "a"}


def nodes(variables: dict[str, Any]) -> list[HostInput]:
    """Return nodes, the first of them with every possible fact."""
    found = [node(1, variables), node(2, {name: value for name, value in variables.items() if name not in FROM_CNI})]
    fact: Any = found[0].fact
    subnet = {"subnet": "10.244.1.0/24", "range_start": "10.244.1.2", "range_end": "10.244.1.9"}
    plugin = {"type": "bridge", "bridge": "cni0", "ipam": "host-local", "subnets": [subnet]}
    fact["node"]["cni"] = {"file": "/etc/cni/net.d/10.conflist", "plugins": [plugin]}
    fact["node"]["routes"] = [{"destination": "10.244.1.0/24", "type": "unicast", "interface": "cni0", "protocol": 2}]
    fact["node"]["can_reach"] = {"1.1.1.1": {"ipv4": "192.0.2.1"}}
    fact["tables"] = {"7100": "10.244.2.0/24\tkwg0\n10.244.3.0/24\teth0\t192.0.2.9", "7101": ""}
    fact["ipsec"] = {
        "boot_id": "b",
        "record": {"epoch": 5, "boot_id": "b", "index": 1},
        "epochs_left": 4,
        "nodes": {"n1": {"index": 1, "epoch": 5, "phase": 3}},
        "slots": {"receive": [0], "send": [0]},
        "lost": 0,
    }
    return found


FLEETS: dict[str, tuple[Callable[..., PlanResult], Sequence[HostInput]]] = {
    "mesh": (plan_mesh, [host("h1", **DEVICE), host("h2")]),
    "hub": (plan_hub_spoke, [hub("h1", **DEVICE), spoke("h2")]),
    "spoke": (plan_hub_spoke, [spoke("h1", **DEVICE), hub("h2")]),
    "cni": (partial(plan_node_encryption, now=NOW), nodes(FROM_CNI)),
    "routes": (partial(plan_node_encryption, now=NOW), nodes(FROM_ROUTES)),
    "locations": (partial(plan_node_encryption, now=NOW), nodes(LOCATED)),
    "ipsec": (partial(plan_node_encryption, now=NOW), nodes({"backend": "ipsec"})),
}


@pytest.mark.parametrize("kind", FLEETS)
def test_hostile_facts_of_one_host_are_contained(kind: str) -> None:
    planner, (liar, *others) = FLEETS[kind]
    assert planner([liar, *others]).plan is not None
    for place in list(places(liar.fact))[1:]:
        for value in VALUES:
            outcome = planner([liar._replace(fact=changed(liar.fact, place, value)), *others])
            assert (outcome.plan is None) == bool(outcome.problems)
            told = [text for other in others for text in texts(document(outcome, other.name)) if "\n" in text]
            assert not told, (place, value)


def document(outcome: PlanResult, name: str) -> object:
    try:
        return outcome.plan and host_document(outcome.plan, name, SECRETS)
    except NotInPlan:
        return None


def places(value: object, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of the values inside a nested value, its own first."""
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in inner:
        yield from places(entry, (*at, key))


def changed(value: Any, place: tuple[Any, ...], new: object) -> Any:
    """Return a nested value with one value replaced."""
    if not place:
        return new
    inner = changed(value[place[0]], place[1:], new)
    if isinstance(value, dict):
        return {**value, place[0]: inner}
    return [*value[: place[0]], inner, *value[place[0] + 1 :]]


def texts(value: object) -> Iterator[str]:
    """Yield all texts in a nested value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from texts(key)
            yield from texts(entry)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from texts(entry)
