# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""How the modules of rules and routes run: converge, then leave with a result or with one clear message.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..netlink.messages import NetlinkError
from .converge import Outcome
from .refusal import InvalidOptions, NotConverged, Refused


def run(module: AnsibleModule, kind: str, work: Callable[[], Outcome]) -> None:
    """Do the work and leave the module. The invocation is not echoed: it may hold thousands of routes."""
    silent: dict[str, Any] = {"invocation": {"module_args": {}}}
    try:
        outcome = work()
    except InvalidOptions as exc:
        module.fail_json(msg=f"nothing was changed: {exc}", errors=list(exc.errors), **silent)
    except Refused as exc:
        module.fail_json(msg=f"nothing was changed: {exc}", **silent)
    except NotConverged as exc:
        module.fail_json(msg=str(exc), **silent)
    except NetlinkError as exc:
        module.fail_json(msg=f"the kernel refused: {exc}", **silent)
    except OSError as exc:
        module.fail_json(msg=f"the system refused: {exc}", **silent)
    result: dict[str, Any] = {"changed": bool(outcome.operations), kind: outcome.counts, "requests": outcome.requests}
    if module._diff:
        result["diff"] = outcome.diff()
    module.exit_json(**result, **silent)
