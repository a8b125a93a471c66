# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Typing errors in the names of variables: names that no role has, with the nearest one that a role has.

Ansible ignores a variable that nothing reads. This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches

from ._problems import Problem

# The variables of playbooks, those that several roles share, and those that a role sets.
COMMON = (
    "node_encryption_verdicts",
    "overlay_confirm_timeout",
    "overlay_doctor_fail",
    "overlay_doctor_role",
    "overlay_group",
    "overlay_hubs_group",
    "overlay_import_directory",
    "overlay_import_interface",
    "overlay_import_overwrite",
    "overlay_import_role",
    "overlay_interfaces",
    "overlay_ipsec_master",
    "overlay_nodes_group",
    "overlay_persistence",
    "overlay_psk_epoch",
    "overlay_psk_master",
    "overlay_remove_confirm",
    "overlay_remove_keys",
    "overlay_revoked",
    "overlay_serial",
    "overlay_spokes_group",
    "overlay_unknown_variables",
    "overlay_userspace",
)
# Of a prefix that others use as well, only a name that is nearly one of ours is a typing error.
_SHARED_PREFIXES = ("mesh_", "overlay_")
_PREFIXES = ("endpoint_refresh_", "hub_spoke_", "node_encryption_", *_SHARED_PREFIXES)
# Options of modules, as their documentation and `wg` call them, and what the roles call them.
_OTHER_NAMES = {"listen_port": "port", "allowed_ips": "networks", "keepalive": "persistent_keepalive"}
# Two exchanged letters of four are as similar as this.
_SIMILAR_NAME, _SIMILAR_PREFIX = 0.75, 0.8


class VariableNames:
    """The variables of each host, compared with those that roles have. Each name is judged once for the whole fleet."""

    def __init__(self, known: Iterable[str]) -> None:
        names = {*known, *COMMON}
        self._known = names
        self._by_prefix = {
            prefix: {name[len(prefix) :] for name in names if name.startswith(prefix)} for prefix in _PREFIXES
        }
        self._joined = {name.replace("_", ""): name for name in names if name.startswith(_PREFIXES)}
        self._judged: dict[str, str] = {}
        self._right: set[str] = set()
        self._problems: list[Problem] = []

    def add(self, host: str, variables: Iterable[str]) -> None:
        """Judge the names of all variables of a host."""
        for name in set(variables) - self._right:
            if name not in self._judged:
                self._judged[name] = self._judge(name)
            if self._judged[name]:
                self._problems.append(Problem(host, name, self._judged[name]))
            else:
                self._right.add(name)

    def problems(self) -> list[Problem]:
        """Return the wrong names found so far."""
        return list(self._problems)

    def _judge(self, name: str) -> str:
        """Return what is wrong with a name, "" for one that is right or that does not concern the collection."""
        if name in self._known or name.startswith("_"):  # a leading underscore is for names inside of a role
            return ""
        nearest = self.nearest(name)
        if nearest:
            return f"no role of this collection has a variable of this name, so it has no effect; write {nearest}"
        own = next((p for p in _PREFIXES if name.startswith(p) and p not in _SHARED_PREFIXES), "")
        if own and self._by_prefix[own]:
            return f"the role {own[:-1]} has no variable of this name, so it has no effect; remove it"
        return ""

    def nearest(self, name: str) -> str:
        """Return the variable of a role or playbook that a wrong name probably stands for, "" for none."""
        prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), "")
        if not prefix:
            return self._joined.get(name.replace("_", "").lower(), "") or self._with_similar_prefix(name)
        known, rest = self._by_prefix[prefix], name[len(prefix) :]
        other = _OTHER_NAMES.get(rest, "")
        if other in known:
            return prefix + other
        close = get_close_matches(rest, sorted(known), 1, _SIMILAR_NAME)
        return prefix + close[0] if close else self._joined.get(name.replace("_", "").lower(), "")

    def _with_similar_prefix(self, name: str) -> str:
        """Return a variable whose name differs only in the prefix, and there only a little."""
        for end in (at + 1 for at, letter in enumerate(name) if letter == "_"):
            for prefix, known in self._by_prefix.items():
                if name[end:] in known and _similar(name[:end], prefix):
                    return prefix + name[end:]
        return ""


def _similar(text: str, other: str) -> bool:
    return SequenceMatcher(None, text, other).ratio() >= _SIMILAR_PREFIX
