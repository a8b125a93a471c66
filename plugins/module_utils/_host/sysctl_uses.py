# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What else on a host may rely on the value of a kernel parameter, and which other values the kernel changes with it.

This module is private to the collection.
"""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

from .._netlink import link as codec
from .._netlink import messages as nl
from .._netlink.connection import Connection
from . import sysctls
from .files import HEADER
from .links import OWNER_ALIAS, TUN, WIREGUARD
from .sysctls import parse_name

IP_FORWARD, IPV6_FORWARDING = "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"
_ALIASES = {IP_FORWARD: "net/ipv4/conf/all/forwarding"}
_SOURCE_MARK, _ACCEPT_REDIRECTS = "net/ipv4/conf/all/src_valid_mark", "net/ipv4/conf/all/accept_redirects"
_SEND_REDIRECTS = "send_redirects"
# sysctl.d(5), and what ufw loads.
_DIRECTORIES = ("/usr/lib/sysctl.d", "/usr/local/lib/sysctl.d", "/run/sysctl.d", "/etc/sysctl.d")
_FILES = ("/etc/sysctl.conf", "/etc/ufw/sysctl.conf")
_IFLA_MASTER, _LOOPBACK = 10, "lo"
_IFINFOMSG_BYTES = 16
_MOST_NAMES = 5


class HostLink(NamedTuple):
    """An interface that is up and no port of another one (a bond, a bridge)."""

    name: str
    kind: str
    is_ours: bool


def read_links(connection: Connection, gone: Collection[str] = ()) -> list[HostLink]:
    """Return the interfaces of this host without loopback; gone: those that are being removed."""
    found = []
    for payload in connection.dump(codec.RTM_GETLINK, codec.encode_dump_links()):
        message = codec.decode_link(payload)
        is_port = _IFLA_MASTER in dict(nl.attributes(payload, _IFINFOMSG_BYTES))
        if message.up and not is_port and message.name != _LOOPBACK and message.name not in gone:
            found.append(HostLink(message.name, message.kind, message.alias == OWNER_ALIAS))
    return sorted(found)


def read_files() -> list[tuple[str, str]]:
    """Return the paths and texts of the files that set parameters at boot, in their order, without those of the collection."""
    paths = [path for directory in _DIRECTORIES for path in glob.glob(f"{directory}/*.conf")]
    found = []
    for path in [*sorted(paths, key=os.path.basename), *_FILES]:
        with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
            if not text.startswith(HEADER):
                found.append((path, text))
    return found


def setting_file(path: str, value: str, files: Iterable[tuple[str, str]]) -> str:
    """Return the file that sets a parameter to this value at boot, "" for none: of several files, the last one counts. Pure."""
    names = (path, _ALIASES.get(path, path))
    last = ("", "")
    for file, text in files:
        for line in text.splitlines():
            key, equals, given = line.strip().lstrip("-").partition("=")
            with suppress(ValueError):
                if equals and key[:1] not in "#;" and _matches(names, parse_name(key.strip())):
                    last = (file, " ".join(given.split()))
    return last[0] if last[1] == value else ""


def _matches(names: Iterable[str], pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in names)


def set_by_kernel(path: str, links: Iterable[HostLink]) -> bool:
    """Return whether the kernel itself sets a parameter for an interface that is there. Pure.

    WireGuard in the kernel switches ICMP redirects off for its interface and for `all` (drivers/net/wireguard/device.c,
    wg_open).
    """
    of, _slash, name = path[len("net/ipv4/conf/") :].partition("/")
    return name == _SEND_REDIRECTS and any(link.kind == WIREGUARD and of in ("all", link.name) for link in links)


def other_use(path: str, links: Iterable[HostLink]) -> str:
    """Return what may rely on a parameter besides the collection, to follow "because" in a message; "" for nothing. Pure.

    A host with one interface of others forwards nothing between them. With two, nobody can tell whether it does.
    """
    others = [link for link in links if not link.is_ours]
    if path in (IP_FORWARD, IPV6_FORWARDING) and len(others) > 1:
        return f"other packets may be forwarded between {_listed(others)}"
    tunnels = [link for link in others if link.kind in (WIREGUARD, TUN)]
    if path == _SOURCE_MARK and tunnels:
        return f"the tunnel {_listed(tunnels)} may need it"
    return ""


def _listed(links: Collection[HostLink]) -> str:
    names = [link.name for link in links]
    more = [f"{len(names) - _MOST_NAMES} more"] if len(names) > _MOST_NAMES else []
    return ", ".join([*names[:_MOST_NAMES], *more])


def beside(path: str, value: str) -> dict[str, str]:
    """Return the values that the kernel changes when forwarding is switched on (``value`` 1), and later off again.

    Off again, it stops forwarding on every interface and accepts ICMP redirects, whatever was set before (net/ipv4/devinet.c,
    inet_forward_change; net/ipv6/addrconf.c, addrconf_forward_change). Values that this gives anyway are left out.
    """
    if path not in (IP_FORWARD, IPV6_FORWARDING) or value != "1":
        return {}
    family = "ipv4" if path == IP_FORWARD else "ipv6"
    names = [name for name in sorted(os.listdir(f"/proc/sys/net/{family}/conf")) if name != "all"]
    kept = {f"net/{family}/conf/{name}/forwarding": "1" for name in names}
    if path == IP_FORWARD:
        kept[_ACCEPT_REDIRECTS] = "0"
    return holding(kept)


def holding(values: Mapping[str, str]) -> dict[str, str]:
    """Return those of the values that parameters have now."""
    found = {path: sysctls.read(path) for path in values}
    return {path: now.value for path, now in found.items() if now is not None and now.value == values[path]}
