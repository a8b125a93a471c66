# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""States and policies of check mode whose interface does not exist yet, because an earlier task has only predicted it.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .._host.missing_interfaces import MissingInterfaces


def predicted_params(module: AnsibleModule, listed: str) -> Mapping[str, Any]:
    """Return the options of a module; in check mode without interfaces that do not exist yet, and with a warning for each."""
    options: Mapping[str, Any] = module.params
    if module.check_mode:
        options, warnings = without_missing_devices(options, listed)
        for warning in warnings:
            module.warn(warning)
    return options


def without_missing_devices(params: Mapping[str, Any], listed: str) -> tuple[dict[str, Any], list[str]]:
    """Return the options without interfaces that do not exist yet, and a warning for each.

    ``listed`` is the option with the states or policies.
    """
    found = MissingInterfaces()

    def is_missing(options: Any) -> bool:
        return bool(isinstance(options, Mapping) and options.get("dev") and found.index_of(options["dev"]) < 0)

    def known(entry: Mapping[str, Any]) -> dict[str, Any]:
        kept = dict(entry)
        if is_missing(entry):
            kept["dev"] = None
        if is_missing(entry.get("sel")):
            kept["sel"] = {**entry["sel"], "dev": None}
        if is_missing(entry.get("offload")):
            kept["offload"] = None
        return kept

    entries = [known(entry) if isinstance(entry, Mapping) else entry for entry in params.get(listed) or ()]
    return {**params, listed: entries}, found.warnings()
