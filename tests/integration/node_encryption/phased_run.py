# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of the role on nodes of the cluster, without Ansible between them: facts, plan, dry run, phases.

A play takes a minute in an emulated machine, this takes seconds. Plays test that the role does the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from ansible_collections.wirewright.overlay.plugins.module_utils._overlay import converge as host_apply
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.facts import gather
from ansible_collections.wirewright.overlay.plugins.module_utils._probe import options as probe_options
from ansible_collections.wirewright.overlay.plugins.module_utils._probe.report import failure
from ansible_collections.wirewright.overlay.plugins.module_utils._probe.run import probe
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.key_change import converge_key
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import (
    NO_SECRETS,
    Secrets,
    cumulative_document,
    host_document,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.plan import (
    plan_node_encryption,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.wireguard.expected_traffic import (
    within_reach,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import (
    Absence,
    FleetPlan,
    HostInput,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.nodes import (
    ENFORCE,
    PHASES,
    RECEIVE,
    SEND,
)
from node_cluster import Applied, Node

T = TypeVar("T")

INTERFACE, ALTERNATE, TABLE = "kwg0", "kwg1", 7100
# Imports of modules and for wireguard-go are loaded once, here, and not in every child.
_LOADED = (host_apply,)


@dataclass(frozen=True)
class Run:
    """The result of a run: plan, warnings, by node whether the dry run found a change, and the nodes that a phase changed."""

    plan: FleetPlan
    warnings: tuple[str, ...]
    changed: Mapping[str, bool]
    touched: frozenset[str] = frozenset()


class Stopped(Exception):
    """A run ends here."""


def stop(_node: Node) -> None:
    """End a run, as its option after_send: when one node sends encrypted packets and the others do not."""
    raise Stopped


class PhasedRun:
    """Runs of the role on the nodes of one inventory. userspace: whether wireguard-go creates the devices.

    Nodes outside of a run have the facts of an earlier run, as in a fact cache.
    """

    def __init__(self, userspace: bool) -> None:
        self._userspace = userspace
        self._secrets = NO_SECRETS
        self.facts: dict[str, dict[str, Any]] = {}

    def __call__(
        self,
        nodes: Sequence[Node],
        *,
        limit: Iterable[Node] | None = None,
        dead: Sequence[Node] = (),
        reported: Mapping[str, Sequence[str]] | None = None,
        between: Callable[[str], None] = lambda phase: None,
        after_send: Callable[[Node], None] | None = None,
        until: str = ENFORCE,
        per_host: Mapping[str, Mapping[str, Any]] | None = None,
        secrets: Secrets = NO_SECRETS,
        **variables: Any,
    ) -> Run:
        """Apply the variables, without the role's prefix, to the nodes. between: called before each phase.

        limit: the nodes of this run. dead: those that it cannot reach. reported: by name, addresses that a node reports falsely.
        after_send: if given, nodes apply the phase send one by one, and it is called after each.
        until: the last phase of the run. secrets: those that documents are expanded with.
        """
        self._secrets = secrets
        wanted = nodes if limit is None else list(limit)
        in_run = [node for node in nodes if node in wanted and node not in dead]
        hosts = {node: {**_variables(node), "userspace": self._userspace, **variables} for node in nodes}
        for node, own in hosts.items():
            own.update((per_host or {}).get(node.name, {}))
        self.facts.update(zip((node.name for node in in_run), _each(lambda n: self._gather(n, hosts[n]), in_run)))
        for name, addresses in (reported or {}).items():
            loopback = {"name": "lo", "index": 1, "kind": "", "managed": False, "up": True, "mtu": 65536}
            self.facts[name]["node"]["interfaces"].append({**loopback, "addresses": [*addresses]})
        outcome = plan_node_encryption(
            [
                HostInput(
                    node.name,
                    hosts[node],
                    node.ipv4,
                    self.facts.get(node.name),
                    reached=node in in_run,
                    outside=node not in in_run and node not in dead,
                    lost=Absence.UNREACHABLE if node in dead else None,
                )
                for node in nodes
            ],
            now=time.time(),
        )
        assert outcome.plan is not None, "\n".join(outcome.problems)
        # Registered results are plain data.
        plan = FleetPlan.from_dict(outcome.plan.to_dict())
        dry_run = self._apply(plan, in_run, ENFORCE, check_mode=True)
        changed = {name: one.changed for name, one in dry_run.items()}
        touched: set[str] = set()
        if any(changed.values()):
            for phase in PHASES[: PHASES.index(until) + 1]:
                between(phase)
                for group in [[node] for node in in_run] if after_send and phase == SEND else [in_run]:
                    done = self._apply(plan, group, phase, so_far=phase == until and phase != ENFORCE)
                    touched.update(name for name, applied in done.items() if applied.changed)
                    if after_send and phase == SEND:
                        after_send(group[0])
                if phase == RECEIVE:
                    _each(lambda node: _wait_for_sessions(node, plan), in_run)
        return Run(plan, outcome.warnings, changed, frozenset(touched))

    def _gather(self, node: Node, variables: Mapping[str, Any]) -> dict[str, Any]:
        wanted = variables.get("enabled", True) and variables.get("state") != "absent"
        device = variables.get("interface", INTERFACE), variables.get("table", TABLE)
        return node.host.call(_gather, wanted, self._userspace, *device, variables.get("rotate", False))

    def _apply(
        self, plan: FleetPlan, nodes: Sequence[Node], phase: str, *, check_mode: bool = False, so_far: bool = False
    ) -> dict[str, Applied]:
        expand = cumulative_document if so_far else host_document

        def apply(node: Node) -> Applied | None:
            document = expand(plan, node.name, self._secrets, phase=phase)
            return node.apply(check_mode=check_mode, **document) if document else None

        found = zip(nodes, _each(apply, nodes))
        return {node.name: applied for node, applied in found if applied is not None}


def _variables(node: Node) -> dict[str, Any]:
    return {
        "node_ip": [node.ipv4, node.ipv6],
        "node_ip_families": [4, 6],
        "pod_cidrs": list(node.pod_networks),
        "exempt_ports": [22],
    }


def _gather(wanted: bool, userspace: bool, interface: str, table: int, rotate: bool) -> dict[str, Any]:
    os.environ.pop("SSH_CONNECTION", None)
    keys = {}
    # As one_key of overlay_prepare: after a rotation only the alternate interface has a key, during it both have.
    paths = {name: f"/etc/wireguard/{name}.key" for name in (interface, ALTERNATE)}
    for name in paths if rotate else [name for name in paths if os.path.exists(paths[name])] or [interface]:
        path = paths[name]
        keys[name] = converge_key(path, present=wanted or os.path.exists(path), regenerate=False, check_mode=False)
    node = {"can_reach": [], "tables": [table, table + 1], "cni_directories": []}
    public_keys = {name: key.public_key for name, key in keys.items()}
    return gather(public_keys, dict(os.environ), userspace=userspace, nftables=wanted, node=node)


def _wait_for_sessions(node: Node, plan: FleetPlan) -> None:
    talking = within_reach(plan)
    if node.name not in {one["name"] for one in talking}:
        return
    peers = [one for one in talking if one["name"] != node.name]
    options = {"interface": plan.interface, "peers": peers, "deadline": 60.0, "mtu": None, "path_mtu": True}
    wanted = probe_options.parse({**options, "wait": True, "handshake": True})
    missing = node.host.call(lambda: failure(probe(wanted)))
    assert missing is None, f"{node.name}: {missing}"


def _each(work: Callable[[Node], T], nodes: Sequence[Node]) -> list[T]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(work, nodes))
