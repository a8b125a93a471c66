# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the master secrets of a fleet can be used, and are the same on all hosts, before anything is changed.

No message quotes a secret.

This plugin util is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import sha256

from ._master_secret import MINIMUM_BYTES
from ._problems import Problem, host_list
from ._variable_reader import shown, whole_number

_MASTERS, _EPOCH = ("psk_master", "ipsec_master"), "psk_epoch"
# The default of a role, which takes the variable that all roles share. To evaluate it for each host costs more.
_SHARED_DEFAULT = re.compile(r"\{\{ (overlay_[a-z_]+) \| default\([^()]*\) \}\}")


class MasterSecrets:
    """The master secrets and epochs of the hosts of a fleet. Secrets are kept as digests."""

    def __init__(self, prefix: str) -> None:
        """prefix: that of the role's variables."""
        self._prefix = prefix
        self._problems: list[Problem] = []
        # By name and digest, "" for none, the hosts and the variable of each.
        self._found: dict[str, dict[str, dict[str, str]]] = {}

    def add(self, host: str, variables: Mapping[str, object], evaluate: Callable[[object], object]) -> None:
        """Note the master secrets of a host and their epoch.

        variables: those of the host, not templated. evaluate: returns the value of one; raises ValueError where it has none.
        """
        for name in (*_MASTERS, _EPOCH):
            variable, raw = source_of(self._prefix + name, variables)
            try:
                value = None if raw is None or raw == "" else evaluate(raw)
            except ValueError:
                continue  # the task that uses it names the error
            text = _epoch_problem(value) if name == _EPOCH else _master_problem(value)
            if text:
                self._problems.append(Problem(host, variable, text))
                continue
            digest = str(_epoch(value) or 0) if name == _EPOCH else _digest(value)
            self._found.setdefault(name, {}).setdefault(digest, {})[host] = variable

    def problems(self, without: Collection[str] = ()) -> list[Problem]:
        """Return what is wrong with the secrets, apart from hosts that are no members, such as revoked ones."""
        found = [problem for problem in self._problems if problem.host not in without]
        for name in _MASTERS:
            hosts = self._hosts(name, without)
            words, count = [], 0
            for digest in sorted(hosts, key=lambda one: sorted(hosts[one])):
                count += bool(digest)
                words.append(f"{f'secret {count}' if digest else 'none'} on {host_list(hosts[digest])}")
            found += self._different(name, hosts, "master secret", words)
        epochs = self._hosts(_EPOCH, without, self._with_preshared_keys())
        words = [f"{epoch} on {host_list(epochs[epoch])}" for epoch in sorted(epochs, key=int)]
        return found + self._different(_EPOCH, epochs, "epoch", words)

    def _with_preshared_keys(self) -> set[str]:
        masters = self._found.get(_MASTERS[0], {})
        return {host for digest, hosts in masters.items() if digest for host in hosts}

    def _hosts(
        self, name: str, without: Collection[str], only: Collection[str] | None = None
    ) -> dict[str, dict[str, str]]:
        kept = {
            digest: {
                host: variable
                for host, variable in hosts.items()
                if host not in without and (only is None or host in only)
            }
            for digest, hosts in self._found.get(name, {}).items()
        }
        return {digest: hosts for digest, hosts in kept.items() if hosts}

    def _different(
        self, name: str, hosts: Mapping[str, Mapping[str, str]], what: str, words: Sequence[str]
    ) -> list[Problem]:
        if len(hosts) < 2:
            return []
        sources = {variable for one in hosts.values() for variable in one.values()}
        variable = sources.pop() if len(sources) == 1 else self._prefix + name
        text = (
            f"all hosts need the same {what}, from which both ends of a pair derive their keys, but there are: "
            f"{'; '.join(words)}; set it once for all"
        )
        return [Problem(host, variable, text) for one in hosts.values() for host in one]

    def __repr__(self) -> str:
        return "MasterSecrets(<secrets>)"


def _digest(master: object) -> str:
    return sha256(str(master).encode()).hexdigest() if master else ""


def source_of(name: str, variables: Mapping[str, object]) -> tuple[str, object]:
    """Return the variable that the user sets: of a role, or the one of all roles, which is its default; and its value."""
    raw = variables.get(name)
    shared = _SHARED_DEFAULT.fullmatch(raw) if isinstance(raw, str) else None
    return (shared[1], variables.get(shared[1])) if shared else (name, raw)


def _master_problem(value: object) -> str:
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        return "the master secret must be text; write it in quotes"
    if len(value.encode("utf-8")) < MINIMUM_BYTES:
        return f"the master secret is shorter than {MINIMUM_BYTES} bytes; take one of `openssl rand -base64 32`"
    return ""


def _epoch(value: object) -> int | None:
    return 0 if value is None or value == "" else whole_number(value)


def _epoch_problem(value: object) -> str:
    epoch = _epoch(value)
    if epoch is not None and epoch >= 0:
        return ""
    return f"{shown(value)} is not a whole number from 0"
