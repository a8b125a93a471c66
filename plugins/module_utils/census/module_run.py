# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""How wire_census runs: count, then leave with the counts or with one clear message.

This module is private to the collection.
"""

from __future__ import annotations

import errno

from ansible.module_utils.basic import AnsibleModule

from ..module_run import SILENT
from ..refusal import InvalidOptions, Refused, of_the_system
from ..wireguard.memory import UnreadableMemory
from .options import parse
from .run import result, take


def run(module: AnsibleModule) -> None:
    """Count and leave the module."""
    try:
        found = result(take(parse(module.params)))
    except (InvalidOptions, Refused) as exc:
        module.fail_json(msg=f"nothing was counted: {exc}", errors=list(exc.errors), **SILENT)
        return
    except UnreadableMemory as exc:
        module.fail_json(msg=f"nothing was counted: {exc}", **SILENT)
        return
    except PermissionError as exc:
        module.fail_json(msg=f"the system refused: {exc}; run the task as root (become: true)", **SILENT)
        return
    except OSError as exc:
        hint = "; correct interfaces, `ip link` lists those there are" if exc.errno == errno.ENODEV else ""
        module.fail_json(msg=f"the system refused: {of_the_system(exc)}{hint}", **SILENT)
        return
    module.exit_json(changed=False, **found, **SILENT)
