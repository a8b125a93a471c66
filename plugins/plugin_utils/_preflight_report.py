# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results of `preflight_info` of several hosts as one table; hosts with the same finding share a line.

What a host reports is hostile input: texts are bounded, and only known levels count.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..module_utils._preflight.findings import ERROR, LEVELS, NOTE, Finding
from ._untrusted import list_of, mapping_of, text_of

_MOST_FINDINGS, _LONGEST, _WORD_LENGTH = 100, 1000, 20
_MOST_NAMES = 10  # in one line


class PreflightReport(NamedTuple):
    """Lines of a table, and the hosts without an error."""

    table: list[str]
    ready: list[str]


def preflight_report(results: Mapping[str, object]) -> PreflightReport:
    """Return the report. results: by host, the registered result; None, or one of another shape, counts as an error."""
    hosts: dict[Finding, list[str]] = {}
    for name in sorted(results):
        for finding in dict.fromkeys(read_findings(results[name])):
            hosts.setdefault(finding, []).append(name)
    ordered = sorted(hosts, key=lambda finding: (LEVELS.index(finding.level), finding.check, hosts[finding]))
    rows = [(finding.level, finding.check, _names(hosts[finding]), _text(finding)) for finding in ordered]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    with_errors = {name for finding in ordered if finding.level == ERROR for name in hosts[finding]}
    ready = [name for name in sorted(results) if name not in with_errors]
    table = ["  ".join([*(word.ljust(width) for word, width in zip(row, widths)), row[3]]) for row in rows]
    return PreflightReport([*table, f"{len(ready)} of {len(results)} hosts are ready"], ready)


def read_findings(result: object) -> Iterator[Finding]:
    """Yield what a host reports; one error for a host that did not, or reports something else."""
    found = mapping_of(result)
    listed = list_of(found.get("findings"))
    if found.get("unreachable") is True or not found:
        yield Finding(
            "connection", ERROR, "the host is unreachable or failed before", "see its message above, and run again"
        )
    elif found.get("failed") is True or not isinstance(found.get("findings"), list):
        message = _bounded(found.get("msg")) or "the module returned no findings"
        yield Finding("connection", ERROR, f"the check failed: {message}", "correct that, and run again")
    for one in map(mapping_of, listed[:_MOST_FINDINGS]):
        check, level, cause = text_of(one.get("check")), text_of(one.get("level")), _bounded(one.get("cause"))
        if check.isidentifier() and len(check) <= _WORD_LENGTH and cause:
            yield Finding(check, level if level in LEVELS else NOTE, cause, _bounded(one.get("remedy")))


def _bounded(value: object) -> str:
    """Return a text on one line, "" for anything else."""
    text = " ".join(text_of(value)[:_LONGEST].split())
    return text if text.isprintable() else ""


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _text(finding: Finding) -> str:
    return f"{finding.cause}. Remedy: {finding.remedy}" if finding.remedy else finding.cause
