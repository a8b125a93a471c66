# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converging one key file: check mode predicts what the real run does, and no diff shows a private key."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard import key_file
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.key_change import KeyChange, converge_key
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.key_file import BadKeyFile
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.keys import encode_key, public_key


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "wg0.key")


def both(path: str, *, present: bool = True, regenerate: bool = False) -> KeyChange:
    """Converge in check mode, then really; the former changes nothing and predicts the latter's diff."""
    before = (key_file.mode_of(path), Path(path).read_bytes() if Path(path).exists() else None)
    predicted = converge_key(path, present=present, regenerate=regenerate, check_mode=True)
    assert before == (key_file.mode_of(path), Path(path).read_bytes() if Path(path).exists() else None)
    done = converge_key(path, present=present, regenerate=regenerate, check_mode=False)
    assert predicted.diff() == done.diff()
    assert (predicted.before == predicted.after) == (done.before == done.after)
    return done


def public_of(path: str) -> str:
    private = key_file.read(path)
    assert private is not None
    return encode_key(public_key(private))


def test_a_missing_key_is_made(path: str) -> None:
    change = both(path)
    assert change.public_key == public_of(path)
    assert change.diff() == {"before": {}, "after": {"public_key": "(a new key)", "mode": "0600"}}
    assert key_file.mode_of(path) == 0o600


def test_a_key_that_another_run_makes_between_two_looks_stays(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first_look = key_file.read

    def slower(asked: str) -> bytes | None:
        seen = first_look(asked)
        monkeypatch.setattr(key_file, "read", first_look)
        key_file.create(asked)
        return seen

    monkeypatch.setattr(key_file, "read", slower)
    change = converge_key(path, present=True, regenerate=False, check_mode=False)
    kept = first_look(path)
    assert kept is not None and change.public_key == encode_key(public_key(kept))
    assert change.before == change.after, "this run made nothing"


def test_a_key_that_is_there_stays(path: str) -> None:
    key_file.create(path)
    change = both(path)
    assert change.before == change.after == (public_of(path), "0600")
    assert change.public_key == public_of(path)


def test_a_stricter_mode_stays(path: str) -> None:
    key_file.create(path)
    os.chmod(path, 0o400)
    change = both(path)
    assert change.before == change.after == (public_of(path), "0400")


def test_an_exposed_key_is_protected_and_kept(path: str) -> None:
    key_file.create(path)
    os.chmod(path, 0o644)
    public = public_of(path)
    change = both(path)
    assert change.was_exposed
    assert (change.before, change.after) == ((public, "0644"), (public, "0600"))
    assert key_file.mode_of(path) == 0o600


def test_a_key_is_replaced_on_request(path: str) -> None:
    key_file.create(path)
    old = public_of(path)
    change = both(path, regenerate=True)
    assert change.before == (old, "0600")
    assert change.after == (public_of(path), "0600")
    assert change.diff()["after"]["public_key"] == "(a new key)"


def test_what_is_no_key_is_refused(path: str) -> None:
    Path(path).write_text("precious\n")
    for check_mode in (True, False):
        with pytest.raises(BadKeyFile):
            converge_key(path, present=True, regenerate=False, check_mode=check_mode)
    assert Path(path).read_text() == "precious\n"


def test_what_is_no_key_is_replaced_on_request(path: str) -> None:
    Path(path).write_text("precious\n")
    change = both(path, regenerate=True)
    assert change.before is not None
    assert change.before[0] == "(no key)"
    assert change.public_key == public_of(path)


@pytest.mark.parametrize("content", [None, "precious\n"])
def test_a_file_is_removed(path: str, content: str | None) -> None:
    if content is None:
        key_file.create(path)
    else:
        Path(path).write_text(content)
    change = both(path, present=False)
    assert change.after is None
    assert change.public_key is None
    assert not Path(path).exists()


def test_a_missing_file_needs_no_removal(path: str) -> None:
    change = both(path, present=False)
    assert change.before is change.after is None


def test_no_result_shows_a_private_key(path: str) -> None:
    changes = [both(path), both(path), both(path, regenerate=True)]
    private = key_file.read(path)
    assert private is not None
    changes.append(both(path, present=False))
    shown = repr(changes) + json.dumps([change.diff() for change in changes])
    assert encode_key(private) not in shown
    assert private.hex() not in shown
