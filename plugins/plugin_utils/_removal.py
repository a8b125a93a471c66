# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the playbook remove would take away, and from which hosts; what stays, and why it cannot go on.

Facts come from hosts, so their shape and size are not trusted: a malformed one is named for its host and not shown.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from ..module_utils._interface.option_types import interface_name
from ._change_summary import ranges
from ._problems import agree
from ._topology.plan_model.fleet import Absence
from ._untrusted import mapping_of, text_of
from ._variable_names import VariableNames

_NODE_ENCRYPTION = "node_encryption"
_MOST_INTERFACES, _LONGEST = 256, 100


class Removal(NamedTuple):
    """Lines for the user. going: what is removed. staying: other interfaces of the collection, and hosts that take no part.

    problems: why it is refused.
    """

    going: list[str]
    staying: list[str]
    problems: list[str]


def removal(
    facts: Mapping[str, Any],
    interfaces: Iterable[str],
    *,
    with_keys: bool,
    variables: Iterable[str] = (),
    known: Iterable[str] = (),
    lost: Mapping[str, Absence] | None = None,
) -> Removal:
    """Return what a removal of interfaces does.

    facts: the facts of the hosts. variables: the names of all variables; known: those that roles have. lost: the hosts of the
    play that take no part in it, with the reason.
    """
    wanted = list(dict.fromkeys(interfaces))
    found: dict[str, dict[str, list[str]]] = {}  # by interface and description, the hosts
    malformed = []
    for host, fact in sorted(facts.items()):
        described = _interfaces(fact)
        if described is None:
            malformed.append(host)
        for interface, text in sorted((described or {}).items()):
            found.setdefault(interface, {}).setdefault(text, []).append(host)
    going = [line for name in wanted for line in _lines(name, found.get(name, {}))]
    keys = (
        "Private keys are removed too."
        if with_keys
        else "Private keys stay, unless -e overlay_remove_keys=true is given."
    )
    if going:
        going.append(
            f"The routes, packet filter, boot files and state file of each interface are removed with it. {keys}"
        )
    staying = [line for name in found if name not in wanted for line in _staying(name, found[name])]
    if malformed:
        staying.append(
            f"{_all(malformed)} {agree(malformed, 'reports its', 'report their')} interfaces in a form that overlay_prepare "
            "does not return, so what is removed there is not listed: check what answers there, or leave "
            f"{agree(malformed, 'it', 'them')} out with --limit"
        )
    for absence in dict.fromkeys((lost or {}).values()):
        names = sorted(name for name, why in (lost or {}).items() if why is absence)
        staying.append(f"{_all(names)} {absence.of(names)}, so nothing is removed there: {absence.remedy(names)}")
    return Removal(going, staying, _problems(wanted, found, facts, variables, known))


def _interfaces(fact: object) -> dict[str, str] | None:
    """Return the interfaces that a host reports, each with its description; None for a malformed fact."""
    listed = mapping_of(fact).get("interfaces")
    if not isinstance(listed, Mapping) or len(listed) > _MOST_INTERFACES:
        return None
    if not all(isinstance(entry, Mapping) for entry in listed.values()):
        return None
    try:
        return {interface_name(text_of(name)): _described(entry) for name, entry in listed.items()}
    except ValueError:
        return None


def _described(entry: Mapping[str, Any]) -> str:
    peers = len(text_of(entry.get("peers")).splitlines())
    overlay = text_of(mapping_of(entry.get("notes")).get("overlay"))
    counted = "1 peer" if peers == 1 else f"{peers} peers"
    return f"{overlay}, {counted}" if overlay.isprintable() and 0 < len(overlay) <= _LONGEST else counted


def _lines(interface: str, by_description: Mapping[str, list[str]]) -> list[str]:
    return [f"{interface} ({text}) of {_all(hosts)}" for text, hosts in by_description.items()]


def _all(hosts: Collection[str]) -> str:
    """Return all names: who confirms a removal has to see from where. Runs of numbers are one: h1-h1000."""
    names = [host if host.isprintable() else repr(host) for host in hosts]
    return ", ".join(ranges(names, len(names)))


def _staying(interface: str, by_description: Mapping[str, list[str]]) -> list[str]:
    return [
        f"{line} stays: {_remedy(interface, text)}"
        for (text, _hosts), line in zip(by_description.items(), _lines(interface, by_description), strict=True)
    ]


def _remedy(interface: str, description: str) -> str:
    if description.startswith(_NODE_ENCRYPTION):
        return "the playbook wirewright.overlay.node_encryption_remove removes it"
    return f"-e overlay_interfaces={interface} removes it"


def _problems(
    wanted: Iterable[str],
    found: Mapping[str, Mapping[str, list[str]]],
    facts: Collection[str],
    variables: Iterable[str],
    known: Iterable[str],
) -> list[str]:
    there = [line for name in found for line in _lines(name, found[name])]
    absent = [name for name in wanted if name not in found]
    problems = []
    # With several interfaces named, one that is gone already is no error; neither is a second removal.
    if there and absent and len(absent) == len(list(wanted)):
        problems.append(
            f"mesh_interface, overlay_interfaces: no interface {', '.join(map(repr, absent))} of this collection is on "
            f"{_all(facts)}; there are: {'; '.join(there)}"
        )
    names = VariableNames(known)
    names.add("", variables)
    return problems + [f"{problem.variable}: {problem.text}" for problem in names.problems()]
