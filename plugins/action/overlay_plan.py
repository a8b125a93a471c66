# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans a fleet on the controller, once for a play: `overlay_plan`, documented with the module of that name."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.playbook.play import Play
from ansible.playbook.task import Task
from ansible.plugins.action import ActionBase
from ansible.template import Templar
from ansible_collections.wirewright.overlay.plugins.plugin_utils.plain import to_plain
from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import host_list
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology import (
    hub_spoke_settings,
    node_ipsec_settings,
    node_settings,
    settings,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.direct_pairs import Stage
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.direct_plan import DirectRun
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.hub_spoke import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.mesh import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import (
    HUB,
    SPOKE,
    FleetPlan,
    HostInput,
    Outcome,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_encryption import plan_node_encryption
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec_wire import ipsec_wire
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_wire import wire, within_reach
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import (
    SHARED,
    SHARED_PREFIX,
)

# By topology, what plans it, and the variables that it is planned from.
TOPOLOGIES: dict[str, tuple[Callable[..., Outcome], tuple[str, ...]]] = {
    "mesh": (plan_mesh, settings.VARIABLES),
    "hub_spoke": (plan_hub_spoke, hub_spoke_settings.VARIABLES),
    "node_encryption": (plan_node_encryption, (*node_settings.VARIABLES, *node_ipsec_settings.VARIABLES)),
}
FACT = "wirewright_overlay"
_CONNECTION_ADDRESS = "ansible_host"
# The hosts of the play that have not failed, and those of them that are worked on now.
_PLAY_HOSTS, _BATCH = "ansible_play_hosts", "ansible_play_batch"


class ActionModule(ActionBase):
    """Resolves the variables of every member as Ansible would for that host, and hands them to the planner."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the plan; fail with every problem of the fleet in one message."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, args = self.validate_argument_spec(
            {
                "topology": {"type": "str", "choices": list(TOPOLOGIES), "default": "mesh"},
                "group": {"type": "str", "default": ""},
                "hubs_group": {"type": "str", "default": "hubs"},
                "spokes_group": {"type": "str", "default": "spokes"},
                "prefix": {"type": "str", "default": ""},
                "stage": {"type": "str", "choices": [stage.value for stage in Stage], "default": Stage.PLAN.value},
                "heard_from": {"type": "list", "elements": "str", "default": []},
            }
        )
        plan_fleet, variables = TOPOLOGIES[args["topology"]]
        prefix = args["prefix"] or args["topology"] + "_"
        groups = {} if args["topology"] != "hub_spoke" else {HUB: args["hubs_group"], SPOKE: args["spokes_group"]}
        fleet = FleetVariables(self._task, args["group"], groups)
        reader = HostReader(self._templar, prefix, variables, args["heard_from"])
        play, batch = ((task_vars or {}).get(name) for name in (_PLAY_HOSTS, _BATCH))
        with collector_paused():
            inputs = [
                reader.read(name, host_vars)._replace(
                    parts=fleet.parts_of(name), reached=batch is None or name in batch
                )
                for name, host_vars in fleet.by_host()
            ]
            overlay = " ".join([args["topology"], *groups.values()])
            outcome = plan_fleet(inputs, prefix, overlay=overlay, **_progress(args, inputs, play, batch))
        for warning in outcome.warnings:
            self._display.warning(warning)
        if outcome.plan is None:
            raise AnsibleActionFail(
                "the fleet cannot be planned, and nothing was changed:\n" + "\n".join(outcome.problems),
                result={"problems": list(outcome.problems)},
            )
        result.update(changed=False, plan=outcome.plan.to_dict(), summary=summary(outcome.plan))
        if outcome.plan.hubs:
            result["hubs"] = hubs(outcome.plan)
        if outcome.direct is not None:
            result["direct"] = dict(outcome.direct)
        if outcome.plan.encryption is not None:
            result.update(nodes=within_reach(outcome.plan), wire=wire(outcome.plan))
        elif outcome.plan.ipsec is not None:
            result.update(nodes=[], wire=ipsec_wire(outcome.plan.ipsec))
        return result


class FleetVariables:
    """The members of a fleet, and all variables of each: the one place that knows how Ansible keeps them.

    `hostvars` lacks role defaults and role parameters, so the play's own variable manager is asked, with the
    running task as context, exactly as the strategy asks it before it runs a task on a host. No templating
    happens here. Works on ansible-core 2.19 to 2.22.
    groups: by part (hub, spoke), the group whose hosts have it; then these groups are the fleet. Only the first must
    have hosts.
    """

    def __init__(self, task: Task, group: str, groups: Mapping[str, str] | None = None) -> None:
        self._task = task
        self._play: Play = task.get_play()
        self._manager = task.get_variable_manager()
        # There is no public way from a task to the inventory.
        inventory = self._manager._inventory
        members = inventory.get_groups_dict()
        self._parts = {part: frozenset(members.get(name, ())) for part, name in (groups or {}).items()}
        needed = next(iter(groups.values())) if groups else group
        if needed and not members.get(needed):
            known = sorted(name for name, hosts in members.items() if hosts)
            raise AnsibleActionFail(f"group: {needed!r} is not a group with hosts in it; such are: {', '.join(known)}")
        pattern: Any = [group]
        if groups:
            pattern = [name for name in groups.values() if members.get(name)]
        elif not group:
            pattern = self._play.hosts
        # The fleet is the same under --limit and in every batch of `serial`: only the work is limited.
        self._hosts = inventory.get_hosts(pattern, ignore_limits=True, ignore_restrictions=True)
        if not self._hosts:
            raise AnsibleActionFail(f"no host of the inventory matches {pattern}, so there is no fleet to plan")

    def parts_of(self, name: str) -> tuple[str, ...]:
        """Return which parts a member has in the fleet, by its groups."""
        return tuple(part for part, names in self._parts.items() if name in names)

    def by_host(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each member's name and variables, one at a time: a thousand sets of them are large."""
        for host in self._hosts:
            yield (
                str(host.name),
                self._manager.get_vars(play=self._play, host=host, task=self._task, include_hostvars=False),
            )


class HostReader:
    """Reads the planner's variables out of a host's.

    Most values are not templates and are the same objects for many hosts, because they come from one group or
    from a role's defaults, so they are recognised by identity. Secrets are never among the names that are read.
    """

    def __init__(
        self,
        templar: Templar,
        prefix: str,
        variables: Iterable[str] = settings.VARIABLES,
        heard_from: Iterable[str] = (),
    ) -> None:
        self._templar = templar
        self._heard_from = tuple(heard_from)
        self._names = [
            (variable, prefix + variable, SHARED_PREFIX + variable if variable in SHARED else "")
            for variable in variables
        ]
        # The value is kept beside its result, so that no other object can get its identity.
        self._constants: dict[int, tuple[object, object]] = {}

    def read(self, name: str, host_vars: dict[str, Any]) -> HostInput:
        """Return what the planner is told about a host."""
        self._templar.available_variables = host_vars
        values: dict[str, object] = {}
        unresolved: dict[str, str] = {}
        for variable, own, shared in self._names:
            raw = host_vars.get(own)
            if shared and (raw is None or raw == ""):
                raw = host_vars.get(shared)
            if raw is None:
                continue
            try:
                values[variable] = self._value(raw)
            except AnsibleError as error:
                unresolved[variable] = f"this cannot be evaluated: {' '.join(str(error).split())}"
        # Facts come from hosts and are never templated; they are large, so they are not converted either.
        facts = host_vars.get("ansible_facts")
        fact = facts.get(FACT) if isinstance(facts, Mapping) else None
        return HostInput(
            name=name,
            variables=values,
            ansible_host=self._text(host_vars.get(_CONNECTION_ADDRESS)),
            fact=fact if isinstance(fact, Mapping) else None,
            unresolved=unresolved,
            heard=[result for result in map(host_vars.get, self._heard_from) if isinstance(result, Mapping)],
        )

    def _value(self, raw: object) -> object:
        known = self._constants.get(id(raw))
        if known is not None:
            return known[1]
        value: object = to_plain(self._templar.template(raw))
        if not self._templar.is_template(raw):
            self._constants[id(raw)] = (raw, value)
        return value

    def _text(self, raw: object) -> str:
        """Return a text; empty where there is none, or where it depends on something unknown."""
        try:
            value = None if raw is None else self._value(raw)
        except AnsibleError:
            return ""
        return value if isinstance(value, str) else ""


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the search for reference cycles, which grows with everything a large inventory keeps in memory."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _progress(
    args: Mapping[str, Any],
    inputs: Iterable[HostInput],
    play_hosts: Iterable[str] | None,
    batch_hosts: Iterable[str] | None,
) -> dict[str, DirectRun]:
    """Return what hubs and spokes are planned with besides: how far the run is with direct tunnels."""
    if args["topology"] != "hub_spoke":
        return {}
    everybody = frozenset(host.name for host in inputs)
    play, batch = (everybody if hosts is None else frozenset(hosts) for hosts in (play_hosts, batch_hosts))
    return {"direct": DirectRun(Stage(args["stage"]), play, batch)}


def hubs(plan: FleetPlan) -> list[dict[str, str]]:
    """Return the hubs, the preferred one first, as what chooses between them on a spoke needs to know them."""
    return [
        {"name": name, "dev": hub.interface, "address": plan.hosts[name].addresses[0].partition("/")[0]}
        for name, hub in plan.hubs
        if plan.hosts[name].addresses
    ]


def summary(plan: FleetPlan) -> str:
    """Return the plan in one line."""
    parts = [f"{len(plan.hosts)} members"]
    interfaces = [hub.interface for _name, hub in plan.hubs] or [plan.interface]
    if plan.hubs:
        parts = [_counted(len(plan.hubs), "hub"), _counted(len(plan.hosts) - len(plan.hubs), "spoke")]
    for label, names in (("key unknown", plan.unknown), ("revoked", plan.excluded)):
        parts.extend(_named(label, names))
    return f"{plan.topology} {' '.join(interfaces)}: {', '.join(parts)}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _named(label: str, names: Iterable[str]) -> list[str]:
    listed = list(names)
    return [f"{len(listed)} {label} ({host_list(listed)})"] if listed else []
