# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets in the arguments of overlay_apply that stand where a host would log them: found before they are sent. Pure.

A module logs its options to syslog, but for those that are secret as a whole. This plugin util is private to the
collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Of these a host's own part is derived on the controller.
_FOR_PLANS = ("psk_master", "ipsec_master", "static_preshared_keys")
# What has keys in it, which are set apart where it is a mapping.
_WITH_KEYS = ("xfrm_states", "xfrm_boot")


def misplaced_secrets(args: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with arguments that describe a host by themselves; no text quotes a value."""
    return [*_masters(args), *_texts(args), *_keys_of_interfaces(args.get("interfaces"))]


def _masters(args: Mapping[str, Any]) -> Iterator[str]:
    for option in _FOR_PLANS:
        if args.get(option):
            yield f"{option}: this is only for plan_from, and goes to no host"


def _texts(args: Mapping[str, Any]) -> Iterator[str]:
    for option in _WITH_KEYS:
        if isinstance(args.get(option), str):
            yield f"{option}: a mapping is wanted here, not its text, in which keys cannot be told from the rest"


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
