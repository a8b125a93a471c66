# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sets the keys of IPsec states apart from what may be logged: a state then only names its key. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ALGORITHMS = ("aead", "auth", "enc", "comp")


def set_apart_ahead(boot: object) -> tuple[object, dict[str, Any]]:
    """Return the option xfrm_boot of overlay_apply without the keys of the epochs ahead, and these, as `set_apart`."""
    keys: dict[str, Any] = {}
    ahead = boot.get("ahead") if isinstance(boot, Mapping) else None
    if not isinstance(boot, Mapping) or not isinstance(ahead, Mapping):
        return boot, keys
    named = {}
    for epoch, states in ahead.items():
        options, found = set_apart({"states": states}, f"ahead.{epoch}.")
        named[epoch] = options["states"] if isinstance(options, Mapping) else states
        keys.update(found)
    return {**boot, "ahead": named}, keys


def set_apart(options: object, place: str = "") -> tuple[object, dict[str, Any]]:
    """Return the options of xfrm_state with key_name in place of each key, and the keys by these names.

    place: what the names begin with.
    What has not the shape of such options is returned as it is; the module says what is wrong with it.
    """
    keys: dict[str, Any] = {}
    if not isinstance(options, Mapping) or not isinstance(options.get("states"), list):
        return options, keys
    states = []
    for position, state in enumerate(options["states"]):
        if not isinstance(state, Mapping):
            states.append(state)
            continue
        named = dict(state)
        for kind in _ALGORITHMS:
            algorithm = state.get(kind)
            if isinstance(algorithm, Mapping) and algorithm.get("key") is not None:
                name = f"{place}states[{position}].{kind}"
                keys[name] = algorithm["key"]
                named[kind] = {option: value for option, value in algorithm.items() if option != "key"}
                named[kind]["key_name"] = name
        states.append(named)
    return {**options, "states": states}, keys
