# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read pod networks from the files of a Kubernetes node's network plugins.

Only the fields listed here are returned: a configuration may also hold tokens, or paths of files with tokens.
This module is private to the collection.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

# Directories of the kubelet (default), K3s and MicroK8s; the first with a configuration counts.
DIRECTORIES = (
    "/etc/cni/net.d",
    "/var/lib/rancher/k3s/agent/etc/cni/net.d",
    "/var/snap/microk8s/current/args/cni-network",
)
# The node's subnet, written by flannel for the node's plugins, with every backend.
SUBNET_ENV = "/run/flannel/subnet.env"

_ENDINGS = (".conf", ".conflist", ".json")
_LARGEST_FILE = 1 << 20
_LONGEST_TEXT = 256


def read_configuration(directories: Sequence[str] = DIRECTORIES) -> tuple[dict[str, Any] | None, list[str]]:
    """Return the configuration that the container runtime uses, and notes on unreadable files.

    As in libcni and the runtimes, it is the first valid file in the order of names. The result is
    ``{file, name, plugins}`` with plugins as returned by `describe_plugin`.
    """
    notes: list[str] = []
    for directory in directories:
        try:
            names = sorted(name for name in os.listdir(directory) if name.endswith(_ENDINGS))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            notes.append(f"{directory}: {error.strerror}")
            continue
        for name in names:
            path = os.path.join(directory, name)
            try:
                return {"file": path, **parse_configuration(_read(path))}, notes
            except (OSError, ValueError) as error:
                notes.append(f"{path}: {_reason(error)}")
    return None, notes


def parse_configuration(text: str) -> dict[str, Any]:
    """Return name and plugins of a configuration or a configuration list. Raises ValueError for any other text."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    if not isinstance(document, dict):
        raise ValueError("not a network configuration")
    plugins = document.get("plugins") if "plugins" in document else [document]
    if not isinstance(plugins, list):
        raise ValueError("plugins is not a list")
    described = [
        describe_plugin(plugin) for plugin in plugins if isinstance(plugin, dict) and _text(plugin.get("type"))
    ]
    if not described:
        raise ValueError("no plugin has a type")
    return {"name": _text(document.get("name")), "plugins": described}


def describe_plugin(plugin: Mapping[str, Any]) -> dict[str, Any]:
    """Return the type, bridge, IPAM type and subnets of a plugin.

    A subnet is ``{subnet, range_start, range_end}`` as written; ``usePodCidr`` stands for the node's pod CIDRs.
    """
    ipam = plugin.get("ipam")
    ipam = ipam if isinstance(ipam, dict) else {}
    delegate = plugin.get("delegate")
    bridge = _text(plugin.get("bridge")) or (_text(delegate.get("bridge")) if isinstance(delegate, dict) else "")
    return {
        "type": _text(plugin.get("type")),
        "bridge": bridge,
        "ipam": _text(ipam.get("type")),
        "subnets": [described for entry in _ranges(ipam) if (described := _describe_range(entry))],
    }


def _ranges(ipam: Mapping[str, Any]) -> list[Any]:
    # host-local: one subnet in the old format, or a list of sets of ranges.
    found: list[Any] = [ipam] if "subnet" in ipam else []
    sets = ipam.get("ranges")
    for ranges in sets if isinstance(sets, list) else []:
        found += ranges if isinstance(ranges, list) else []
    return found


def _describe_range(entry: Any) -> dict[str, str] | None:
    if not isinstance(entry, dict) or not _text(entry.get("subnet")):
        return None
    names = {"subnet": "subnet", "range_start": "rangeStart", "range_end": "rangeEnd"}
    return {name: _text(entry.get(key)) for name, key in names.items()}


def read_flannel(path: str = SUBNET_ENV) -> tuple[dict[str, Any] | None, list[str]]:
    """Return flannel's networks as `parse_flannel` does, None without flannel, and notes on an unreadable file."""
    try:
        return parse_flannel(_read(path)), []
    except FileNotFoundError:
        return None, []
    except (OSError, ValueError) as error:
        return None, [f"{path}: {_reason(error)}"]


def parse_flannel(text: str) -> dict[str, Any]:
    """Return ``{networks, subnets}`` of subnet.env: those of the cluster, and the node's with its gateway address.

    Raises ValueError without a subnet.
    """
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def listed(*keys: str) -> list[str]:
        words = [word.strip().strip("\"'") for key in keys for word in values.get(key, "").split(",")]
        return [_text(word) for word in words if _text(word)]

    subnets = listed("FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET")
    if not subnets:
        raise ValueError("neither FLANNEL_SUBNET nor FLANNEL_IPV6_SUBNET")
    return {"networks": listed("FLANNEL_NETWORK", "FLANNEL_IPV6_NETWORK"), "subnets": subnets}


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="strict") as file:
        text = file.read(_LARGEST_FILE + 1)
    if len(text) > _LARGEST_FILE:
        raise ValueError("too large")
    return text


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _text(value: object) -> str:
    """Return a short text on one line, "" for any other value."""
    usable = isinstance(value, str) and value.isprintable() and len(value) <= _LONGEST_TEXT
    return str(value) if usable else ""
