# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Parse the options of overlay_apply for rules, routes, states and policies, which are those of the modules.

A section that is not given is not imported.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

from .._engine.errors import InvalidOptions
from .._engine.hidden_values import without_values
from .sections import ALLOW, KEYS, POLICIES, ROUTES, RULES, STATES, IndexOf, Options, WantedSections

if TYPE_CHECKING:
    from .._fib.route_options import WantedRoutes
    from .._fib.rule_options import WantedRules
    from .._xfrm.policy_plan import WantedPolicies
    from .._xfrm.state_plan import WantedStates

_ALGORITHMS = ("aead", "auth", "enc", "comp")


def parse_sections(options: Options, index_of: IndexOf) -> WantedSections:
    """Return the parsed sections. Raises InvalidOptions with every error."""
    errors: list[str] = []
    rules = states = policies = None
    routes: tuple[WantedRoutes, ...] = ()
    given: list[Options] = []
    if options.get(RULES) is not None:
        rules, found = _rules(options[RULES], errors)
        given.append(found)
    if options.get(ROUTES):
        routes = _routes(options[ROUTES], index_of, errors, given)
    if options.get(STATES) is not None:
        states = parse_states(options[STATES], options.get(KEYS) or {}, errors)
    if options.get(POLICIES) is not None:
        policies, found = _policies(options[POLICIES], bool(options.get(ALLOW)), errors)
        given.append(found)
    if errors:
        raise InvalidOptions(errors)
    return WantedSections(
        rules,
        routes,
        states,
        policies,
        tuple(address for found in given for address in found.get("management_addresses") or ()),
        bool(options.get(ALLOW)) or any(found.get(ALLOW) for found in given),
    )


def _rules(raw: Any, errors: list[str]) -> tuple[WantedRules | None, Options]:
    from .._fib import argument_spec as arguments
    from .._fib import rule_options

    found = _checked(raw, arguments.RULES, RULES, errors)
    return _parsed(rule_options.parse, found, RULES, errors), found or {}


def _routes(raw: Sequence[Any], index_of: IndexOf, errors: list[str], given: list[Options]) -> tuple[WantedRoutes, ...]:
    from .._fib import argument_spec as arguments
    from .._fib import route_options

    wanted: dict[int, WantedRoutes] = {}
    for position, listed in enumerate(raw):
        place = f"{ROUTES}[{position}]"
        found = _checked(listed, arguments.ROUTES, place, errors)
        parsed = _parsed(lambda options: route_options.parse(options, index_of), found, place, errors)
        if parsed is None or found is None:
            continue
        if parsed.table in wanted:
            errors.append(f"{place}.table: {parsed.table} is listed twice: write its routes in one entry")
        wanted[parsed.table] = parsed
        given.append(found)
    return tuple(wanted.values())


def parse_states(raw: Any, keys: Options, errors: list[str]) -> WantedStates | None:
    """Return the states in options of xfrm_state with named keys; None if there are errors, which are noted."""
    from .._xfrm import argument_spec as arguments
    from .._xfrm import state_options as desired_states

    with_keys = with_named_keys(raw, keys, errors) if isinstance(raw, Mapping) else raw
    return _parsed(desired_states.parse_states, _checked(with_keys, arguments.STATES, STATES, errors), STATES, errors)


def _policies(raw: Any, allowed: bool, errors: list[str]) -> tuple[WantedPolicies | None, Options]:
    from .._xfrm import argument_spec as arguments
    from .._xfrm import policy_options as desired_policies

    found = _checked(raw, arguments.POLICIES, POLICIES, errors)
    if found is not None and allowed:
        found = {**found, ALLOW: True}
    return _parsed(desired_policies.parse_policies, found, POLICIES, errors), found or {}


def _checked(raw: Any, arguments: Mapping[str, Any], place: str, errors: list[str]) -> Options | None:
    """Return the options of a section as the module of the same options would get them; None where they are wrong."""
    if not isinstance(raw, Mapping):
        errors.append(f"{place}: expected a mapping, got a value of type {type(raw).__name__}")
        return None
    checked = ArgumentSpecValidator(arguments).validate(dict(raw))
    for error in checked.errors:
        text = without_values(str(error.msg))
        errors.append(f"{place}: {'unsupported: ' if isinstance(error, UnsupportedError) else ''}{text}")
    return None if checked.error_messages else dict(checked.validated_parameters)


def _parsed(parse: Callable[[Options], Any], options: Options | None, place: str, errors: list[str]) -> Any:
    """Return what is parsed of checked options; note the errors with the section's name, and return None, if any."""
    if options is None:
        return None
    try:
        return parse(options)
    except InvalidOptions as exc:
        errors += [f"{place}.{error}" for error in exc.errors]
    return None


def with_named_keys(options: Options, keys: Options, errors: list[str]) -> dict[str, Any]:
    """Return the options of xfrm_state with the key of each algorithm that names one by ``key_name``."""
    listed = options.get("states")
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        return dict(options)
    states = []
    for position, state in enumerate(listed):
        if not isinstance(state, Mapping):
            states.append(state)
            continue
        filled = dict(state)
        for kind in _ALGORITHMS:
            if isinstance(state.get(kind), Mapping):
                filled[kind] = _with_key(state[kind], keys, f"{STATES}.states[{position}].{kind}", errors)
        states.append(filled)
    return {**options, "states": states}


def _with_key(algorithm: Options, keys: Options, place: str, errors: list[str]) -> dict[str, Any]:
    if algorithm.get("key") is not None:
        errors.append(f"{place}.key: write the key to {KEYS}, so that it is never logged, and its name to key_name")
    named = {name: value for name, value in algorithm.items() if name not in ("key", "key_name")}
    name = algorithm.get("key_name")
    if name is None:
        return named
    if name not in keys:
        errors.append(f"{place}.key_name: {name!r} is not in {KEYS}: add the key there under this name")
        return named
    return {**named, "key": keys[name]}
