# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""How a module runs: converge, then leave with a result or with one clear message.

This module is private to the collection.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..fib.routes import RouteTaken
from ..host.files import ForeignFile
from ..host.ports import PortTaken
from ..host.rtnetlink import error_types
from ..refusal import Ended, InvalidOptions, NotConverged, Refused, notes, of_the_system, with_notes
from ..wireguard.key_file import BadKeyFile
from ..wireguard.keys import encode_key
from ..wireguard.memory import UnreadableMemory
from .outcome import HostOutcome, Outcome

T = TypeVar("T")

_REFUSALS = (PortTaken, RouteTaken, ForeignFile, BadKeyFile, UnreadableMemory, NotConverged, Ended)


def run(module: AnsibleModule, converge: Callable[[], T]) -> T:
    """Return what came of converging; leaves through fail_json where that cannot be."""
    try:
        return converge()
    except (InvalidOptions, Refused) as exc:
        became = notes(exc) or ("nothing was changed",)
        _fail(module, f"{became[0]}: {exc}", errors=list(exc.errors))
    except _REFUSALS as exc:
        _fail(module, with_notes(str(exc), exc))
    except ImportError as exc:
        _fail(module, with_notes(missing_required_lib("pyroute2"), exc), exception=traceback.format_exc())
    except OSError as exc:
        _fail(module, with_notes(f"the system refused: {of_the_system(exc)}", exc))
    except Exception as exc:
        if "pyroute2" in sys.modules and isinstance(exc, error_types()):
            _fail(module, with_notes(f"the kernel refused: {exc}", exc))
        raise


def _fail(module: AnsibleModule, message: str, **details: Any) -> NoReturn:
    module.fail_json(msg=message, invocation={"module_args": {}}, **details)
    raise SystemExit(1)  # fail_json has left already; this tells type checkers so


def exit_with(module: AnsibleModule, done: HostOutcome, **extra: Any) -> None:
    """Leave the module with what was done. The invocation is not echoed: it may hold a thousand peers."""
    warnings = [warning for outcome in done.interfaces for warning in outcome.warnings]
    for warning in (*warnings, *(warning for one in done.sections.values() for warning in one.stage.warnings)):
        module.warn(warning)
    result: dict[str, Any] = {
        "changed": done.changed,
        "differs": done.changed,
        "invocation": {"module_args": {}},
        **extra,
    }
    if module._diff:
        from . import difference

        sides: dict[str, dict[str, Any]] = {
            outcome.plan.name: difference.describe(outcome.plan) for outcome in done.interfaces if outcome.plan
        }
        sides.update({section.label: one.stage.diff() for section, one in done.sections.items() if one.changed})
        result["diff"] = {
            side: {name: described[side] for name, described in sides.items()} for side in ("before", "after")
        }
    module.exit_json(**result)


def section_results(done: HostOutcome) -> dict[str, Any]:
    """Return what was done by kind: counts and requests; of routes, by table."""
    results: dict[str, Any] = {}
    for section, one in done.sections.items():
        said = {**one.stage.counts, "requests": one.requests}
        if section.table:
            results.setdefault(section.kind, {})[str(section.table)] = said
        else:
            results[section.kind] = said
    return results


def interface_result(outcome: Outcome) -> dict[str, Any]:
    """Return what a caller learns of one interface: its public key, and what was done by kind."""
    return {
        "public_key": encode_key(outcome.plan.own_key) if any(outcome.plan.own_key) else None,
        "requests": outcome.requests,
        **outcome.plan.counts(),
    }
