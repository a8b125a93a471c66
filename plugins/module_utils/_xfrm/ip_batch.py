# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""States and policies as lines for `ip -batch` (ip-xfrm(8)), which boots load without Python. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .describe import describe_policy, describe_state
from .model import ACTIONS, BLOCK, MODES, NO_MARK, PROTOCOLS, Mark, Policy, State, Template, name_of

# Fields that these lines do not have; a state or policy with one of them is refused.
_NOT_OF_STATES = ("auth", "enc", "comp", "sel", "encap", "tfcpad", "dir", "offload", "extra_flags", "if_id", "limits")
_NOT_OF_POLICIES = ("dev", "flags", "if_id", "limits")


def add_state(state: State) -> str:
    """Return the line that creates a state, its key included. Raises ValueError for an unsupported field."""
    shown = describe_state(state, fingerprints=False)
    _refuse(shown, _NOT_OF_STATES, "a state")
    words = ["xfrm state add src", str(state.source), "dst", str(state.destination)]
    words += ["proto", name_of(PROTOCOLS, state.protocol), "spi", f"{state.spi:#010x}", "reqid", str(state.reqid)]
    words += ["mode", name_of(MODES, state.mode), "replay-window", str(state.replay_window)]
    for flag in [*shown["flags"], *(["esn"] if shown["esn"] else [])]:
        words += ["flag", flag]
    words += _mark("mark", state.mark)
    if state.aead is None:
        raise ValueError("a state for the next boot needs an aead")
    words += ["aead", state.aead.name, f"0x{state.aead.key.hex()}", str(state.aead.tag_bits)]
    return " ".join([*words, *_mark("output-mark", state.output_mark)])


def set_policy(policy: Policy) -> str:
    """Return the line that creates or replaces a policy. Raises ValueError for an unsupported field."""
    shown = describe_policy(policy)
    _refuse(shown, _NOT_OF_POLICIES, "a policy")
    words = ["xfrm policy update src", shown["src"], "dst", shown["dst"]]
    if "proto" in shown:
        # By number: names need /etc/protocols, which small systems do not have.
        words += ["proto", str(policy.selector.protocol)]
    for name in ("sport", "dport", "type", "code"):
        if name in shown:
            words += [name, str(shown[name])]
    words += ["dir", shown["dir"], *_mark("mark", policy.mark), "priority", str(policy.priority)]
    if policy.action == BLOCK:
        words += ["action", name_of(ACTIONS, BLOCK)]
    return " ".join([*words, *(word for template in policy.templates for word in _template(template))])


def _template(template: Template) -> Iterable[str]:
    yield from ("tmpl", "src", str(template.source), "dst", str(template.destination))
    yield from ("proto", name_of(PROTOCOLS, template.protocol))
    if template.spi:
        yield from ("spi", f"{template.spi:#010x}")
    yield from ("reqid", str(template.reqid), "mode", name_of(MODES, template.mode))
    if template.optional:
        yield from ("level", "use")


def _mark(word: str, mark: Mark) -> list[str]:
    return [] if mark == NO_MARK else [word, f"{mark.value:#x}", "mask", f"{mark.mask:#x}"]


def _refuse(shown: Mapping[str, object], unwritten: Iterable[str], what: str) -> None:
    found = [name for name in unwritten if shown.get(name)]
    if found:
        raise ValueError(f"{what} for the next boot cannot have {', '.join(found)}")
