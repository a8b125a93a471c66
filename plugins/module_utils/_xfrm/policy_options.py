# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The options of xfrm_policy as values. All errors are reported at once, before anything is read or changed.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._engine.options import OptionReader, within
from .._ip.prefix import parse_prefix
from . import option_reader as reader
from .model import (
    ACTIONS,
    ALL_BITS,
    BEET,
    DIRECTIONS,
    LEVELS,
    MODES,
    NO_MARK,
    POLICY_FLAGS,
    PROTOCOLS,
    TUNNEL,
    Policy,
    PolicyKey,
    Template,
    any_address,
)
from .ownership import DEFAULT_REQID, parse_reqids
from .policy_codec import MAX_TEMPLATES
from .policy_plan import AbsentPolicy, WantedPolicies, label


def parse_policies(options: Mapping[str, Any]) -> WantedPolicies:
    """Return the wanted policies. Raises InvalidOptions with all errors."""
    call = OptionReader(options)
    policies: list[Policy] = []
    absent: list[AbsentPolicy] = []
    rule = "policies cannot differ by priority alone"
    for entry, key in reader.keyed_entries(call, "policies", _read_key, label, rule):
        if entry.get("state") == "absent":
            absent.append(AbsentPolicy(key, entry.read("reqid", within(0, ALL_BITS), None)))
        else:
            policies.append(_read_policy(entry, key))
    call.each("management_addresses", parse_prefix)
    ours = call.read("owned_reqids", parse_reqids, WantedPolicies.ours)
    call.raise_errors()
    return WantedPolicies(
        tuple(policies),
        tuple(absent),
        bool(options.get("purge")),
        ours,
        bool(options.get("takeover")),
        bool(options.get("allow_management_change")),
    )


def _read_key(options: OptionReader) -> PolicyKey | None:
    if options.get("dir") is None:
        options.error("dir", f"is required: {', '.join(DIRECTIONS)}")
    direction = options.choice("dir", DIRECTIONS, "in")
    selector = reader.selector(options, None)
    mark = options.read("mark", reader.mark, NO_MARK)
    if_id = options.number("if_id", 0, ALL_BITS)
    return None if selector is None else (direction, if_id, mark, selector)


def _read_policy(options: OptionReader, key: PolicyKey) -> Policy:
    direction, if_id, mark, selector = key
    if options.get("reqid") is not None:
        options.error("reqid", "belongs into the templates; here it is only for state: absent")
    entries = list(options.entries("templates"))
    if len(entries) > MAX_TEMPLATES:
        options.error("templates", f"the kernel takes {MAX_TEMPLATES} at most, not {len(entries)}")
    templates: list[Template] = []
    family = selector.family
    for entry in entries:
        templates.append(_read_template(entry, family, direction))
        family = templates[-1].destination.family
    return Policy(
        direction=direction,
        selector=selector,
        mark=mark,
        if_id=if_id,
        priority=options.number("priority", 0, ALL_BITS),
        action=options.choice("action", ACTIONS, "allow"),
        flags=reader.flags(options, "flags", POLICY_FLAGS),
        limits=reader.limits(options),
        templates=tuple(templates),
    )


def _read_template(options: OptionReader, family: int, direction: int) -> Template:
    source = options.read("src", reader.address, None)
    destination = options.read("dst", reader.address, None)
    mode = options.choice("mode", MODES, "tunnel")
    inside = family
    known = source or destination
    if known is not None:
        family = known.family
    if source is not None and destination is not None and source.family != destination.family:
        options.error("", f"src {source} and dst {destination} are not of one family")
    is_outbound = direction == DIRECTIONS["out"]
    if mode in (TUNNEL, BEET) and is_outbound and (destination is None or not any(destination.packed)):
        options.error("dst", "an outbound tunnel needs the address of its other end")
    optional = options.choice("level", LEVELS, "required")
    if mode in (TUNNEL, BEET) and is_outbound and optional:
        options.error("level", "the kernel has no optional outbound tunnels; write required")
    if mode not in (TUNNEL, BEET) and family != inside:
        options.error("mode", "transport mode cannot change the IP version of the packets; write tunnel")
    return Template(
        source or any_address(family),
        destination or any_address(family),
        options.choice("proto", PROTOCOLS, "esp"),
        mode,
        options.number("reqid", 0, ALL_BITS, DEFAULT_REQID),
        options.number("spi", 0, ALL_BITS),
        optional,
    )
