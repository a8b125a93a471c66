# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action of `overlay_apply`, documented with the module: passes a host its part of a fleet plan.

A plan describes each host once. The action runs on the controller, and expands the plan to the document of one host, with
its peers and their preshared keys, which are stored nowhere. Secrets are in variables and never in options of the task.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from secrets import token_hex
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleActionSkip, AnsibleConnectionFailure, AnsibleError

from ..plugin_utils._argument_secrets import extract_keys, extract_keys_ahead, find_misplaced
from ..plugin_utils._facts_after import facts_after, predicted_addresses
from ..plugin_utils._fresh_connection import fresh
from ..plugin_utils._host_fact import FACT
from ..plugin_utils._host_module import HostModule
from ..plugin_utils._plain import to_plain
from ..plugin_utils._preshared_key_warnings import preshared_key_warnings
from ..plugin_utils._secret_variables import read_secrets
from ..plugin_utils._shared_secrets import source_of
from ..plugin_utils._topology.document import NotInPlan, cumulative_document, host_document, key_missing
from ..plugin_utils._topology.plan_model.fleet import FleetPlan
from ..plugin_utils._topology.plan_model.nodes import ENFORCE, PHASES
from ..plugin_utils._topology.registered_plan import PLAN_FROM, PLANNED, UnusablePlan, registered_plan
from ..plugin_utils._untrusted import list_of, mapping_of

MODULE = "wirewright.overlay.overlay_apply"
CONFIRM_MODULE = "wirewright.overlay.overlay_confirm"
# Options beside the plan. Those from ALLOW on are options of the module too.
ALLOW = "allow_management_change"
VARIABLES = "variables"
TIMEOUT, TOKEN, REQUIRED = "confirm_timeout", "confirm_token", "confirm_required"
PLAN_OPTIONS = (PLAN_FROM, "phase", "earlier_phases", ALLOW, TIMEOUT, REQUIRED)
STATES, KEYS, BOOT = "xfrm_states", "xfrm_keys", "xfrm_boot"
_LONGER = 10.0  # seconds after the deadline in which a host that is back can say why it was reverted
_PAUSE = 1.0


class ActionModule(HostModule):
    """One module call for one host. Not asynchronous, because job files would contain keys."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result; fail or skip where the host is not in the plan."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        args = dict(self._task.args)
        misplaced = find_misplaced(args)
        if misplaced:
            raise AnsibleActionFail("; ".join(misplaced))
        plan = None
        if PLAN_FROM in args:
            plan = self._plan(args, variables)
            args = self._planned(plan, args, variables)
        if args.get(STATES) is not None:
            args[STATES], keys = extract_keys(to_plain(args[STATES]))
            args[KEYS] = {**keys, **(args.get(KEYS) or {})}
        if args.get(BOOT) is not None:
            args[BOOT], keys = extract_keys_ahead(to_plain(args[BOOT]))
            args[KEYS] = {**keys, **(args.get(KEYS) or {})}
        token = token_hex(16)
        if args.get(TIMEOUT) and not self._task.check_mode:
            args[TOKEN] = token
        result.update(self.run_module(MODULE, args, variables))
        if plan is not None:
            result[PLANNED] = mapping_of(variables.get(to_plain(self._task.args[PLAN_FROM]))).get(PLANNED)
        waiting = mapping_of(result.pop("confirmation", None))
        if waiting and TOKEN in args and not result.get("failed"):
            # Not for as long as the host says: it could make the controller wait without end.
            result = self._confirm(result, token, float(args[TIMEOUT]), variables)
        if plan is not None and not result.get("failed"):
            own = plan.variables.get("psk_master", "psk_master")
            shared, _value = source_of(own, variables)
            secret = own if shared == own else f"{shared} (or {own})"
            found = preshared_key_warnings(mapping_of(result.get("interfaces")), plan.hosts, secret)
            result["warnings"] = [*result.get("warnings", ()), *found]
        probes = plan is not None and plan.direct is not None and plan.direct.probing
        reported, fact = result.pop("facts", None), mapping_of(variables.get("ansible_facts")).get(FACT)
        # Without the fact of overlay_prepare there is none to complete; a part of it would be taken as complete.
        # A dry run inside of a real one predicts, and the facts are what the host has. Peers for a probe are none of it.
        is_current = (reported or variables.get("ansible_check_mode")) and not probes
        if result.get("changed") and not result.get("failed") and isinstance(fact, Mapping) and is_current:
            predicted = {} if reported else predicted_addresses(list_of(args.get("interfaces")))
            result["ansible_facts"] = {FACT: facts_after(fact, mapping_of(reported), predicted)}
        return result

    def _confirm(
        self, result: dict[str, Any], token: str, timeout: float, variables: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Confirm the change over a new connection. Return the result of the task, a failure where the change is reverted."""
        end = time.monotonic() + timeout + _LONGER
        while True:
            try:
                with fresh(self._connection):
                    done = self.run_module(CONFIRM_MODULE, {"token": token}, variables)
                break
            except AnsibleConnectionFailure as failure:
                if time.monotonic() >= end:
                    raise AnsibleConnectionFailure(
                        f"the change could not be confirmed over a new connection, so the host reverts it: {failure}"
                    ) from failure
                time.sleep(_PAUSE)
        warnings = [*result.get("warnings", ()), *done.get("warnings", ())]
        if done.get("failed"):
            return {
                "failed": True,
                "changed": False,
                "confirmed": False,
                "reverted": bool(done.get("reverted")),
                "msg": f"the change was not confirmed: {done.get('msg')}",
                "warnings": warnings,
            }
        return {**result, "confirmed": True, "facts": done.get("facts"), "warnings": warnings}

    def _plan(self, args: Mapping[str, Any], variables: Mapping[str, Any]) -> FleetPlan:
        """Return the plan of which this host gets its part."""
        foreign = sorted(set(args) - set(PLAN_OPTIONS))
        if foreign:
            raise AnsibleActionFail(f"{PLAN_FROM}: remove {', '.join(foreign)}, which the plan contains")
        try:
            return registered_plan(variables, to_plain(args[PLAN_FROM]), str(variables["inventory_hostname"]))
        except UnusablePlan as error:
            raise AnsibleActionFail(str(error)) from None

    def _planned(self, plan: FleetPlan, args: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the module's arguments from the plan."""
        name = str(variables["inventory_hostname"])
        own = {option: to_plain(args.get(option)) for option in PLAN_OPTIONS}
        phase = own["phase"] or ENFORCE
        if phase not in PHASES:
            raise AnsibleActionFail(f"phase: {phase!r} is not one of {', '.join(PHASES)}")
        try:
            secrets = read_secrets(plan.variables, variables, self._templar.template)
        except (AnsibleError, ValueError) as error:
            raise AnsibleActionFail(f"secrets for {name!r}: {error}") from None
        try:
            expand = cumulative_document if own["earlier_phases"] else host_document
            document = expand(plan, name, secrets, phase=phase)
        except NotInPlan as absence:
            if absence.skipped:
                raise AnsibleActionSkip(str(absence)) from None
            raise AnsibleActionFail(str(absence)) from None
        except ValueError as error:
            # No message quotes a secret.
            raise AnsibleActionFail(f"keys for {name!r}: {error}") from None
        if not document:
            raise AnsibleActionSkip(f"{name!r} has no change in the phase {phase}")
        if secrets.psk_master and key_missing(plan, name) and not self._task.check_mode:
            raise AnsibleActionFail(
                f"{name!r} has no key yet, so no preshared key can be derived; run overlay_prepare before the plan"
            )
        names = dict(plan.variables)
        guarded = {}
        if own[TIMEOUT]:
            guarded = {TIMEOUT: own[TIMEOUT], REQUIRED: True if own[REQUIRED] is None else own[REQUIRED]}
            names.setdefault(TIMEOUT, "overlay_confirm_timeout")
        return {**document, **guarded, ALLOW: own[ALLOW] or False, VARIABLES: names}
