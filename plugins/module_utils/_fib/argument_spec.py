# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Argument specs of ip_rule_fwmark and ip_route, which overlay_apply uses too.

This module is private to the collection.
"""

from __future__ import annotations

from typing import Any

RULES: dict[str, Any] = {
    "rules": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "priority": {"type": "int", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "family": {"type": "str", "choices": ["ipv4", "ipv6", "both"]},
            "fwmark": {"type": "str"},
            "fwmask": {"type": "str"},
            "invert": {"type": "bool", "default": False},
            "from": {"type": "str"},
            "to": {"type": "str"},
            "iif": {"type": "str"},
            "oif": {"type": "str"},
            "ipproto": {"type": "str"},
            "sport": {"type": "str"},
            "dport": {"type": "str"},
            "uidrange": {"type": "str"},
            "action": {
                "type": "str",
                "choices": ["lookup", "goto", "blackhole", "unreachable", "prohibit"],
                "default": "lookup",
            },
            "table": {"type": "str"},
            "goto": {"type": "int"},
            "suppress_prefixlength": {"type": "int"},
        },
    },
    "protocol": {"type": "str", "default": "kernel"},
    "priorities": {"type": "str"},
    "tables": {"type": "list", "elements": "str"},
    "exceptions": {"type": "list", "elements": "dict"},
    "purge": {"type": "bool", "default": False},
    "allow_management_change": {"type": "bool", "default": False},
}
ROUTES: dict[str, Any] = {
    "table": {"type": "str", "required": True},
    "protocol": {"type": "str", "default": "87"},
    "routes": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "destination": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "family": {"type": "str", "choices": ["ipv4", "ipv6"]},
            "type": {
                "type": "str",
                "choices": ["unicast", "local", "blackhole", "unreachable", "prohibit", "throw"],
                "default": "unicast",
            },
            "via": {"type": "str"},
            "dev": {"type": "str"},
            "src": {"type": "str"},
            "scope": {"type": "str", "choices": ["global", "site", "link", "host"]},
            "metric": {"type": "int", "default": 0},
            "mtu": {"type": "int"},
            "onlink": {"type": "bool", "default": False},
            "nexthops": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "via": {"type": "str"},
                    "dev": {"type": "str"},
                    "weight": {"type": "int", "default": 1},
                    "onlink": {"type": "bool", "default": False},
                },
            },
        },
    },
    "purge": {"type": "bool", "default": False},
    "allow_management_change": {"type": "bool", "default": False},
}
