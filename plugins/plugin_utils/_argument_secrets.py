# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets in the arguments of overlay_apply: misplaced ones are reported, keys of IPsec states are moved. Pure.

A module logs its options to syslog, except those declared secret as a whole. So a state only names its key, and the
key is in an option of that kind. This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Variables of a plan, from which the controller takes a host's keys, and what sets them.
_OF_PLANS = {
    "psk_master": "overlay_psk_master, or the variable of the role",
    "psk_epoch": "overlay_psk_epoch, or the variable of the role",
    "ipsec_master": "overlay_ipsec_master, or the variable of the role",
    "static_preshared_keys": "preshared_key of a peer in the variable static_peers of the role",
}
# Keys are moved out of these where they are mappings.
_WITH_KEYS = ("xfrm_states", "xfrm_boot")
_ALGORITHMS = ("aead", "auth", "enc", "comp")


def find_misplaced(args: Mapping[str, Any]) -> list[str]:
    """Return which arguments have a secret in the wrong place; no text quotes a value."""
    return [*_masters(args), *_texts(args), *_keys_of_interfaces(args.get("interfaces"))]


def extract_keys_ahead(boot: object) -> tuple[object, dict[str, Any]]:
    """Return the option xfrm_boot with key_name in place of each key of the epochs ahead, and the keys by these names."""
    keys: dict[str, Any] = {}
    ahead = boot.get("ahead") if isinstance(boot, Mapping) else None
    if not isinstance(boot, Mapping) or not isinstance(ahead, Mapping):
        return boot, keys
    named = {}
    for epoch, states in ahead.items():
        options, found = extract_keys({"states": states}, f"ahead.{epoch}.")
        named[epoch] = options["states"] if isinstance(options, Mapping) else states
        keys.update(found)
    return {**boot, "ahead": named}, keys


def extract_keys(options: object, place: str = "") -> tuple[object, dict[str, Any]]:
    """Return the options of xfrm_state with key_name in place of each key, and the keys by these names.

    place: prefix of the names. A value of another shape is returned unchanged; the module reports what is wrong.
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


def _masters(args: Mapping[str, Any]) -> Iterator[str]:
    for option, variable in _OF_PLANS.items():
        if option in args:
            yield f"{option}: is no option, because callback plugins get all options; set {variable}"


def _texts(args: Mapping[str, Any]) -> Iterator[str]:
    for option in _WITH_KEYS:
        if isinstance(args.get(option), str):
            yield f"{option}: write a mapping; in a text, keys cannot be separated from the other values"


def _keys_of_interfaces(interfaces: object) -> Iterator[str]:
    for at, interface in _mappings(interfaces):
        where = f"interfaces[{at}]"
        if "private_key" in interface:
            yield f"{where}.private_key: a private key stays in a file of its host; write private_key_file"
        for position, peer in _mappings(interface.get("peers")):
            if "preshared_key" in peer:
                yield (
                    f"{where}.peers[{position}].preshared_key: write it into preshared_keys, by the name of the interface "
                    "and the public key of the peer"
                )


def _mappings(value: object) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for at, entry in enumerate(value if isinstance(value, list) else ()):
        if isinstance(entry, Mapping):
            yield at, entry
