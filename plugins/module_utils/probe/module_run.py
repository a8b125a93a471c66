# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""How overlay_probe runs: probe, then leave with what was found or with one clear message.

This module is private to the collection.
"""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..refusal import InvalidOptions, Refused
from ..wireguard.memory import UnreadableMemory
from .options import parse
from .report import failure, result
from .run import probe_all


def run(module: AnsibleModule) -> None:
    """Probe and leave the module. The invocation is not echoed: it may hold a thousand peers."""
    quiet: dict[str, Any] = {"invocation": {"module_args": {}}}
    try:
        findings = probe_all(parse(module.params).by_interface())
    except InvalidOptions as exc:
        module.fail_json(msg=f"nothing was sent: {exc}", errors=list(exc.errors), **quiet)
        return
    except (Refused, UnreadableMemory) as exc:
        module.fail_json(msg=f"nothing was sent: {exc}", **quiet)
        return
    except PermissionError as exc:
        module.fail_json(msg=f"the system refused: {exc}; run the task as root (become: true)", **quiet)
        return
    except OSError as exc:
        module.fail_json(msg=f"the system refused: {exc}", **quiet)
        return
    message = failure(findings) if module.params["fail"] else None
    if message is not None:
        module.fail_json(msg=message, changed=False, **result(findings), **quiet)
    module.exit_json(changed=False, **result(findings), **quiet)
