# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The argument specs of xfrm_state and xfrm_policy; overlay_apply takes the same options.

This module is private to the collection.
"""

from __future__ import annotations

from typing import Any

from .option_reader import LIMIT_NAMES

KEYED = {
    "algorithm": {"type": "str", "required": True},
    "key": {"type": "str", "no_log": True},
    "key_file": {"type": "path"},
    "key_format": {"type": "str", "choices": ["hex", "base64"], "default": "hex", "no_log": False},
}
SELECTOR = {
    "src": {"type": "str"},
    "dst": {"type": "str"},
    "proto": {"type": "str"},
    "sport": {"type": "int"},
    "dport": {"type": "int"},
    "type": {"type": "int"},
    "code": {"type": "int"},
    "dev": {"type": "str"},
}
STATE = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "src": {"type": "str"},
    "dst": {"type": "str", "required": True},
    "proto": {"type": "str", "choices": ["esp", "ah", "comp"], "default": "esp"},
    "spi": {"type": "str", "required": True},
    "mode": {"type": "str", "choices": ["transport", "tunnel", "beet"], "default": "tunnel"},
    "reqid": {"type": "int"},
    "aead": {"type": "dict", "options": {**KEYED, "icv_bits": {"type": "int"}}},
    "auth": {"type": "dict", "options": {**KEYED, "truncation_bits": {"type": "int"}}},
    "enc": {"type": "dict", "options": KEYED},
    "comp": {"type": "dict", "options": KEYED},
    "key_survives_reboot": {"type": "bool", "default": True, "no_log": False},
    "receive_only": {"type": "bool", "default": False},
    "mark": {"type": "str"},
    "output_mark": {"type": "str"},
    "if_id": {"type": "str"},
    "replay_window": {"type": "int", "default": 0},
    "esn": {"type": "bool", "default": False},
    "flags": {
        "type": "list",
        "elements": "str",
        "choices": ["noecn", "decap-dscp", "nopmtudisc", "wildrecv", "icmp", "af-unspec", "align4", "esn"],
        "default": [],
    },
    "extra_flags": {
        "type": "list",
        "elements": "str",
        "choices": ["dont-encap-dscp", "oseq-may-wrap"],
        "default": [],
    },
    "encap": {
        "type": "dict",
        "options": {
            "type": {"type": "str", "choices": ["espinudp", "espinudp-nonike", "espintcp"], "default": "espinudp"},
            "sport": {"type": "int", "required": True},
            "dport": {"type": "int", "required": True},
            "oa": {"type": "str"},
        },
    },
    "sel": {"type": "dict", "options": SELECTOR},
    "limits": {"type": "dict", "options": {name: {"type": "int"} for name in LIMIT_NAMES}},
    "tfcpad": {"type": "int", "default": 0},
    "dir": {"type": "str", "choices": ["in", "out"]},
    "offload": {
        "type": "dict",
        "options": {
            "type": {"type": "str", "choices": ["crypto", "packet"], "default": "crypto"},
            "dev": {"type": "str", "required": True},
            "dir": {"type": "str", "choices": ["in", "out"], "required": True},
        },
    },
}

STATES: dict[str, Any] = {
    "states": {"type": "list", "elements": "dict", "default": [], "options": STATE},
    "purge": {"type": "bool", "default": False},
    "owned_reqids": {"type": "str", "default": "7100-7199"},
    "takeover": {"type": "bool", "default": False},
    "allow_nonce_reuse": {"type": "bool", "default": False},
}

TEMPLATE = {
    "src": {"type": "str"},
    "dst": {"type": "str"},
    "proto": {"type": "str", "choices": ["esp", "ah", "comp"], "default": "esp"},
    "mode": {"type": "str", "choices": ["transport", "tunnel", "beet"], "default": "tunnel"},
    "reqid": {"type": "int"},
    "spi": {"type": "str"},
    "level": {"type": "str", "choices": ["required", "use"], "default": "required"},
}
POLICY = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "dir": {"type": "str", "choices": ["in", "out", "fwd"], "required": True},
    **SELECTOR,
    "mark": {"type": "str"},
    "if_id": {"type": "str"},
    "priority": {"type": "int", "default": 0},
    "action": {"type": "str", "choices": ["allow", "block"], "default": "allow"},
    "flags": {"type": "list", "elements": "str", "choices": ["localok", "icmp"], "default": []},
    "limits": {"type": "dict", "options": {name: {"type": "int"} for name in LIMIT_NAMES}},
    "reqid": {"type": "int"},
    "templates": {"type": "list", "elements": "dict", "default": [], "options": TEMPLATE},
}

POLICIES: dict[str, Any] = {
    "policies": {"type": "list", "elements": "dict", "default": [], "options": POLICY},
    "purge": {"type": "bool", "default": False},
    "owned_reqids": {"type": "str", "default": "7100-7199"},
    "takeover": {"type": "bool", "default": False},
    "management_addresses": {"type": "list", "elements": "str", "default": []},
    "allow_management_change": {"type": "bool", "default": False},
}
