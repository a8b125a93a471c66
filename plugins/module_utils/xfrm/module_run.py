# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""How xfrm_state and xfrm_policy run: converge, then leave with a result or with one clear message, without a key.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .converge import NotConverged, Outcome
from .kernel import KernelRefused, OtherTaken
from .policies import RefusedPolicies
from .reader import InvalidOptions
from .states import RefusedStates


def run(module: AnsibleModule, kind: str, converge: Callable[[], Outcome]) -> None:
    """Converge and leave the module. The invocation is not echoed: it holds keys, and may hold a thousand objects."""
    quiet: dict[str, Any] = {"invocation": {"module_args": {}}}
    try:
        outcome = converge()
    except (InvalidOptions, RefusedStates, RefusedPolicies) as exc:
        module.fail_json(msg=f"nothing was changed: {exc}", errors=list(exc.errors), **quiet)
        return
    except (NotConverged, ValueError) as exc:  # an unreadable memory, an SSH_CONNECTION that is none
        module.fail_json(msg=str(exc), **quiet)
        return
    except (KernelRefused, OtherTaken) as exc:
        module.fail_json(
            msg=f"{exc.strerror}. Other changes of this run may be done; run it again when this is mended", **quiet
        )
        return
    except OSError as exc:
        module.fail_json(msg=f"the system refused: {exc.strerror or exc}", **quiet)
        return
    for warning in outcome.warnings:
        module.warn(warning)
    result: dict[str, Any] = {"changed": bool(outcome.operations), kind: outcome.counts, "requests": outcome.requests}
    if module._diff:
        result["diff"] = outcome.diff
    module.exit_json(**result, **quiet)
