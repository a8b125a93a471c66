# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The firewalls that others run on this host, and what of them concerns an overlay. Nothing here changes one.

firewalld and ufw are asked themselves; all else is seen as netfilter has it: base chains of any nftables table with
policy drop, those of iptables-nft among them, and the chains of iptables-legacy, which nft does not list.

This module is private to the collection.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Optional

_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_UFW_CONF, _UFW_DEFAULTS = "/etc/ufw/ufw.conf", "/etc/default/ufw"
_LEGACY_TABLES = {"ip": "/proc/net/ip_tables_names", "ip6": "/proc/net/ip6_tables_names"}
_LEGACY_PROGRAMS = {"ip": "iptables-legacy", "ip6": "ip6tables-legacy"}
_OUR_TABLE = "wirewright_overlay"
_HOOKS = ("input", "forward")
_LEGACY_HOOKS = {"INPUT": "input", "FORWARD": "forward"}
# A program that hangs, because its daemon does, must not hold up the run for ever.
_PATIENCE = 30

Pair = tuple[Optional[str], Optional[str]]


class Zone(NamedTuple):
    """A zone of firewalld, as far as it matters here."""

    name: str
    target: str = "default"
    interfaces: frozenset[str] = frozenset()
    ports: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()


class Firewalld(NamedTuple):
    """A firewalld that runs: its default zone, and its zones by name, now and after its next start."""

    default_zone: str
    runtime: Mapping[str, Zone]
    permanent: Mapping[str, Zone]


class Ufw(NamedTuple):
    """A ufw that is on: what it does with all it has no rule for, and the rules, in the words of `ufw`."""

    incoming: str
    routed: str
    added: frozenset[str]


class DropChain(NamedTuple):
    """A base chain with policy drop, and what the rules of its table accept: UDP ports, and pairs of interfaces."""

    tool: str
    family: str
    table: str
    chain: str
    hook: str
    chains: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset()
    pairs: frozenset[Pair] = frozenset()


class Firewalls(NamedTuple):
    """What was seen on this host."""

    firewalld: Firewalld | None = None
    ufw: Ufw | None = None
    drops: tuple[DropChain, ...] = ()


def look() -> Firewalls:
    """Return the firewalls of this host. What cannot be asked is taken for absent."""
    drops = (*_nft_drops(), *_legacy_drops())
    names = frozenset(name for drop in drops for name in drop.chains)
    return Firewalls(_firewalld(), _ufw(names), drops)


def _firewalld() -> Firewalld | None:
    # It answers over D-Bus only while it runs, so that its answer is also the test; 0.3 to 0.5 s each.
    default = _output("firewall-cmd", "--get-default-zone")
    if not default:
        return None
    runtime = _output("firewall-cmd", "--list-all-zones") or ""
    permanent = _output("firewall-cmd", "--permanent", "--list-all-zones") or ""
    return Firewalld(default.strip(), parse_zones(runtime), parse_zones(permanent))


def parse_zones(text: str) -> dict[str, Zone]:
    """Return the zones that `firewall-cmd --list-all-zones` prints, by name."""
    zones = {}
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        head, *lines = block.strip("\n").splitlines() or [""]
        fields = {name.strip(): value.strip() for name, _colon, value in (line.partition(":") for line in lines)}
        words = {name: frozenset(fields.get(name, "").split()) for name in ("interfaces", "ports", "services")}
        name = head.partition(" ")[0]  # behind it stands `(active)`, `(default, active)`
        if name:
            zones[name] = Zone(name, fields.get("target", "default"), **words)
    return zones


def _ufw(chains: frozenset[str]) -> Ufw | None:
    enabled = parse_assignments(_text(_UFW_CONF)).get("ENABLED", "").lower() == "yes"
    if not enabled or shutil.which("ufw", path=_path()) is None:
        return None
    defaults = parse_assignments(_text(_UFW_DEFAULTS))
    incoming = defaults.get("DEFAULT_INPUT_POLICY", "DROP").upper()
    routed = defaults.get("DEFAULT_FORWARD_POLICY", "DROP").upper()
    if "DROP" in (incoming, routed) and "ufw-user-input" not in chains:
        return None  # enabled for the next boot, and not loaded
    return Ufw(incoming, routed, parse_added(_output("ufw", "show", "added") or ""))


def parse_assignments(text: str) -> dict[str, str]:
    """Return the variables of a shell file that does nothing but assign."""
    found = re.findall(r"^\s*(\w+)=[\"']?([^\"'\n]*)[\"']?\s*$", text, re.MULTILINE)
    return {name: value.strip() for name, value in found}


def parse_added(text: str) -> frozenset[str]:
    """Return the rules that `ufw show added` prints, without comments and the word ufw."""
    lines = (line.strip().partition(" comment ")[0] for line in text.splitlines())
    return frozenset(line[len("ufw ") :] for line in lines if line.startswith("ufw "))


def _nft_drops() -> Iterable[DropChain]:
    listed = _output("nft", "-j", "list", "chains")
    for family, table in dropping_tables(_entries(listed)):
        yield from parse_nft(_entries(_output("nft", "-j", "list", "table", family, table)))


def _entries(text: str | None) -> list[dict[str, Any]]:
    return list(json.loads(text)["nftables"]) if text else []


def dropping_tables(entries: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return (family, name) of the tables that have a base chain of interest with policy drop, ours left out."""
    chains = (entry["chain"] for entry in entries if "chain" in entry)
    return list(dict.fromkeys((chain["family"], chain["table"]) for chain in chains if _drops(chain)))


def _drops(chain: Mapping[str, Any]) -> bool:
    known = chain["family"] in ("ip", "ip6", "inet") and chain["table"] != _OUR_TABLE
    return known and chain.get("policy") == "drop" and chain.get("hook") in _HOOKS


def parse_nft(entries: Sequence[Mapping[str, Any]]) -> list[DropChain]:
    """Return the base chains with policy drop of one table, from what `nft -j list table` prints."""
    chains = [entry["chain"] for entry in entries if "chain" in entry]
    accepts = [found for entry in entries if "rule" in entry for found in [_accepted(entry["rule"])] if found]
    return [
        DropChain(
            _tool_of(chain),
            chain["family"],
            chain["table"],
            chain["name"],
            chain["hook"],
            frozenset(found["name"] for found in chains),
            frozenset(found for found in accepts if isinstance(found, int)),
            frozenset(found for found in accepts if isinstance(found, tuple)),
        )
        for chain in chains
        if _drops(chain)
    ]


def _tool_of(chain: Mapping[str, Any]) -> str:
    by_iptables = chain["family"] != "inet" and chain["table"] == "filter" and chain["name"] in _LEGACY_HOOKS
    return "iptables" if by_iptables else "nft"


def _accepted(rule: Mapping[str, Any]) -> int | Pair | None:
    """Return what a rule accepts without any further condition: a UDP port, or a pair of interfaces."""
    expressions = [found for found in rule.get("expr", ()) if list(found) != ["counter"]]
    if not expressions or list(expressions[-1]) != ["accept"]:
        return None
    matches: dict[str, Any] = {}
    for found in expressions[:-1]:
        match = found.get("match", {})
        name = _field(match.get("left"))
        if match.get("op") != "==" or not name:
            return None
        matches[name] = match["right"]
    if set(matches) == {"udp dport"} and isinstance(matches["udp dport"], int):
        return int(matches["udp dport"])
    if matches and set(matches) <= {"iifname", "oifname"}:
        return matches.get("iifname"), matches.get("oifname")
    return None


def _field(left: object) -> str:
    if not isinstance(left, Mapping):
        return ""
    if "payload" in left:
        return f"{left['payload'].get('protocol')} {left['payload'].get('field')}"
    key = str(left.get("meta", {}).get("key", ""))
    return {"iif": "iifname", "oif": "oifname"}.get(key, key)


def _legacy_drops() -> Iterable[DropChain]:
    for family, path in _LEGACY_TABLES.items():
        # The file is there only where the old tables are, and asking about tables that are not would load them.
        if "filter" in _text(path).split():
            yield from parse_legacy(family, _output(_LEGACY_PROGRAMS[family], "-S") or "")


def parse_legacy(family: str, text: str) -> list[DropChain]:
    """Return the chains with policy drop that `iptables-legacy -S` prints."""
    lines = [line.split() for line in text.splitlines()]
    names = frozenset(words[1] for words in lines if words[:1] in (["-P"], ["-N"]))
    accepts = [_accepted_by_words(words[2:]) for words in lines if words[:1] == ["-A"]]
    ports = frozenset(found for found in accepts if isinstance(found, int))
    pairs = frozenset(found for found in accepts if isinstance(found, tuple))
    return [
        DropChain("iptables-legacy", family, "filter", words[1], _LEGACY_HOOKS[words[1]], names, ports, pairs)
        for words in lines
        if words[:1] == ["-P"] and words[1] in _LEGACY_HOOKS and words[2] == "DROP"
    ]


def _accepted_by_words(words: Sequence[str]) -> int | Pair | None:
    text = " ".join(words)
    port = re.fullmatch(r"-p udp -m udp --dport (\d+) -j ACCEPT", text)
    if port:
        return int(port[1])
    pair = re.fullmatch(r"(?:-i (\S+) ?)?(?:-o (\S+) )?-j ACCEPT", text)
    return (pair[1], pair[2]) if pair and (pair[1] or pair[2]) else None


def _path() -> str:
    return os.environ.get("PATH", "") + ":" + _SYSTEM_PATH


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _output(program: str, *arguments: str) -> str | None:
    """Return what a program prints; None where it is not installed, fails, or does not answer."""
    found = shutil.which(program, path=_path())
    if found is None:
        return None
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [found, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            timeout=_PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
