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
from ._untrusted import list_of, mapping_of, text_of
from ._variable_names import VariableNames

# The variables that decide what the playbook removes.
_READ = {
    "hub_spoke_full_tunnel",
    "hub_spoke_full_tunnel_priority",
    "hub_spoke_full_tunnel_table",
    "mesh_interface",
    "mesh_private_key_file",
    "overlay_group",
    "overlay_interfaces",
    "overlay_remove_confirm",
    "overlay_remove_keys",
}
_NODE_ENCRYPTION = "node_encryption"
_MOST_INTERFACES, _LONGEST, _LONGEST_PATH = 256, 100, 300
_KEY_DIRECTORY = "/etc/wireguard"
_COPY_SUFFIX = ".before-wirewright"  # of what an adoption has replaced


class Removal(NamedTuple):
    """Lines for the user. going: what is removed. staying: other interfaces of the collection, and hosts that take no part.

    problems: why it is refused. private_keys: those on hosts that do not have their interface, removed or not, and copies that
    an adoption has made, which can hold one.
    """

    going: list[str]
    staying: list[str]
    problems: list[str]
    private_keys: list[str]


def removal(
    facts: Mapping[str, Any],
    interfaces: Iterable[str],
    *,
    with_keys: bool,
    variables: Iterable[str] = (),
    known: Iterable[str] = (),
    lost: Mapping[str, Absence] | None = None,
    key_file: str = "",
) -> Removal:
    """Return what a removal of interfaces does.

    facts: the facts of the hosts. variables: the names of all variables; known: those that roles have. lost: the hosts of the
    play that take no part in it, with the reason. key_file: the private key file of the interfaces, "" for the default of each.
    """
    wanted = list(dict.fromkeys(interfaces))
    found: dict[str, dict[str, list[str]]] = {}  # by interface and description, the hosts
    malformed = []
    own = {key_file or _key_file(name): name for name in wanted}
    keys: dict[str, list[str]] = {}  # by path, the hosts that do not have the interface
    copies: dict[str, list[str]] = {}
    for host, fact in sorted(facts.items()):
        described = _interfaces(fact)
        if described is None:
            malformed.append(host)
            continue
        for interface, text in sorted(described.items()):
            found.setdefault(interface, {}).setdefault(text, []).append(host)
        in_use = {key_file if key_file and name in wanted else _key_file(name) for name in described}
        for path in _key_files(fact):
            if path.endswith(_COPY_SUFFIX):
                copies.setdefault(path, []).append(host)
            elif path not in in_use:
                keys.setdefault(path, []).append(host)
    going = [line for name in wanted for line in _lines(name, found.get(name, {}))]
    with_it = (
        "Private keys are removed too."
        if with_keys
        else "Private keys stay, unless -e overlay_remove_keys=true is given."
    )
    if going:
        going.append(
            f"The routes, packet filter, boot files and state file of each interface are removed with it. {with_it}"
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
    # The key of an interface that is gone can be removed later.
    gone = {name for path, name in own.items() if with_keys and path in keys}
    problems = _problems(wanted, found, facts, gone, variables, known)
    well = [host for host in facts if host not in malformed]
    if not going and not problems and well:
        named = f" {', '.join(wanted)}" if found else ""
        only = " but private keys" if gone else ""
        staying.insert(0, f"No interface{named} of this collection is on {_all(well)}: nothing to remove{only}")
    remaining = [_key_line(path, hosts, own, with_keys=with_keys) for path, hosts in sorted(keys.items())]
    remaining += [
        f"The copy {path} of {_all(hosts)} stays, and can hold the private key: it is that of an adoption; delete it when it is "
        "no longer needed"
        for path, hosts in sorted(copies.items())
    ]
    return Removal(going, staying, problems, remaining)


def _key_file(interface: str) -> str:
    return f"{_KEY_DIRECTORY}/{interface}.key"


def _key_files(fact: object) -> list[str]:
    """Return the private key files that a host reports; those of an unexpected shape are ignored."""
    listed = list_of(mapping_of(fact).get("private_key_files"))[:_MOST_INTERFACES]
    return [path for path in map(text_of, listed) if path.isprintable() and 0 < len(path) <= _LONGEST_PATH]


def _key_line(path: str, hosts: Collection[str], own: Collection[str], *, with_keys: bool) -> str:
    name = path.removeprefix(f"{_KEY_DIRECTORY}/").removesuffix(".key")
    text = f"The private key {path} of {_all(hosts)}"
    if path in own:
        return f"{text} is removed" if with_keys else f"{text} stays: -e overlay_remove_keys=true removes it"
    try:
        remedy = f"-e overlay_interfaces={interface_name(name)} -e overlay_remove_keys=true removes it"
    except ValueError:
        remedy = "delete it"
    return f"{text} stays; if nothing else uses it, {remedy}"


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
    gone: Collection[str],
    variables: Iterable[str],
    known: Iterable[str],
) -> list[str]:
    there = [line for name in found for line in _lines(name, found[name])]
    absent = [name for name in wanted if name not in found and name not in gone]
    problems = []
    # With several interfaces named, one that is gone already is no error; neither is a second removal.
    if there and absent and len(absent) == len(list(wanted)):
        problems.append(
            f"mesh_interface, overlay_interfaces: no interface {', '.join(map(repr, absent))} of this collection is on "
            f"{_all(facts)}; there are: {'; '.join(there)}"
        )
    names = VariableNames(known)
    names.add("", variables)
    # Other wrong names have no effect here; runs of the roles name them.
    wrong = [problem for problem in names.problems() if names.nearest(problem.variable) in _READ]
    return problems + [f"{problem.variable}: {problem.text}" for problem in wrong]
