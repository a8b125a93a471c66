# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Action of `probe_info`: takes the peers of a host from a plan. Documented with the module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleActionSkip

from ..plugin_utils._fleet_run import runs_freely
from ..plugin_utils._host_module import HostModule
from ..plugin_utils._topology.expected_peers import expected_answers, reached_so_far
from ..plugin_utils._topology.registered_plan import PLAN_FROM, UnusablePlan, registered_plan
from ..plugin_utils._untrusted import list_of, text_of

MODULE = "wirewright.overlay.probe_info"
_FOREIGN = ("interface", "peers", "mtu", "handshake")
_EXPLAINED = 5  # peers that a warning explains


class ActionModule(HostModule):
    """One module call per host; with a plan, peers that do not work are a warning."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result; with a plan, only the peers that do not work, because there may be thousands."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        args = dict(self._task.args)
        if PLAN_FROM not in args:
            result.update(self.run_module(MODULE, args, variables))
            return result
        name = str(variables["inventory_hostname"])
        args["peers"] = self._expected(args, variables, name)
        del args[PLAN_FROM]
        result.update(self.run_module(MODULE, args, variables))
        if "peers" in result:
            # The module ran on the host, so the shape of its result is not trusted.
            listed = list_of(result["peers"])
            if not isinstance(result["peers"], list) or not all(map(is_finding, listed)):
                raise AnsibleActionFail(
                    f"{name}: the result of probe_info is malformed; check what answers on this host"
                )
            result["peers"] = [peer for peer in listed if peer["verdict"] != "ok"]
            if result["peers"] and not result.get("failed"):
                text = finding(name, text_of(result.get("summary")), result["peers"])
                result["warnings"] = [*result.get("warnings", ()), text]
        return result

    def _expected(self, args: Mapping[str, Any], variables: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
        foreign = sorted(set(args) & set(_FOREIGN))
        if foreign:
            raise AnsibleActionFail(f"{PLAN_FROM}: the plan sets {', '.join(foreign)}; leave these options out")
        try:
            plan = registered_plan(variables, args[PLAN_FROM], name)
        except UnusablePlan as error:
            raise AnsibleActionFail(str(error)) from None
        batch = variables["ansible_play_batch"]
        reached = reached_so_far(variables["ansible_play_hosts"], batch, variables["ansible_play_hosts_all"])
        if runs_freely(self._task) and "verify" not in variables.get("ansible_run_tags", ()):
            # Other hosts may not have been changed yet.
            reached = frozenset({name})
        peers = expected_answers(plan, name, reached)
        if not peers:
            raise AnsibleActionSkip(
                f"{name!r} probes no peer: spokes probe hubs, and a peer that this run did not reach is not probed"
            )
        return peers


def is_finding(peer: object) -> bool:
    """Return whether an entry of a result has the texts that are read here."""
    return isinstance(peer, Mapping) and all(isinstance(peer.get(key), str) for key in ("name", "verdict", "advice"))


def finding(name: str, summary: str, peers: list[Mapping[str, Any]]) -> str:
    """Return the warning that names the peers of a host that do not work, with the advice for each."""
    lines = [f"{peer['name']}: {peer['verdict']}: {peer['advice']}" for peer in peers[:_EXPLAINED]]
    return "\n".join([f"{name}: not all peers work: {summary}", *lines])
