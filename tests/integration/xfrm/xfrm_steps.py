# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The twelve steps of a module's test (see tests/integration/modules/twelve_steps.py) for states and policies.

`ip xfrm` observes the result, and foreign objects that must not change.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ipsec_host import IpsecHost
from managed_host import ModuleResult

# Like ours except for the reqid.
FOREIGN_STATE = (
    "state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x9001 reqid 5 mode tunnel "
    "auth-trunc hmac(sha256) 0x" + "5a" * 32 + " 128 enc cbc(aes) 0x" + "a5" * 32
)
FOREIGN_POLICY = (
    "policy add src 10.91.0.0/16 dst 10.92.0.0/16 dir out priority 7 "
    "tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 5 mode tunnel"
)


def take_twelve_steps(host: IpsecHost, module: str, *steps: Mapping[str, Any]) -> None:
    """Create, modify and delete, each twice, and each first in check mode."""
    before = host.observe()
    for number, arguments in enumerate(steps):
        step = ("create", "modify", "delete")[number]
        predicted = host.module(module, check_mode=True, **arguments)
        assert host.observe() == before, f"{step}: check mode changed the host"
        done = host.module(module, **arguments)
        after = host.observe()
        assert predicted.changed and done.changed, f"{step}: {predicted.output} {done.output}"
        assert predicted.diff == done.diff, f"{step}: the real diff is not the one that check mode showed"
        assert done.diff["before"] != done.diff["after"], f"{step}: changed, and nothing in the diff"
        assert "\n+" in done.shown_diff or "\n-" in done.shown_diff, f"{step}: the diff cannot be shown"
        assert after != before, f"{step}: nothing happened"
        predicted_again = host.module(module, check_mode=True, **arguments)
        again = host.module(module, **arguments)
        for result in (predicted_again, again):
            assert not result.changed, f"{step} again: {result.output}"
            assert result.diff == {"before": {}, "after": {}}, f"{step} again: a diff without a change"
        assert requests_of(again.data) == 0
        assert host.observe() == after, f"{step} again: changed the host and did not say so"
        assert_no_key((predicted, done, predicted_again, again), keys_in(steps))
        before = after


def requests_of(data: Mapping[str, Any]) -> int:
    """Return the number of requests that a module reports; overlay_apply reports it by kind."""
    if "requests" in data:
        return int(data["requests"])
    return sum(kind["requests"] for kind in data.values() if isinstance(kind, dict) and "requests" in kind)


def keys_in(arguments: Any) -> Iterator[bytes]:
    """Yield the keys among a module's arguments."""
    if isinstance(arguments, Mapping):
        for name, value in arguments.items():
            if name == "xfrm_keys":
                yield from (bytes.fromhex(key.removeprefix("0x")) for key in value.values())
                continue
            if name == "key" and value:
                yield from (
                    (base64.b64decode(value),)
                    if arguments.get("key_format") == "base64"
                    else (bytes.fromhex(value.removeprefix("0x")),)
                )
            else:
                yield from keys_in(value)
    elif isinstance(arguments, (list, tuple)):
        for value in arguments:
            yield from keys_in(value)


def forms(key: bytes) -> list[str]:
    """Return the forms in which a key could be printed."""
    return [
        key.hex(),
        key.hex().upper(),
        base64.b64encode(key).decode().rstrip("="),
        base64.urlsafe_b64encode(key).decode().rstrip("="),
        repr(key)[2:-1],
    ]


def assert_no_key(results: Iterable[ModuleResult], keys: Iterable[bytes]) -> None:
    """Fail if a module printed a key."""
    texts = [text for key in keys for text in forms(key)]
    for result in results:
        assert not [text for text in texts if text in result.output]
