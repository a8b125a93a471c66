# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The options of xfrm_policy as values. All that is wrong is said at once, before anything is read or touched.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..netlink.xfrm_policy import MAX_TEMPLATES
from ..prefix import parse_prefix
from ..refusal import InvalidOptions
from . import reader
from .ownership import DEFAULT_REQID, parse_reqids
from .policies import AbsentPolicy, WantedPolicies, label
from .reader import Reader
from .values import (
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


def parse_policies(options: Mapping[str, Any]) -> WantedPolicies:
    """Return what the options of xfrm_policy ask for. Raises InvalidOptions with all that is wrong."""
    errors: list[str] = []
    policies: list[Policy] = []
    absent: list[AbsentPolicy] = []
    places: dict[PolicyKey, str] = {}
    seen: set[PolicyKey] = set()
    for index, entry in enumerate(options.get("policies") or ()):
        place = f"policies[{index}]"
        options_of = Reader(entry, place, errors)
        noted = len(errors)
        key = _read_key(options_of)
        if key is None:
            continue
        # A key that was read wrong says nothing of others.
        if len(errors) > noted:
            places.setdefault(key, place)
        elif key in seen:
            errors.append(f"{place}: {label(key)} is already {places[key]}; the priority does not tell policies apart")
        else:
            seen.add(key)
            places[key] = place
        if entry.get("state") == "absent":
            reqid = options_of.number("reqid", 0, ALL_BITS) if entry.get("reqid") is not None else None
            absent.append(AbsentPolicy(key, reqid))
        else:
            policies.append(_read_policy(options_of, key))
    module = Reader(options, "xfrm_policy", errors)
    module.read("management_addresses", lambda addresses: [parse_prefix(address) for address in addresses], None)
    ours = module.read("owned_reqids", parse_reqids, WantedPolicies.ours)
    if errors:
        raise InvalidOptions(errors)
    return WantedPolicies(
        tuple(policies),
        tuple(absent),
        bool(options.get("purge")),
        ours,
        bool(options.get("takeover")),
        bool(options.get("allow_management_change")),
    )


def _read_key(options: Reader) -> PolicyKey | None:
    if options.get("dir") is None:
        options.wrong("dir", f"is needed: {', '.join(DIRECTIONS)}")
    direction = options.choice("dir", DIRECTIONS, "in")
    selector = options.selector(None)
    mark = options.read("mark", reader.mark, NO_MARK)
    if_id = options.number("if_id", 0, ALL_BITS)
    return None if selector is None else (direction, if_id, mark, selector)


def _read_policy(options: Reader, key: PolicyKey) -> Policy:
    direction, if_id, mark, selector = key
    if options.get("reqid") is not None:
        options.wrong("reqid", "stands in the templates; here it is only for state: absent")
    entries = options.get("templates") or ()
    if len(entries) > MAX_TEMPLATES:
        options.wrong("templates", f"the kernel takes {MAX_TEMPLATES} at most, not {len(entries)}")
    templates: list[Template] = []
    family = selector.family
    for index, entry in enumerate(entries):
        inner = Reader(entry, f"{options.place}.templates[{index}]", options.errors)
        templates.append(_read_template(inner, family, direction))
        family = templates[-1].destination.family
    return Policy(
        direction=direction,
        selector=selector,
        mark=mark,
        if_id=if_id,
        priority=options.number("priority", 0, ALL_BITS),
        action=options.choice("action", ACTIONS, "allow"),
        flags=options.flags("flags", POLICY_FLAGS),
        limits=options.limits(),
        templates=tuple(templates),
    )


def _read_template(options: Reader, family: int, direction: int) -> Template:
    source = options.read("src", reader.address, None)
    destination = options.read("dst", reader.address, None)
    mode = options.choice("mode", MODES, "tunnel")
    inside = family
    known = source or destination
    if known is not None:
        family = known.family
    if source is not None and destination is not None and source.family != destination.family:
        options.wrong("", f"src {source} and dst {destination} are not of one family")
    is_outbound = direction == DIRECTIONS["out"]
    if mode in (TUNNEL, BEET) and is_outbound and (destination is None or not any(destination.packed)):
        options.wrong("dst", "an outbound tunnel needs to know its other end")
    optional = options.choice("level", LEVELS, "required")
    if mode in (TUNNEL, BEET) and is_outbound and optional:
        options.wrong("level", "the kernel has no optional tunnels outbound; say required")
    if mode not in (TUNNEL, BEET) and family != inside:
        options.wrong("mode", "transport mode cannot change the IP version of the packets; say tunnel")
    return Template(
        source or any_address(family),
        destination or any_address(family),
        options.choice("proto", PROTOCOLS, "esp"),
        mode,
        options.number("reqid", 0, ALL_BITS, DEFAULT_REQID),
        options.number("spi", 0, ALL_BITS),
        optional,
    )
