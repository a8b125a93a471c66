# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why the key of a host is not made: a name that no interface and no file can have, or a host that is no member.

A plan, which needs the keys, would find the same too late. This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..module_utils._interface.option_types import interface_name, plain_path
from ..module_utils._wireguard.keys import decode_key
from ._problems import host_list
from ._variable_reader import shown


def refusals(
    host: str,
    *,
    interface: object = None,
    interfaces: object = None,
    private_key_file: object = None,
    groups: Mapping[str, Collection[str]] | None = None,
    variables: Mapping[str, str] | None = None,
) -> list[str]:
    """Return what is wrong with the options of a host. groups: by name, the hosts that may have the overlay; none for all.

    variables: by option, the variable that set it.
    """
    named = variables or {}
    errors = []
    listed = interfaces if isinstance(interfaces, list) else []
    for option, names in (("interface", [interface] if interface else []), ("interfaces", listed)):
        for name in names:
            try:
                interface_name("" if name is None else str(name))
            except ValueError as error:
                errors.append(f"{named.get(option, option)}: {error}")
    if private_key_file:
        try:
            plain_path(private_key_file)
        except ValueError as error:
            errors.append(f"{named.get('private_key_file', 'private_key_file')}: {_quoted(private_key_file)}{error}")
    if groups and not any(host in hosts for hosts in groups.values()):
        whose = " or ".join(map(repr, groups))
        errors.append(
            f"{named.get('groups', 'groups')}: {host_list([host])} is not in {whose}, so it would get a key and no overlay; "
            "add it to the group, or leave it out of the play"
        )
    return errors


def _quoted(path: object) -> str:
    """Return a path with the word that follows it in a message, nothing for one that is a key by mistake."""
    try:
        decode_key(str(path).strip())
    except ValueError:
        return f"{shown(path)} is "
    return ""
