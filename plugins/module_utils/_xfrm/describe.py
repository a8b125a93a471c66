# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""States and policies as plain data in the words of `ip xfrm`, without keys. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from .._engine.reconcile import Keyed, Operation
from .._engine.shown import Change, Diff
from .key_material import fingerprint
from .model import (
    ACTIONS,
    DIRECTIONS,
    EXTRA_FLAGS,
    FLAG_ESN,
    MODES,
    NO_MARK,
    POLICY_FLAGS,
    PROTOCOLS,
    SA_DIRECTIONS,
    STATE_FLAGS,
    Policy,
    State,
    Template,
    interface_name,
    name_of,
    names_of,
)
from .ownership import Reqids

T = TypeVar("T", bound=Keyed)

_OFFLOAD_INBOUND, _OFFLOAD_PACKET = 2, 4


def describe_state(state: State, *, fingerprints: bool = True) -> dict[str, Any]:
    """Return the configuration of a state, named as the options of xfrm_state; of keys only fingerprints."""
    family = state.destination.family
    shown: dict[str, Any] = {
        "src": str(state.source),
        "dst": str(state.destination),
        "proto": name_of(PROTOCOLS, state.protocol),
        "spi": f"{state.spi:#010x}",
        "reqid": state.reqid,
        "mode": name_of(MODES, state.mode),
        "replay_window": state.replay_window,
        "esn": bool(state.flags & FLAG_ESN),
        "flags": names_of(STATE_FLAGS, state.flags & ~FLAG_ESN),
        "extra_flags": names_of(EXTRA_FLAGS, state.extra_flags),
        "mark": str(state.mark) if state.mark != NO_MARK else "",
        "output_mark": str(state.output_mark) if state.output_mark != NO_MARK else "",
        "if_id": state.if_id,
        "limits": state.limits.describe(),
    }
    for option, algorithm in state.algorithms.items():
        shown[option] = {"algorithm": algorithm.name}
        if option in ("aead", "auth"):
            shown[option]["icv_bits" if option == "aead" else "truncation_bits"] = algorithm.tag_bits
        if fingerprints and algorithm.key:
            shown[option]["key_fingerprint"] = fingerprint(algorithm.key)
    if state.selector is not None:
        shown["sel"] = state.selector.describe()
    if state.encap is not None:
        shown["encap"] = state.encap.describe(family)
    if state.tfc_padding:
        shown["tfcpad"] = state.tfc_padding
    if state.direction:
        shown["dir"] = name_of(SA_DIRECTIONS, state.direction)
    if state.offload is not None:
        flags = state.offload.flags
        shown["offload"] = {
            "type": "packet" if flags & _OFFLOAD_PACKET else "crypto",
            "dev": interface_name(state.offload.interface),
            "dir": "in" if flags & _OFFLOAD_INBOUND else "out",
        }
    return shown


def state_counters(state: State) -> dict[str, Any]:
    """Return the counters of a state."""
    return {
        "bytes": state.byte_count,
        "packets": state.packet_count,
        "added": state.added,
        "used": state.used,
        "sequence_sent": state.sequence[0],
        "sequence_received": state.sequence[1],
        "failed_replay_window": state.failed[0],
        "failed_replay": state.failed[1],
        "failed_integrity": state.failed[2],
    }


def describe_policy(policy: Policy) -> dict[str, Any]:
    """Return the configuration of a policy, named as the options of xfrm_policy."""
    return {
        "dir": name_of(DIRECTIONS, policy.direction),
        **policy.selector.describe(),
        "priority": policy.priority,
        "action": name_of(ACTIONS, policy.action),
        "flags": names_of(POLICY_FLAGS, policy.flags),
        "mark": str(policy.mark) if policy.mark != NO_MARK else "",
        "if_id": policy.if_id,
        "limits": policy.limits.describe(),
        "templates": [_describe_template(template) for template in policy.templates],
    }


def _describe_template(template: Template) -> dict[str, Any]:
    return {
        "src": str(template.source),
        "dst": str(template.destination),
        "proto": name_of(PROTOCOLS, template.protocol),
        "mode": name_of(MODES, template.mode),
        "reqid": template.reqid,
        "spi": f"{template.spi:#010x}" if template.spi else "",
        "level": "use" if template.optional else "required",
    }


def list_states(states: Iterable[State], within: Reqids | None, *, fingerprints: bool) -> list[dict[str, Any]]:
    """Return states, all or those of some reqids, with their counters, by key."""
    return [
        {**describe_state(state, fingerprints=fingerprints), "counters": state_counters(state)}
        for state in sorted(states, key=State.key)
        if within is None or state.reqid in within
    ]


def list_policies(policies: Iterable[Policy], within: Reqids | None) -> list[dict[str, Any]]:
    """Return policies, all or those with a template of some reqids, by key."""
    return [
        {**describe_policy(policy), "index": policy.index}
        for policy in sorted(policies, key=Policy.key)
        if within is None or any(template.reqid in within for template in policy.templates)
    ]


def diff(
    operations: Iterable[Operation[T]],
    label: Callable[[Any], str],
    describe: Callable[[T], dict[str, Any]],
    node_of: Callable[[T], str],
) -> list[Diff]:
    """Return a plan as a diff by object, each named after the node at the other end where that is known."""
    sides: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    for operation in operations:
        for side, item in zip(sides, (operation.before, operation.after)):
            if item is not None:
                node = node_of(item)
                side[f"{node}: {label(operation.key())}" if node else label(operation.key())] = describe(item)
    return [Diff("", *sides)]


def changes(kind: str, operations: Iterable[Operation[T]], node_of: Callable[[T], str]) -> Iterator[Change]:
    """Yield the changed objects for a summary, each with the name of the node at its other end."""
    for operation in operations:
        item = operation.after if operation.after is not None else operation.before
        yield Change(kind, operation.action, node_of(item) if item is not None else "")


def node_of_state(state: State, nodes: Mapping[str, str]) -> str:
    """Return the name of the node at the other end of a state, "" where it is unknown. ``nodes`` are by address."""
    return nodes.get(str(state.source)) or nodes.get(str(state.destination), "")


def node_of_policy(policy: Policy, nodes: Mapping[str, str]) -> str:
    """Return the name of the node at the other end of a policy, "" where it is unknown. ``nodes`` are by address."""
    ends = [str(end) for template in policy.templates for end in (template.source, template.destination)]
    selector = policy.selector
    ends += [str(end.bare) for end in (selector.source, selector.destination)]
    return next((nodes[end] for end in ends if end in nodes), "")


def differing_fields(operation: Operation[Any]) -> str:
    """Return the names of the fields that an operation changes, never their values."""
    before, after = operation.before, operation.after
    if before is None:
        return "is missing"
    if after is None:
        return "still exists"
    names = [
        field.name
        for field in fields(before)
        if field.compare and getattr(before, field.name) != getattr(after, field.name)
    ]
    return "differs in " + ", ".join(names)
