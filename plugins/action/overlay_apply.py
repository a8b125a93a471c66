# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hands a host its part of a fleet plan: the action of `overlay_apply`, documented with the module of that name.

A plan describes each host once. Here, on the controller and for one host at a time, it is expanded to what that
host needs: its peers, and their preshared keys, which exist nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleActionSkip
from ansible.plugins.action import ActionBase
from ansible_collections.wirewright.overlay.plugins.plugin_utils.misplaced_secrets import misplaced_secrets
from ansible_collections.wirewright.overlay.plugins.plugin_utils.plain import to_plain
from ansible_collections.wirewright.overlay.plugins.plugin_utils.reader import whole_number
from ansible_collections.wirewright.overlay.plugins.plugin_utils.state_keys import set_apart, set_apart_ahead
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.document import (
    NotInPlan,
    document_so_far,
    host_document,
    lacks_key,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_model import CLOSE, PHASES
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.registered_plan import (
    PLAN_FROM,
    UnusablePlan,
    registered_plan,
)

MODULE = "wirewright.overlay.overlay_apply"
# What the plan does not say. Of these only the last is for the module too.
ALLOW = "allow_management_change"
PLAN_OPTIONS = (
    PLAN_FROM,
    "phase",
    "earlier_phases",
    "psk_master",
    "psk_epoch",
    "static_preshared_keys",
    "ipsec_master",
    ALLOW,
)
STATES, KEYS, BOOT = "xfrm_states", "xfrm_keys", "xfrm_boot"


class ActionModule(ActionBase):
    """One module call for one host. Not asynchronous: job files would hold the keys it carries."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result; fail or skip where the host has no part in the plan."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        args = dict(self._task.args)
        if PLAN_FROM in args:
            args = self._planned(args, variables)
        else:
            misplaced = misplaced_secrets(args)
            if misplaced:
                raise AnsibleActionFail("; ".join(misplaced))
        if args.get(STATES) is not None:
            args[STATES], keys = set_apart(to_plain(args[STATES]))
            args[KEYS] = {**keys, **(args.get(KEYS) or {})}
        if args.get(BOOT) is not None:
            args[BOOT], keys = set_apart_ahead(to_plain(args[BOOT]))
            args[KEYS] = {**keys, **(args.get(KEYS) or {})}
        result.update(self._execute_module(module_name=MODULE, module_args=args, task_vars=variables))
        return result

    def _planned(self, args: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the module's arguments from the plan."""
        name = str(variables["inventory_hostname"])
        foreign = sorted(set(args) - set(PLAN_OPTIONS))
        if foreign:
            raise AnsibleActionFail(f"{PLAN_FROM}: the plan has it all, so leave out {', '.join(foreign)}")
        own = {option: to_plain(args.get(option)) for option in PLAN_OPTIONS}
        try:
            plan = registered_plan(variables, own[PLAN_FROM], name)
        except UnusablePlan as error:
            raise AnsibleActionFail(str(error)) from None
        master = own["psk_master"] or ""
        epoch = whole_number(own["psk_epoch"] or 0)
        if not isinstance(master, str):
            raise AnsibleActionFail("psk_master: the master secret is a text")
        if epoch is None:
            raise AnsibleActionFail("psk_epoch: the epoch is a whole number from 0")
        phase = own["phase"] or CLOSE
        if phase not in PHASES:
            raise AnsibleActionFail(f"phase: {phase!r} is not one of {', '.join(PHASES)}")
        static = own["static_preshared_keys"] or {}
        if not isinstance(static, dict):
            raise AnsibleActionFail("static_preshared_keys: this is a dictionary by public key")
        try:
            expand = document_so_far if own["earlier_phases"] else host_document
            document = expand(plan, name, master, epoch, static, phase, own["ipsec_master"] or "")
        except NotInPlan as absence:
            if absence.revoked:
                raise AnsibleActionSkip(str(absence)) from None
            raise AnsibleActionFail(str(absence)) from None
        except ValueError as error:
            # No message in there quotes a secret, and the traceback would not either.
            raise AnsibleActionFail(f"keys for {name!r}: {error}") from None
        if not document:
            raise AnsibleActionSkip(f"{name!r} has nothing to do in the phase {phase}")
        if master and lacks_key(plan, name) and not self._task.check_mode:
            raise AnsibleActionFail(
                f"{name!r} has no key yet, so no preshared key can be derived; run overlay_facts before the plan"
            )
        return {**document, ALLOW: own[ALLOW] or False}
