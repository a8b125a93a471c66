# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One line for each group of hosts with the same change: `h1-h3: +1 peer h4`. Pure.

The changes are those that `overlay_apply` returns. They come from hosts, so their shape is not trusted.
This plugin util is private to the collection.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from ._problems import agree
from ._untrusted import list_of, mapping_of, text_of

CREATE, UPDATE, DELETE = "create", "update", "delete"
_SIGNS = {CREATE: "+", UPDATE: "~", DELETE: "-"}
# The order of a line; other kinds follow.
_KINDS = ("interface", "peer", "address", "route", "rule", "state", "policy")
_MOST_LINES, _MOST_RANGES, _LONGEST = 50, 10, 100
# Attributes of a peer that both ends change together.
_SHARED = frozenset({"preshared_key", "endpoint"})
_NUMBERED = re.compile(r"(.*?)(\d{1,9})(\D*)")


class Change(NamedTuple):
    """Objects of one kind that a host creates, updates or deletes. names: of all of them, or none.

    settings: the names of the attributes that an update changes.
    """

    kind: str
    action: str
    number: int
    names: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


Changes = tuple[Change, ...]


def read_changes(value: object) -> Changes:
    """Return the changes in a result; entries of an unexpected shape are ignored."""
    found = []
    for entry in map(mapping_of, value if isinstance(value, list) else ()):
        kind, action, count = text_of(entry.get("kind")), text_of(entry.get("action")), entry.get("count")
        if _is_short(kind) and action in _SIGNS and isinstance(count, int) and count > 0:
            names, settings = _few_names(entry.get("names")), _few_names(entry.get("settings"))
            found.append(Change(kind, action, count, names, settings))
    return tuple(found)


def _few_names(given: object) -> tuple[str, ...]:
    names = [text_of(name) for name in list_of(given)]
    return tuple(names) if len(names) <= _MOST_RANGES and all(map(_is_short, names)) else ()


def _is_short(text: str) -> bool:
    return 0 < len(text) <= _LONGEST and text.isprintable()


def merge(series: Iterable[Changes]) -> Changes:
    """Return the changes of several calls on one host as one: what is created and then deleted is no change."""
    calls = [changes for changes in series if changes]
    if len(calls) < 2:
        return calls[0] if calls else ()
    named: dict[tuple[str, str], str] = {}
    totals: Counter[tuple[str, str]] = Counter()
    settings: dict[tuple[str, str], dict[str, None]] = {}
    for kind, action, count, names, changed in chain.from_iterable(calls):
        settings.setdefault((kind, action), {}).update(dict.fromkeys(changed))
        if len(names) == count:
            for name in names:
                _combine(named, (kind, name), action)
        else:
            totals[kind, action] += count
    by_action: dict[tuple[str, str], list[str]] = {key: [] for key in totals}
    for (kind, name), action in sorted(named.items()):
        totals[kind, action] += 1
        by_action.setdefault((kind, action), []).append(name)
    return tuple(
        Change(*key, totals[key], tuple(names) if len(names) == totals[key] else (), tuple(settings.get(key, ())))
        for key, names in by_action.items()
    )


def _combine(actions: dict[tuple[str, str], str], key: tuple[str, str], action: str) -> None:
    """Note what is done to an object after what was done to it before."""
    before = actions.pop(key, None)
    if before == CREATE:
        if action != DELETE:
            actions[key] = CREATE
    else:
        actions[key] = UPDATE if before == DELETE else action


def summary_lines(by_host: Mapping[str, Changes]) -> list[str]:
    """Return one line for each group of hosts with the same changes; none for hosts without a change."""
    groups: dict[Changes, list[str]] = {}
    for host, changes in by_host.items():
        if changes:
            groups.setdefault(tuple(sorted(changes, key=_order)), []).append(host)
    in_order = sorted(((sorted(hosts, key=_natural), changes) for changes, hosts in groups.items()), key=_first)
    lines = [
        f"{', '.join(ranges(hosts))}: {', '.join(map(_text, changes))}" for hosts, changes in in_order[:_MOST_LINES]
    ]
    hidden = sum(len(hosts) for hosts, _changes in in_order[_MOST_LINES:])
    return lines + ([f"{hidden} more hosts have changes of their own"] if hidden else [])


def newcomer_lines(hosts: Iterable[str], next_run: Iterable[str], later_batch: Iterable[str]) -> list[str]:
    """Return the lines on members that are not changed together with new hosts, and so do not have them as peers yet."""
    new = list(hosts)
    peers = " ".join([agree(new, "peer", "peers"), *ranges(new)])
    lines = []
    for names, when in ((list(next_run), "their next run"), (list(later_batch), "their batch of this run")):
        if names and new:
            when = when.replace("their", agree(names, "its", "their"))
            text = f"{', '.join(ranges(names))} {agree(names, 'gets', 'get')} the new {peers} with {when}"
            lines.append(f"{text}; until then there is no tunnel between them")
    return lines


def left_behind_lines(by_host: Mapping[str, Changes], unchanged: Iterable[str]) -> list[str]:
    """Return the lines on hosts that failed while others have changed what both ends of a tunnel share.

    Of a host that changed many peers the names are not known; it is assumed to have changed each.
    """
    lines = []
    for name in unchanged:
        others = [host for host, changes in by_host.items() if any(_is_shared(one, name) for one in changes)]
        if others:
            who = f"{', '.join(ranges(others))} {agree(others, 'has', 'have')}"
            lines.append(
                f"{who} changed the peer {name}, and {name} was not changed: there may be no tunnel to it until it is run again"
            )
    return lines


def _is_shared(change: Change, name: str) -> bool:
    """Return whether a change is one of a peer that the peer has to follow."""
    is_peer = change.kind == "peer" and change.action == UPDATE and (name in change.names or not change.names)
    return is_peer and bool(_SHARED.intersection(change.settings))


def _first(group: tuple[Sequence[str], Changes]) -> tuple[object, ...]:
    return _natural(group[0][0])


def _order(change: Change) -> tuple[object, ...]:
    place = _KINDS.index(change.kind) if change.kind in _KINDS else len(_KINDS)
    return place, change.kind, list(_SIGNS).index(change.action)


def _text(change: Change) -> str:
    noun = change.kind if change.number == 1 else _plural(change.kind)
    changed = [f"({', '.join(change.settings)})"] if change.settings else []
    return " ".join([f"{_SIGNS[change.action]}{change.number} {noun}", *ranges(change.names), *changed])


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x")):
        return noun + "es"
    return noun[:-1] + "ies" if noun.endswith("y") else noun + "s"


def _natural(name: str) -> tuple[object, ...]:
    """Return a sort key by which h10 follows h9."""
    return tuple((int(part) if part.isdigit() else -1, part) for part in re.split(r"(\d{1,9})", name))


def ranges(names: Iterable[str], most: int = _MOST_RANGES) -> list[str]:
    """Return names with runs of numbers in one: h1-h3. More parts than ``most`` end with the number of further names."""
    found = [(_joined(run), len(run)) for run in _runs(sorted(names, key=_natural))]
    hidden = sum(size for _text, size in found[most:])
    return [text for text, _size in found[:most]] + ([f"and {hidden} more"] if hidden else [])


def _runs(names: Iterable[str]) -> Iterator[list[str]]:
    """Yield runs of names that differ only in a number, which goes up by one."""
    run: list[str] = []
    expected = ""
    for name in names:
        if run and name != expected:
            yield from _split(run)
            run = []
        run.append(name)
        match = _NUMBERED.fullmatch(name)
        expected = ""
        if match:
            prefix, number, suffix = match.groups()
            expected = f"{prefix}{int(number) + 1:0{len(number)}}{suffix}"
    yield from _split(run)


def _split(run: list[str]) -> Iterator[list[str]]:
    """Yield a run of three or more whole, and shorter ones name by name."""
    yield from [run] if len(run) > 2 else [[name] for name in run]


def _joined(run: Sequence[str]) -> str:
    return run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}"
