# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in a diff: text without keys, and no records."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.shown import Diff
from ansible_collections.wirewright.overlay.plugins.module_utils._host.file_diff import describe_files
from ansible_collections.wirewright.overlay.plugins.module_utils._host.files import HEADER, BootFile
from hypothesis import given
from hypothesis import strategies as st

from ..samples import key_text

KEY = key_text(1)


def shown_text(file: BootFile) -> str:
    """Return a new file as a diff shows it."""
    (found,) = describe_files([Operation(None, file)])
    assert (found.subject, found.before) == (file.path, "")
    return str(found.after)


@pytest.mark.parametrize(
    "line",
    [
        f"PresharedKey = {KEY}",
        f"PresharedKey={KEY}",
        f"  presharedkey\t=\t{KEY}  ",
        f"PrivateKey = {KEY}",
        f"PRIVATEKEY={KEY}",
        f"PrivateKey = {KEY} # the old one: {KEY}",
    ],
)
def test_lines_with_keys_are_hidden_in_a_diff(line: str) -> None:
    shown = shown_text(BootFile("/f", f"{HEADER}\n{line}\nPublicKey = {key_text(2)}\n{line}"))
    assert KEY not in shown
    assert shown.count("(hidden)") == 2
    assert key_text(2) in shown


@given(st.text(), st.text("\t ", max_size=3), st.sampled_from(["PresharedKey", "PrivateKey", "presharedKEY"]))
def test_keys_are_hidden_in_any_text(text: str, space: str, name: str) -> None:
    content = f"{text}\n{space}{name}{space}={space}{KEY}\n{text}"
    assert KEY not in shown_text(BootFile("/f", content))


def test_a_secret_file_is_hidden_whole() -> None:
    file = BootFile("/f", KEY + "\n", 0o600, secret=True)
    assert shown_text(file) == "(mode 0600)\n(hidden)\n"
    assert KEY not in repr(file)


def test_a_described_link_has_its_target() -> None:
    assert shown_text(BootFile("/f", target="/unit")) == "(link to /unit)\n"


def test_a_change_has_both_sides_with_mode_and_group() -> None:
    file = BootFile("/f", f"{HEADER}\n[Peer]\n", 0o640, "systemd-network")
    assert describe_files([Operation(file, replace(file, mode=0o600))]) == [
        Diff(
            "/f",
            f"(mode 0640, group systemd-network)\n{HEADER}\n[Peer]\n",
            f"(mode 0600, group systemd-network)\n{HEADER}\n[Peer]\n",
        )
    ]


@pytest.mark.parametrize("secret", [False, True])
def test_a_hidden_key_that_changes_is_a_difference(secret: bool) -> None:
    files = [BootFile("/f", f"PresharedKey = {key_text(number)}\n", 0o600, secret=secret) for number in (1, 2)]
    ((_path, before, after),) = describe_files([Operation(*files)])
    assert after == before + "(a hidden key differs)\n"


def test_records_are_not_shown() -> None:
    record = BootFile("/var/lib/wirewright.overlay/wg0.json", "{}", 0o600, ours_by_path=True)
    for before, after in ((None, record), (record, replace(record, content="{1}")), (record, None)):
        assert describe_files([Operation(before, after)]) == []
    key = BootFile("/etc/wireguard/wg0.key", KEY, 0o600, ours_by_path=True, secret=True)
    assert [found.subject for found in describe_files([Operation(key, None)])] == [key.path]
