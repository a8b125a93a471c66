# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name of a host in the result of a module."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.wirewright.overlay.plugins.plugin_utils._host_module import with_host


@dataclass(frozen=True)
class Event:
    """The text of a warning, as ansible-core keeps it."""

    msg: str
    help_text: str = ""


@dataclass(frozen=True)
class Summary:
    """A warning, as ansible-core makes it of the text of a module."""

    event: Event


def test_warnings_and_headers_of_diffs_begin_with_the_host() -> None:
    result = {
        "changed": True,
        "warnings": ["wg0 is odd", Summary(Event("wg1 is odd", "help"))],
        "diff": [{"before_header": "wg0", "after_header": "wg0", "before": "", "after": "x\n"}],
    }
    assert with_host(result, "h1") == {
        "changed": True,
        "warnings": ["h1: wg0 is odd", Summary(Event("h1: wg1 is odd", "help"))],
        "diff": [{"before_header": "h1 wg0", "after_header": "h1 wg0", "before": "", "after": "x\n"}],
    }


def test_a_result_without_them_stays() -> None:
    assert with_host({"changed": False, "diff": []}, "h1") == {"changed": False, "diff": []}
