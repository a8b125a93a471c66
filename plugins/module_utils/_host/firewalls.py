# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Foreign firewalls on this host and their rules for an overlay. Read only.

firewalld and ufw are queried with their own commands. Others are found in netfilter: base chains of any nftables table
that drop what no rule accepts, including those of iptables-nft, and the chains of iptables-legacy, which nft does not list.
A chain does so by its policy, or by a last rule without conditions.

This module is private to the collection.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple, Optional

_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_UFW_CONF, _UFW_DEFAULTS = "/etc/ufw/ufw.conf", "/etc/default/ufw"
_LEGACY_TABLES = {"ip": "/proc/net/ip_tables_names", "ip6": "/proc/net/ip6_tables_names"}
_LEGACY_PROGRAMS = {"ip": "iptables-legacy", "ip6": "ip6tables-legacy"}
# For hosts without nft(8). They create no table.
_NFT_PROGRAMS = {"ip": "iptables-nft", "ip6": "ip6tables-nft"}
# Our own table, and that of firewalld, which is queried with its own command.
_OTHER_TABLES = ("wirewright_overlay", "firewalld")
# A chain of firewalld's rules for iptables.
_OF_FIREWALLD = "FORWARD_direct"
_HOOKS = ("input", "forward")
_LEGACY_HOOKS = {"INPUT": "input", "FORWARD": "forward"}
# Limits the wait for a program whose daemon hangs.
_PATIENCE = 30

Pair = tuple[Optional[str], Optional[str]]


class Zone(NamedTuple):
    """The relevant settings of a firewalld zone."""

    name: str
    target: str = "default"
    interfaces: frozenset[str] = frozenset()
    ports: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()


class Firewalld(NamedTuple):
    """A running firewalld: its default zone, and its runtime and permanent zones by name."""

    default_zone: str
    runtime: Mapping[str, Zone]
    permanent: Mapping[str, Zone]


class Ufw(NamedTuple):
    """An enabled ufw: its default policies, and its rules as `ufw` prints them."""

    incoming: str
    routed: str
    added: frozenset[str]


class DropChain(NamedTuple):
    """A base chain that drops the rest, and the UDP ports and pairs of interfaces that rules of its table accept."""

    tool: str
    family: str
    table: str
    chain: str
    hook: str
    chains: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset()
    pairs: frozenset[Pair] = frozenset()


class Firewalls(NamedTuple):
    """The firewalls found on this host."""

    firewalld: Firewalld | None = None
    ufw: Ufw | None = None
    drops: tuple[DropChain, ...] = ()


def look() -> Firewalls:
    """Return the firewalls of this host. A firewall whose program does not answer counts as absent."""
    drops = tuple(drop for drop in (*_nft_drops(), *_legacy_drops()) if _OF_FIREWALLD not in drop.chains)
    names = frozenset(name for drop in drops for name in drop.chains)
    return Firewalls(_firewalld(), _ufw(names), drops)


def _firewalld() -> Firewalld | None:
    # It answers over D-Bus only while it runs. Each call takes 0.3 to 0.5 s.
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
        name = head.partition(" ")[0]  # followed by `(active)` or `(default, active)`
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
        return None  # enabled for the next boot, but not loaded
    return Ufw(incoming, routed, parse_added(_output("ufw", "show", "added") or ""))


def parse_assignments(text: str) -> dict[str, str]:
    """Return the variables of a shell file of assignments."""
    found = re.findall(r"^\s*(\w+)=[\"']?([^\"'\n]*)[\"']?\s*$", text, re.MULTILINE)
    return {name: value.strip() for name, value in found}


def parse_added(text: str) -> frozenset[str]:
    """Return the rules that `ufw show added` prints, without comments and the word ufw."""
    lines = (line.strip().partition(" comment ")[0] for line in text.splitlines())
    return frozenset(line[len("ufw ") :] for line in lines if line.startswith("ufw "))


def _nft_drops() -> Iterable[DropChain]:
    if shutil.which("nft", path=_path()) is None:
        for family, program in _NFT_PROGRAMS.items():
            yield from parse_legacy(family, _output(program, "-S") or "", "iptables")
        return
    chains = _entries(_output("nft", "-j", "list", "chains"))
    dropping = dropping_tables(chains)
    for chain in base_chains(chains):
        place = (chain["family"], chain["table"])
        if place not in dropping and ends_with_drop(
            _entries(_output("nft", "-j", "list", "chain", *place, chain["name"])), chain["name"]
        ):
            dropping.append(place)
    for family, table in dropping:
        yield from parse_nft(_entries(_output("nft", "-j", "list", "table", family, table)))


def _entries(text: str | None) -> list[dict[str, Any]]:
    return list(json.loads(text)["nftables"]) if text else []


def dropping_tables(entries: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return (family, name) of the tables that have a base chain of interest with policy drop, without our own."""
    return list(dict.fromkeys((chain["family"], chain["table"]) for chain in base_chains(entries) if _drops(chain)))


def base_chains(entries: Sequence[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    """Yield the base chains of interest."""
    for chain in (entry["chain"] for entry in entries if "chain" in entry):
        known = chain["family"] in ("ip", "ip6", "inet") and chain["table"] not in _OTHER_TABLES
        if known and chain.get("hook") in _HOOKS:
            yield chain


def _drops(chain: Mapping[str, Any]) -> bool:
    return bool(chain.get("policy") == "drop")


def ends_with_drop(entries: Sequence[Mapping[str, Any]], chain: str) -> bool:
    """Return whether the last rule of a chain drops or rejects all packets."""
    rules = [entry["rule"] for entry in entries if "rule" in entry and entry["rule"]["chain"] == chain]
    statements = [found for found in rules[-1].get("expr", ()) if list(found) != ["counter"]] if rules else []
    if len(statements) != 1:
        return False
    (statement,) = statements
    target = statement.get("xt")  # of iptables-nft
    is_target = isinstance(target, Mapping) and target.get("name") in ("DROP", "REJECT")
    return is_target or bool({"drop", "reject"} & statement.keys())


def parse_nft(entries: Sequence[Mapping[str, Any]]) -> list[DropChain]:
    """Return the base chains of one table that drop the rest, from the output of `nft -j list table`."""
    chains = [entry["chain"] for entry in entries if "chain" in entry]
    accepts = [found for entry in entries if "rule" in entry for found in _accepted(entry["rule"])]
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
        for chain in base_chains(entries)
        if _drops(chain) or ends_with_drop(entries, chain["name"])
    ]


def _tool_of(chain: Mapping[str, Any]) -> str:
    by_iptables = chain["family"] != "inet" and chain["table"] == "filter" and chain["name"] in _LEGACY_HOOKS
    return "iptables" if by_iptables else "nft"


def _accepted(rule: Mapping[str, Any]) -> Iterable[int | Pair]:
    """Return the UDP ports or pairs of interfaces that a rule accepts without further conditions."""
    expressions = [found for found in rule.get("expr", ()) if list(found) != ["counter"]]
    if not expressions or list(expressions[-1]) != ["accept"]:
        return ()
    matches: dict[str, Any] = {}
    for found in expressions[:-1]:
        match = found.get("match", {})
        name = _field(match.get("left"))
        if match.get("op") != "==" or not name:
            return ()
        matches[name] = match["right"]
    if set(matches) == {"udp dport"}:
        return [port for port in _members(matches["udp dport"]) if isinstance(port, int)]
    if matches and set(matches) <= {"iifname", "oifname"}:
        return product(*(_members(matches[name]) if name in matches else [None] for name in ("iifname", "oifname")))
    return ()


def _members(right: object) -> list[Any]:
    """Return the numbers and texts that an expression matches: one, those of a set, or those of a range."""
    if isinstance(right, Mapping) and list(right) == ["set"]:
        return [one for member in right["set"] for one in _members(member)]
    if isinstance(right, Mapping) and list(right) == ["range"]:
        first, last = right["range"]
        return list(range(first, last + 1)) if isinstance(first, int) and isinstance(last, int) else []
    return [right] if isinstance(right, (int, str)) else []


def _field(left: object) -> str:
    if not isinstance(left, Mapping):
        return ""
    if "payload" in left:
        return f"{left['payload'].get('protocol')} {left['payload'].get('field')}"
    key = str(left.get("meta", {}).get("key", ""))
    return {"iif": "iifname", "oif": "oifname"}.get(key, key)


def _legacy_drops() -> Iterable[DropChain]:
    for family, path in _LEGACY_TABLES.items():
        # The file exists only if the legacy tables are loaded. A query of missing tables would load them.
        if "filter" in _text(path).split():
            yield from parse_legacy(family, _output(_LEGACY_PROGRAMS[family], "-S") or "")


def parse_legacy(family: str, text: str, tool: str = "iptables-legacy") -> list[DropChain]:
    """Return the chains that drop the rest, as `iptables-legacy -S` prints them."""
    lines = [line.split() for line in text.splitlines()]
    names = frozenset(words[1] for words in lines if words[:1] in (["-P"], ["-N"]))
    accepts = [_accepted_by_words(words[2:]) for words in lines if words[:1] == ["-A"]]
    ports = frozenset(found for found in accepts if isinstance(found, int))
    pairs = frozenset(found for found in accepts if isinstance(found, tuple))
    last = {words[1]: words[2:4] for words in lines if words[:1] == ["-A"]}
    return [
        DropChain(tool, family, "filter", words[1], _LEGACY_HOOKS[words[1]], names, ports, pairs)
        for words in lines
        if words[:1] == ["-P"]
        and words[1] in _LEGACY_HOOKS
        and (words[2] == "DROP" or last.get(words[1]) in (["-j", "DROP"], ["-j", "REJECT"]))
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
    """Return the output of a program; None if it is not installed, fails, or times out."""
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
