# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""How the modules of one kind of object run: converge, then leave with a result or with one clear message.

This module is private to the collection.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from ansible.module_utils.basic import AnsibleModule

from .netlink.messages import NetlinkError
from .refusal import Ended, InvalidOptions, NotConverged, Refused, notes, of_the_system, with_notes
from .stage import Outcome

# The invocation is not echoed: it may hold keys, and thousands of objects.
SILENT: dict[str, Any] = {"invocation": {"module_args": {}}}

T = TypeVar("T")


def look(module: AnsibleModule, untouched: str, ask: Callable[[], T]) -> T:
    """Return what a module that only reads has found, or leave it with one clear message.

    untouched: what is true where the options are refused, such as "nothing was sent". The invocation is not echoed: it
    may hold a thousand peers.
    """
    try:
        return ask()
    except (InvalidOptions, Refused) as exc:
        _leave(module, f"{untouched}: {exc}", errors=list(exc.errors))
    except ValueError as exc:  # such as an unreadable memory
        _leave(module, f"{untouched}: {exc}")
    except PermissionError as exc:
        _leave(module, f"the system refused: {of_the_system(exc)}; run the task as root (become: true)")
    except OSError as exc:
        hint = "; `ip link` lists the interfaces there are" if exc.errno == errno.ENODEV else ""
        _leave(module, f"the system refused: {of_the_system(exc)}{hint}")


def _leave(module: AnsibleModule, message: str, **details: Any) -> NoReturn:
    module.fail_json(msg=message, **details, **SILENT)
    raise SystemExit(1)  # fail_json has left already; this tells type checkers so


def run(module: AnsibleModule, kind: str, converge: Callable[[], Outcome]) -> None:
    """Converge and leave the module; ``kind`` is the plural by which the result names the counts."""
    try:
        outcome = converge()
    except (InvalidOptions, Refused) as exc:
        became = notes(exc) or ("nothing was changed",)
        module.fail_json(msg=f"{became[0]}: {exc}", errors=list(exc.errors), **SILENT)
        return
    except (NotConverged, ValueError, Ended) as exc:  # such as an unreadable memory
        module.fail_json(msg=with_notes(str(exc), exc), **SILENT)
        return
    except NetlinkError as exc:
        module.fail_json(msg=with_notes(f"the kernel refused: {exc}", exc), **SILENT)
        return
    except OSError as exc:
        module.fail_json(msg=with_notes(f"the system refused: {of_the_system(exc)}", exc), **SILENT)
        return
    stage = outcome.stage
    for warning in stage.warnings:
        module.warn(warning)
    result: dict[str, Any] = {"changed": outcome.changed, kind: stage.counts, "requests": outcome.requests}
    if module._diff:
        result["diff"] = {side: _shown(described) for side, described in stage.diff().items()}
    module.exit_json(**result, **SILENT)


def _shown(described: object) -> object:
    """Return a side of a diff as `--diff` takes it: a mapping, or text. A list would not be shown."""
    return "".join(f"{line}\n" for line in described) if isinstance(described, list) else described
