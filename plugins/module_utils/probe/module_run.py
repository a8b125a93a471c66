# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""How overlay_probe runs: probe, then leave with what was found or with one clear message.

This module is private to the collection.
"""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

from ..module_run import SILENT, look
from .options import parse
from .report import failure, result
from .run import probe_all


def run(module: AnsibleModule) -> None:
    """Probe and leave the module."""
    findings = look(module, "nothing was sent", lambda: probe_all(parse(module.params).by_interface()))
    message = failure(findings) if module.params["fail"] else None
    if message is not None:
        module.fail_json(msg=message, changed=False, **result(findings), **SILENT)
    module.exit_json(changed=False, **result(findings), **SILENT)
