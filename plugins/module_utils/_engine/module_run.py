# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Run the work of a module and exit with its result, or with one clear message.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ansible.module_utils.basic import AnsibleModule

from .result import StageResult

if TYPE_CHECKING:
    from .shown import Diff

T = TypeVar("T")


class Module(AnsibleModule):
    """A module that logs and returns only the names of its options: a value may hold a key, wherever it is written."""

    _options_are_valid = False

    def _log_invocation(self) -> None:
        self._options_are_valid = True
        self.log("Invoked with " + ", ".join(name for name, value in self.params.items() if value))

    def fail_json(self, msg: str, **kwargs: Any) -> None:
        """Fail; ansible-core quotes values of a wrong type."""
        if not self._options_are_valid:
            from .hidden_values import without_values

            msg = without_values(str(msg))
        super().fail_json(msg, **kwargs)

    def _return_formatted(self, kwargs: dict[str, Any]) -> None:
        super()._return_formatted({**kwargs, "invocation": {"module_args": {}}})


def run(
    module: AnsibleModule,
    work: Callable[[], T],
    untouched: str = "nothing was changed",
    done: Callable[[], Mapping[str, Any]] = dict,
) -> T:
    """Return the result of ``work``, or exit with a message.

    untouched: what the message says where the options are refused, for example "nothing was sent". done: returns the further
    values of a failed result, such as what was done before the failure.
    """
    try:
        return work()
    except Exception as exc:
        from .failure import failure_of

        failure = failure_of(exc, untouched, variables_of(module))
        if failure is None:
            raise
    module.fail_json(**{**done(), **failure})
    raise SystemExit(1)  # for type checkers: fail_json does not return


def variables_of(module: AnsibleModule) -> dict[str, str]:
    """Return by option the variable that set it, as the caller of the module says."""
    return {str(option): str(name) for option, name in (module.params.get("variables") or {}).items()}


def combine(results: Mapping[str, StageResult]) -> StageResult:
    """Return the results of several stages as one: all warnings, and the diffs of each changed stage, with its name."""

    def diff() -> list[Diff]:
        changed = ((name, found) for name, one in results.items() if one.changed for found in one.diff())
        return [found if found.subject else found._replace(subject=name) for name, found in changed]

    return StageResult(
        any(one.changed for one in results.values()),
        {},
        diff,
        tuple(warning for one in results.values() for warning in one.warnings),
        sum(one.requests for one in results.values()),
    )


def exit_with(module: AnsibleModule, result: StageResult, subject: str = "", **values: Any) -> None:
    """Exit with a result: its warnings, whether it changed anything, its diff, and the values given.

    ``subject`` says what a diff without a subject is of.
    """
    for warning in result.warnings:
        from .option_names import spoken

        module.warn(spoken(warning, variables_of(module)))
    if module._diff:
        from .headers import with_headers

        values["diff"] = with_headers(result.diff(), subject)
    module.exit_json(changed=result.changed, **values)
