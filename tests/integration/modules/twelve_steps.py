# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The twelve steps of a module's test: create, modify and delete, each twice, and each first in check mode, which must
predict the real run and change nothing.

A case is a table of arguments. ``host_state`` observes the host with other programs, never with our own code.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from host_state import observe, secrets_of
from managed_host import ManagedHost, ModuleResult

Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One case of a module: the preparation, then the arguments of the three changes."""

    module: str
    create: Arguments
    modify: Arguments
    delete: Arguments | None
    given: tuple[tuple[str, Arguments], ...] = ()
    """Modules that run before the first step, with their arguments."""
    manual_change: str = ""
    """A shell script that runs on the host before the modification: a manual change."""


def take_twelve_steps(host: ManagedHost, case: Case) -> None:
    """Run a case on a host. Every assertion names the step."""
    for module, arguments in case.given:
        prepared = host.module(module, **arguments)
        assert prepared.rc == 0, prepared.output
    state = _change_then_again(host, case.module, "create", case.create, observe(host))
    if case.manual_change:
        host.shell(case.manual_change)
        state = observe(host)
    state = _change_then_again(host, case.module, "modify", case.modify, state)
    if case.delete is not None:
        _change_then_again(host, case.module, "delete", case.delete, state)


def _change_then_again(
    host: ManagedHost, module: str, step: str, arguments: Arguments, before: dict[str, Any]
) -> dict[str, Any]:
    """Take four steps, and return the state of the host afterwards."""
    secrets = secrets_of(host)  # keys that the step removes must not be printed either
    predicted = host.module(module, check_mode=True, **arguments)
    found = observe(host)
    assert found == before, f"{step}: check mode changed the host: {_differences(before, found)}"
    done = host.module(module, **arguments)
    after = observe(host)
    assert predicted.changed and done.changed, f"{step}: {predicted.output} {done.output}"
    assert predicted.diff == done.diff, (
        f"{step}: the real diff is not the one that check mode showed: {_differences(predicted.diff, done.diff)}"
    )
    assert done.diff["before"] != done.diff["after"], f"{step}: changed, and nothing in the diff"
    assert "\n+" in done.shown_diff or "\n-" in done.shown_diff, f"{step}: the diff cannot be shown"
    assert after != before, f"{step}: nothing happened on the host"

    predicted_again = host.module(module, check_mode=True, **arguments)
    again = host.module(module, **arguments)
    assert not predicted_again.changed, f"{step} again, check mode: {predicted_again.output}"
    assert not again.changed, f"{step} again: {again.output}"
    assert predicted_again.diff == again.diff, f"{step} again"
    assert again.diff["before"] == again.diff["after"], f"{step} again: a diff without a change"
    found = observe(host)
    assert found == after, f"{step} again: changed the host and did not say so: {_differences(after, found)}"

    secrets |= secrets_of(host) | set(_preshared_keys(arguments))
    assert_no_secret((predicted, done, predicted_again, again), secrets)
    return after


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the differing entries, before and after."""
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}


def _preshared_keys(arguments: Any, inside: bool = False) -> Iterator[str]:
    """Yield the preshared keys in a module's arguments."""
    if isinstance(arguments, Mapping):
        for name, value in arguments.items():
            yield from _preshared_keys(value, inside or str(name).startswith("preshared_key"))
    elif isinstance(arguments, (list, tuple)):
        for value in arguments:
            yield from _preshared_keys(value, inside)
    elif inside and arguments:
        yield str(arguments)


def assert_no_secret(results: Iterable[ModuleResult], secrets: Iterable[str]) -> None:
    """Fail if a module printed a key, in base64 or in hexadecimal."""
    for secret in secrets:
        for result in results:
            assert secret.rstrip("=") not in result.output
            assert base64.b64decode(secret).hex() not in result.output
