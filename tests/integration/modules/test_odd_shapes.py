# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments of odd shapes: no secret in them reaches the system log, the output or the result of a module."""

from __future__ import annotations

import base64
import ctypes
import io
import json
import os
import socket
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from managed_host import ManagedHost, key, run_module
from namespaces import call_inside

PRIVATE, PRESHARED = key("canary private"), key("canary preshared")
HEX = "0x" + base64.b64decode(key("canary hex")).hex()[:40]
SECRETS = (PRIVATE, PRESHARED, HEX)
PEER = {"public_key": key("peer"), "allowed_ips": ["10.42.0.2/32"], "preshared_key": PRESHARED}
INTERFACE = {"name": "wg9", "private_key": PRIVATE, "preshared_key": PRESHARED, "peers": [PEER]}
STATE = {
    "src": "192.0.2.1",
    "dst": "192.0.2.2",
    "spi": 4097,
    "aead": {"algorithm": "rfc4106(gcm(aes))", "key": HEX, "icv_bits": 128},
}
# Arguments with secrets where they belong, and where a user could put them.
ARGUMENTS: list[tuple[str, dict[str, Any]]] = [
    ("overlay_apply", {"interfaces": [INTERFACE], "preshared_keys": {"wg9": {PEER["public_key"]: PRESHARED}}}),
    ("overlay_apply", {"xfrm_states": {"states": [STATE]}, "xfrm_keys": {"out": HEX}}),
    ("overlay_apply", {"xfrm_boot": {"epoch": 1, "ahead": {"2": [STATE]}}, "psk_master": PRIVATE}),
    ("wg_peer", {"interface": "wg9", "peers": [PEER], "preshared_key": PRESHARED}),
    ("wg_interface", {"interface": "wg9", "private_key": PRIVATE, "private_key_file": "/etc/wireguard/wg9.key"}),
    ("wg_key", {"path": "/etc/wireguard/wg9.key", "private_key": PRIVATE}),
    ("xfrm_state", {"states": [STATE]}),
    ("xfrm_policy", {"policies": [{"dir": "out", "src": "10.1.0.0/16", "dst": "10.2.0.0/16", "key": HEX}]}),
    ("overlay_prepare", {"interface": "wg9", "private_key": PRIVATE, "variables": {"key": PRIVATE}}),
]
LOG = "/dev/log"
_NEW_MOUNTS, _PRIVATE = 0x00020000, (1 << 18) | (1 << 14)  # CLONE_NEWNS; MS_PRIVATE | MS_REC


def paths_in(value: Any) -> list[tuple[Any, ...]]:
    """Return the path of each part of nested arguments."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(name, *rest) for name, part in entries for rest in [(), *paths_in(part)]]


def as_words(value: Any) -> str:
    """Return a mapping as `name=value` words, which ansible-core takes for one."""
    return " ".join(f"{name}={part}" for name, part in value.items()) if isinstance(value, dict) else f"a={value}"


# What a user, a template or a typing error makes of a part.
CHANGES: dict[str, Callable[[Any], Any]] = {
    "json": json.dumps,
    "words": as_words,
    "repr": repr,
    "list": lambda value: [value],
    "nested list": lambda value: [[value], value],
    "mapping": lambda value: {"value": value},
    "by its value": lambda value: {str(value): True},
    "values": lambda value: list(value.values()) if isinstance(value, dict) else value,
    "by number": lambda value: dict(enumerate(value)) if isinstance(value, list) else value,
    "damaged": lambda value: f"{value}x",
    "lines": lambda value: f"{value}\n{value}",
}
NAMES = ("peer", "Peers", "key", "keys", "psk", "secret", "private_key", "preshared_key", "value", "config", "name")


@st.composite
def odd_arguments(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Return a module and arguments, one to three parts of which have another shape, name or place."""
    module, sample = draw(st.sampled_from(ARGUMENTS))
    arguments = json.loads(json.dumps(sample))
    for _change in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from(paths_in(arguments)))
        parent = arguments
        for step in above:
            parent = parent[step]
        change = draw(st.sampled_from((*CHANGES, "renamed", "moved up")))
        if change in CHANGES:
            parent[last] = CHANGES[change](parent[last])
        elif isinstance(parent, dict):
            target = arguments if change == "moved up" else parent
            target[draw(st.sampled_from(NAMES))] = parent.pop(last)
    return module, arguments


def forms(secret: str) -> set[str]:
    """Return how a secret can be written."""
    raw = bytes.fromhex(secret[2:]) if secret.startswith("0x") else base64.b64decode(secret)
    encoded = (base64.b64encode(raw), base64.urlsafe_b64encode(raw), base64.b64encode(secret.encode()))
    return {secret, raw.hex(), raw.hex().upper(), *(one.decode().rstrip("=") for one in encoded)}


def run_and_listen(module: str, arguments: dict[str, Any], check_mode: bool) -> str:
    """Return all that a module says with a socket in place of the system log, in mounts of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert not libc.unshare(_NEW_MOUNTS) and not libc.mount(b"none", b"/", None, _PRIVATE, None)
    assert not libc.mount(b"tmpfs", b"/dev", b"tmpfs", 0, None)
    os.mknod("/dev/null", 0o20666, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log, redirect_stderr(io.StringIO()) as errors:
        log.bind(LOG)
        log.setblocking(False)
        try:
            result = run_module(module, arguments, check_mode, ["error"])
            # Between a module and the controller, which hides these values in its output (ansible-core 2.22).
            said = [json.dumps({name: value for name, value in result.data.items() if name != "_ansible_new_secrets"})]
        except BaseException:
            said = [traceback.format_exc()]
        with suppress(BlockingIOError):
            while True:
                said.append(log.recv(1 << 20).decode(errors="replace"))
    return "\n".join([*said, errors.getvalue()])


def search(examples: int) -> int:
    """Try odd shapes; return how many runs were logged. A run that says a secret is an AssertionError."""
    logged = 0

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(odd_arguments(), st.booleans())
    def try_one(case: tuple[str, dict[str, Any]], check_mode: bool) -> None:
        nonlocal logged
        said = call_inside([], lambda: run_and_listen(*case, check_mode))
        logged += "Invoked" in said
        found = [form for secret in SECRETS for form in forms(secret) if form in said]
        assert not found, f"{case}: {said[-2000:]}"

    try_one()
    return logged


@pytest.mark.slow
def test_no_secret_in_arguments_of_odd_shapes_is_logged_or_returned(host: ManagedHost) -> None:
    assert host.call(search, 150) > 20
