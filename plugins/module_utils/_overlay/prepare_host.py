# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Prepare a host for the plan of its overlay: make the keys that it lacks, and gather its facts.

This module is private to the collection.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .._engine.errors import add_note
from .._interface.other_kind import other_kind
from .._interface.running_key import held_key
from .._wireguard.facts import key_age_days
from .._wireguard.key_change import KeyChange, converge_key
from .facts import gather

if TYPE_CHECKING:
    from .._interface.existing_fact import ExistingFact

# All that is reported of an interface of others that is not adopted, beside whether it runs.
_EXISTENCE = {"unread": True}
_FACT_OPTIONS = ("userspace", "nftables", "ipsec", "sessions", "node")


def prepare_host(
    options: Mapping[str, Any], paths: Mapping[str, str], keys: dict[str, KeyChange], *, check_mode: bool
) -> dict[str, Any]:
    """Create missing key files; return the facts, and add the changes of the keys to ``keys``, by path.

    options: those of `overlay_prepare`. paths: the key file of each interface. Raises Refused before any change, and what
    converge_key() and gather() raise, with a note if a key file was made before.
    """
    if options.get("programs"):
        from .._host.program_files import refuse_planted

        refuse_planted(options["programs"])
    adopt = bool(options["adopt"])
    # The plan refuses a name that an interface of another kind has, so there is nothing to make a key for.
    kinds = {name: kind for name in paths if (kind := other_kind(name))}
    existing = {name: _existing(name, path, adopt=adopt) if name not in kinds else None for name, path in paths.items()}
    # An interface that others made keeps its key. Without one, its peers know a key that is not on this host, so none is made.
    foreign = {paths[name] for name, found in existing.items() if found is not None}
    foreign |= set(paths.values()) if kinds and options["one_key"] else {paths[name] for name in kinds}
    try:
        _converge_keys(keys, options, paths, foreign, check_mode)
        return _facts(options, paths, keys, existing, kinds)
    except (OSError, ValueError) as error:
        made = [path for path, key in keys.items() if key.is_made]
        if made and not check_mode:
            add_note(error, f"private keys were written to {', '.join(made)}, and nothing else was changed")
        raise


def _facts(
    options: Mapping[str, Any],
    paths: Mapping[str, str],
    keys: Mapping[str, KeyChange],
    existing: Mapping[str, ExistingFact | None],
    kinds: Mapping[str, str],
) -> dict[str, Any]:
    adopt = bool(options["adopt"])
    own = {name: keys[path].public_key or _adopted_key(existing[name], adopt=adopt) for name, path in paths.items()}
    facts = gather(own, dict(os.environ), **{option: options[option] for option in _FACT_OPTIONS})
    if options.get("find_keys"):
        from .._wireguard.present_keys import present_copies, present_keys

        facts["private_key_files"] = [*present_keys(options["find_keys"]), *present_copies()]
    for name, path in paths.items():
        device = facts["interfaces"][name]
        device["key_age_days"] = key_age_days(path, time.time())
        if keys[path].is_predicted:
            device.update({"replaced_key": device["public_key"]} if device["public_key"] else {})
            device.update(public_key=None, new_key=True)
        if name in kinds:
            device["other_kind"] = kinds[name]
        found = existing[name]
        if found is not None:
            device["existing"] = found.fact if adopt else {**_EXISTENCE, "runs": found.fact["runs"]}
    return facts


def _converge_keys(
    keys: dict[str, KeyChange],
    options: Mapping[str, Any],
    paths: Mapping[str, str],
    foreign: set[str],
    check_mode: bool,
) -> None:
    """Converge each key file, and add its change to ``keys``. foreign: the files of interfaces that others made."""
    users: dict[str, list[str]] = {}  # by key file
    for name, path in paths.items():
        users.setdefault(path, []).append(name)
    held = {path: held_key(path, users[path]) for path in users if path not in foreign and options["create_key"]}
    there = [path for path in users if os.path.exists(path) or held.get(path)]
    present = _desired(options, there, [path for path in users if path in there or path not in foreign])
    for path in users:
        keys[path] = converge_key(
            path, present=path in present, regenerate=False, check_mode=check_mode, held=held.get(path)
        )


def _desired(options: Mapping[str, Any], there: list[str], possible: list[str]) -> list[str]:
    """Return the key files that exist after the run. there: those that exist, or whose key an interface holds."""
    if not options["create_key"]:
        return there
    return there or possible[:1] if options["one_key"] else possible


def _existing(name: str, path: str, *, adopt: bool) -> ExistingFact | None:
    """Return what others made of an interface, None where they made nothing.

    Without adoption, it is read only where there is no key: an interface of this collection has one.
    """
    if not adopt and os.path.exists(path):
        return None
    from .._interface.existing_fact import read_fact

    return read_fact(name)


def _adopted_key(existing: ExistingFact | None, *, adopt: bool) -> str | None:
    return existing.public_key if existing is not None and adopt else None
