# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""XFRM keys are only in the kernel: not in output, diff, argv, environment, files or the system log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ipsec_host import Hosts
from managed_host import ModuleResult
from variants import GCM, key
from xfrm_steps import assert_no_key, forms, keys_in

PROGRAM = (
    "import json, sys; sys.path[:0] = json.loads(sys.argv[1]); from ipsec_host import _run_with_state_directory; "
    "[print(_run_with_state_directory(*task).output) for task in json.load(sys.stdin)]"
)
CBC: dict[str, Any] = {
    "src": "192.0.2.1",
    "dst": "192.0.2.2",
    "spi": "0x1001",
    "enc": {"algorithm": "aes", "key": key("canary enc", 32)},
    "auth": {"algorithm": "sha256", "key": key("canary auth", 32)},
}
GCM_STATE: dict[str, Any] = {
    **{name: CBC[name] for name in ("src", "dst")},
    "spi": "0x1002",
    "aead": {"algorithm": GCM, "key": key("canary gcm", 20)},
    "key_survives_reboot": False,
}
MAC = CBC["auth"]["key"]
NAMED: dict[str, Any] = {
    **{name: CBC[name] for name in ("src", "dst")},
    "spi": "0x1003",
    "enc": {"algorithm": "aes", "key_name": "one"},
    "auth": {"algorithm": "sha256", "key_name": "two"},
}
BAD = {**CBC, "spi": "0", "enc": {**CBC["enc"], "algorithm": "des3_ede"}, "mode": "beet"}


def test_no_key_is_written_outside_the_kernel(hosts: Hosts, tmp_path: Path) -> None:
    host = hosts[0]
    trace = tmp_path / "trace"
    tasks: list[tuple[str, dict[str, Any]]] = [
        ("xfrm_state", {"states": [CBC, GCM_STATE]}),
        ("xfrm_state", {"states": [{**CBC, "reqid": 7101}, BAD]}),
        ("xfrm_state", {"states": [{**CBC, "reqid": 7101}], "purge": True}),
        ("xfrm_info", {"fingerprints": True}),
        ("xfrm_state", {"states": [{**GCM_STATE, "reqid": 7101}]}),
        ("overlay_apply", {"xfrm_states": {"states": [NAMED]}, "xfrm_keys": {"one": CBC["enc"]["key"], "two": MAC}}),
        ("overlay_apply", {"xfrm_states": {"states": [{**NAMED, "spi": "0"}]}, "xfrm_keys": {"one": MAC}}),
    ]
    secrets = [*keys_in(CBC), *keys_in(GCM_STATE)]
    texts = [text for secret in secrets for text in forms(secret)]
    # System calls that write, execute or send; only netlink messages may contain keys.
    strace = ["strace", "-f", "--seccomp-bpf", "-y", "-v", "-s", "65536", "-x", "-o", str(trace)]
    strace += ["-e", "trace=execve,rename,write,pwrite64,sendto,connect"]
    argv = ["ip", "netns", "exec", host.name, *strace, sys.executable, "-c", PROGRAM, json.dumps(sys.path)]
    given = json.dumps([[host.memory, module, arguments, False] for module, arguments in tasks])
    done = subprocess.run(argv, input=given, capture_output=True, text=True, check=True, env={**os.environ})
    results = [json.loads(line) for line in done.stdout.splitlines() if line]
    assert [bool(result.get("failed")) for result in results] == [False, True, False, False, True, False, True], (
        done.stdout
    )
    assert_no_key([ModuleResult(0, done.stdout + done.stderr, {})], secrets)
    lines = [line for line in trace.read_text().splitlines() if "NETLINK:" not in line]
    assert lines and not [line for line in lines for text in texts if text in line]
    kept = [file for file in Path(host.state_directory).rglob("*") if file.is_file()]
    assert [file.name for file in kept] == ["xfrm_key_uses.json"] and kept[0].stat().st_mode & 0o777 == 0o600
    assert not [text for text in texts if text in kept[0].read_text()]
