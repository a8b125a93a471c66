# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What the files of a Kubernetes node's network plugins say of its pods.

Only what is named here is returned: a configuration may also hold tokens, and paths of files that do.
This module is private to the collection.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

# Where the kubelet's default is, then where K3s and MicroK8s keep theirs; the first with a configuration counts.
DIRECTORIES = (
    "/etc/cni/net.d",
    "/var/lib/rancher/k3s/agent/etc/cni/net.d",
    "/var/snap/microk8s/current/args/cni-network",
)
# What flannel tells the node's plugins of the node's subnet, in all its backends.
SUBNET_ENV = "/run/flannel/subnet.env"

_ENDINGS = (".conf", ".conflist", ".json")
_LARGEST_FILE = 1 << 20
_LONGEST_TEXT = 256


def read_configuration(directories: Sequence[str] = DIRECTORIES) -> tuple[dict[str, Any] | None, list[str]]:
    """Return the configuration that the container runtime uses, and notes on what could not be read.

    As libcni and the runtimes do: the first file in the order of names that is a configuration. It is
    ``{file, name, plugins}``, each plugin as `describe_plugin` returns it.
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
    """Return name and plugins of a configuration or a list of them. Raises ValueError where the text is neither."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("this is not JSON") from None
    if not isinstance(document, dict):
        raise ValueError("this is not a network configuration")
    plugins = document.get("plugins") if "plugins" in document else [document]
    if not isinstance(plugins, list):
        raise ValueError("plugins is not a list")
    described = [
        describe_plugin(plugin) for plugin in plugins if isinstance(plugin, dict) and _text(plugin.get("type"))
    ]
    if not described:
        raise ValueError("no plugin in it has a type")
    return {"name": _text(document.get("name")), "plugins": described}


def describe_plugin(plugin: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a plugin its type, bridge, type of address management, and subnets with the range that is given out.

    A subnet is ``{subnet, range_start, range_end}``, as it was written; ``usePodCidr`` stands for the node's own.
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
    # host-local: one subnet in the old form, or a list of sets of ranges.
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
    """Return what flannel gave this node, as `parse_flannel` does, None where there is no flannel, and notes."""
    try:
        return parse_flannel(_read(path)), []
    except FileNotFoundError:
        return None, []
    except (OSError, ValueError) as error:
        return None, [f"{path}: {_reason(error)}"]


def parse_flannel(text: str) -> dict[str, Any]:
    """Return ``{networks, subnets}`` as written in subnet.env: the cluster's, and the node's with its gateway address.

    Raises ValueError where no subnet is in it.
    """
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def listed(*keys: str) -> list[str]:
        words = [word.strip().strip("\"'") for key in keys for word in values.get(key, "").split(",")]
        return [_text(word) for word in words if _text(word)]

    subnets = listed("FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET")
    if not subnets:
        raise ValueError("no FLANNEL_SUBNET and no FLANNEL_IPV6_SUBNET in it")
    return {"networks": listed("FLANNEL_NETWORK", "FLANNEL_IPV6_NETWORK"), "subnets": subnets}


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="strict") as file:
        text = file.read(_LARGEST_FILE + 1)
    if len(text) > _LARGEST_FILE:
        raise ValueError("this is too large")
    return text


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "this is not UTF-8"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _text(value: object) -> str:
    """Return a short text on one line, empty for anything else."""
    usable = isinstance(value, str) and value.isprintable() and len(value) <= _LONGEST_TEXT
    return str(value) if usable else ""
