# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""How wire_census runs: count, then leave with the counts or with one clear message.

This module is private to the collection.
"""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

from ..module_run import SILENT, look
from .options import parse
from .run import result, take


def run(module: AnsibleModule) -> None:
    """Count and leave the module."""
    found = look(module, "nothing was counted", lambda: take(parse(module.params)))
    module.exit_json(changed=False, **result(found), **SILENT)
