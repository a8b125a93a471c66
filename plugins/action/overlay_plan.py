# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Action plugin of overlay_plan: plans a fleet on the controller, once per play."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..plugin_utils._fleet_run import FleetRun, ThisRun, runs_freely
from ..plugin_utils._fleet_variables import FleetVariables, HostReader, collector_paused, variables_of_roles
from ..plugin_utils._other_hosts import GatheredFacts
from ..plugin_utils._plain import to_plain
from ..plugin_utils._problems import agree, format_problems, host_list
from ..plugin_utils._refusal import unplanned
from ..plugin_utils._topology.earlier_plans import (
    EARLIER,
    WITH_NETWORKS,
    conflicts,
    registered_plans,
    replaced_plans,
)
from ..plugin_utils._topology.fleet import settings
from ..plugin_utils._topology.hub_spoke import settings as hub_spoke_settings
from ..plugin_utils._topology.hub_spoke.direct.pairs import ProbeStage
from ..plugin_utils._topology.hub_spoke.direct.plan import DirectRun
from ..plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ..plugin_utils._topology.mesh.plan import plan_mesh
from ..plugin_utils._topology.node_encryption import settings as node_settings
from ..plugin_utils._topology.node_encryption.ipsec import settings as node_ipsec_settings
from ..plugin_utils._topology.node_encryption.ipsec.expected_traffic import ipsec_wire
from ..plugin_utils._topology.node_encryption.plan import plan_node_encryption
from ..plugin_utils._topology.node_encryption.wireguard.expected_traffic import wire, within_reach
from ..plugin_utils._topology.plan_model.fleet import HUB, SPOKE, FleetPlan, HostInput, PlanResult
from ..plugin_utils._topology.registered_plan import PLANNED
from ..plugin_utils._variable_names import VariableNames

# By topology, its planner and the variables that the planner reads.
TOPOLOGIES: dict[str, tuple[Callable[..., PlanResult], tuple[str, ...]]] = {
    "mesh": (plan_mesh, settings.VARIABLES),
    "hub_spoke": (plan_hub_spoke, hub_spoke_settings.VARIABLES),
    "node_encryption": (plan_node_encryption, (*node_settings.VARIABLES, *node_ipsec_settings.VARIABLES)),
}
# What is done about variables that look like ours and that no role reads.
UNKNOWN_VARIABLES = "overlay_unknown_variables"
WARN = "warn"
FAIL = "fail"
IGNORE = "ignore"


class ActionModule(ActionBase):
    """Reads the variables and facts of every member, and passes them to the planner."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the plan. Fail with all problems of the fleet in one message."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, args = self.validate_argument_spec(
            {
                "topology": {"type": "str", "choices": list(TOPOLOGIES), "default": "mesh"},
                "group": {"type": "str", "default": ""},
                "hubs_group": {"type": "str", "default": "hubs"},
                "spokes_group": {"type": "str", "default": "spokes"},
                "prefix": {"type": "str", "default": ""},
                "stage": {
                    "type": "str",
                    "choices": [stage.value for stage in ProbeStage],
                    "default": ProbeStage.PLAN.value,
                },
                "probe_results": {"type": "list", "elements": "str", "default": []},
            }
        )
        plan_fleet, variables = TOPOLOGIES[args["topology"]]
        prefix = args["prefix"] or args["topology"] + "_"
        groups = {} if args["topology"] != "hub_spoke" else {HUB: args["hubs_group"], SPOKE: args["spokes_group"]}
        if args["topology"] == "node_encryption" and runs_freely(self._task):
            text = "nodes are switched over in phases, each on all of them before the next: run this play with the strategy "
            raise unplanned([f"{text}linear, not {self._task.get_play().strategy}"])
        fleet = FleetVariables(self._task, args["group"], groups, prefix)
        reader = HostReader(self._templar, prefix, variables, args["probe_results"])
        overlay = " ".join([args["topology"], *groups.values()])
        this_run = ThisRun.of(self._task, task_vars or {})
        run = FleetRun(self._task, fleet, reader, this_run, f"{overlay} {prefix} {args['group']}")
        names = VariableNames(variables_of_roles())
        asked: dict[str, GatheredFacts] = {}
        lacking: dict[str, None] = {}

        def notice(name: str, host_vars: dict[str, Any]) -> None:
            names.add(name, host_vars)
            reader.read_secrets(name, host_vars)

        with collector_paused():
            # Facts of a later stage are those that the plan had.
            made = run.read(notice, asks=args["stage"] == ProbeStage.PLAN.value)
            while True:
                inputs = run.inputs
                planned = plan_fleet(inputs, prefix, overlay=overlay, **_run_arguments(args, this_run, fleet, inputs))
                answers = run.ask_outside(planned.lacking)
                if not answers:
                    break
                asked.update(answers)
                lacking.update(dict.fromkeys(planned.lacking))
        if run.facts_refreshed:
            self._display.display(facts_refreshed(run.facts_refreshed))
        if asked:
            unknown_keys = planned.plan.unknown if planned.plan else ()
            self._display.display(facts_outside(lacking, asked, unknown_keys))
        unknown = format_problems(names.problems())
        treatment = self._treatment_of_unknown((task_vars or {}).get(UNKNOWN_VARIABLES))
        for warning in (*planned.warnings, *(unknown if treatment == WARN else ())):
            self._display.warning(warning)
        secrets = reader.secrets.problems(planned.plan.excluded if planned.plan else ())
        problems = [*planned.problems, *format_problems(secrets), *(unknown if treatment == FAIL else ())]
        if planned.plan is not None:
            earlier = registered_plans(task_vars or {}, WITH_NETWORKS)
            problems += format_problems(conflicts(planned.plan, earlier, prefix))
        if planned.plan is None or problems:
            raise unplanned(problems)
        silent = {
            host.name: f"{host.absence.words}; {host.absence.remedy()}"
            for host in inputs
            if host.fact is None and not host.outside
        }
        plan = replace(planned.plan, silent=dict(sorted(silent.items())))
        result.update(changed=bool(made), plan=plan.to_dict(), summary=summary(plan))
        result[PLANNED] = time.monotonic()
        if args["stage"] == ProbeStage.PLAN.value and (replaced := replaced_plans(plan, task_vars or {})):
            result[EARLIER] = to_plain(replaced)
        if made:
            result["generated_keys"] = made
        if planned.newcomers is not None:
            result["newcomers"] = {part: list(names) for part, names in planned.newcomers._asdict().items()}
        if planned.plan.hubs:
            result["hubs"] = hubs(planned.plan)
        if planned.direct is not None:
            result["direct"] = dict(planned.direct)
        if planned.plan.encryption is not None:
            result.update(nodes=within_reach(planned.plan), wire=wire(planned.plan))
        elif planned.plan.ipsec is not None:
            result.update(nodes=[], wire=ipsec_wire(planned.plan.ipsec))
        if "wire" in result:
            result["wire"]["coverage"] = [one._asdict() for one in planned.plan.coverage]
        return result

    def _treatment_of_unknown(self, raw: object) -> str:
        """Return what is done about unknown variables."""
        treatment = WARN if raw is None else str(self._templar.template(raw))
        if treatment not in (WARN, FAIL, IGNORE):
            raise AnsibleActionFail(f"{UNKNOWN_VARIABLES}: {treatment!r} is not one of {WARN}, {FAIL}, {IGNORE}")
        return treatment


def _run_arguments(
    args: Mapping[str, Any], run: ThisRun, fleet: FleetVariables, inputs: Iterable[HostInput]
) -> dict[str, Any]:
    """Return the further arguments of a topology's planner: the time, the stage of direct tunnels, the scope of the fleet."""
    if args["topology"] == "node_encryption":
        return {"now": time.time(), "scope": fleet.scope()}
    if args["topology"] != "hub_spoke":
        return {"scope": fleet.scope()}
    names = [host.name for host in inputs]
    play, batch = (frozenset(filter(has, names)) for has in (run.is_alive, run.is_changed))
    return {"direct": DirectRun(ProbeStage(args["stage"]), play, batch)}


def facts_outside(lacking: Iterable[str], answers: Mapping[str, GatheredFacts], unknown: Collection[str] = ()) -> str:
    """Return which hosts outside of this run were asked, why, and what to do.

    lacking: the members whose public keys were missing. unknown: those whose keys are still unknown, on any interface.
    """
    members, hosts = sorted(lacking), sorted(answers)
    silent = [name for name in hosts if answers[name].fact is None]
    parts = [
        f"The hosts of this run do not know the public {agree(members, 'key', 'keys')} of {host_list(members)}.",
        f"So the plan read the facts of {', '.join(map(repr, hosts))} outside of this run and changed nothing there.",
        *(f"{name!r} did not answer: {answers[name].reason.rstrip('. ')}." for name in silent),
    ]
    if silent:
        they = agree(silent, "it", "they")
        parts.append(f"If a warning names a member without a key, run again when {they} can be reached.")
    elif keyless := [name for name in sorted({*members, *hosts}) if name in unknown]:
        parts.append(f"{host_list(keyless)} {agree(keyless, 'has', 'have')} no key yet: a warning says what to do.")
    else:
        parts.append("There is nothing to do.")
    return " ".join(parts)


def facts_refreshed(answers: Mapping[str, GatheredFacts]) -> str:
    """Return which hosts outside of this run were asked because the fact cache is older than what hosts have stored."""
    hosts = sorted(answers)
    parts = [
        f"The fact cache has {agree(hosts, 'another key', 'other keys')} of {host_list(hosts)} than hosts of this run have "
        "stored.",
        f"So the plan read the facts of {', '.join(map(repr, hosts))} outside of this run and changed nothing there.",
        *(
            f"{name!r} did not answer, so the stored key stays: {answers[name].reason.rstrip('. ')}."
            for name in hosts
            if answers[name].fact is None
        ),
    ]
    return " ".join(parts)


def hubs(plan: FleetPlan) -> list[dict[str, str]]:
    """Return the hubs, the preferred one first, as the failover service of a spoke needs them.

    The service probes one address: the first of a family that all spokes have, so that their packets have a source.
    """
    spokes = [{address.family for address in host.addresses} for host in plan.hosts.values() if host.hub is None]
    common = set.intersection(*filter(None, spokes)) if any(spokes) else set()
    found = []
    for name, hub in plan.hubs:
        addresses = plan.hosts[name].addresses
        if addresses:
            address = next((one for one in addresses if one.family in common), addresses[0])
            found.append({"name": name, "dev": hub.interface, "address": address.bare})
    return found


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
