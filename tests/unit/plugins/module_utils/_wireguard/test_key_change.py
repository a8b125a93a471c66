# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converging one key file: check mode predicts the real run, and no diff shows a private key."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import InvalidOptions
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.shown import Diff
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard import key_file, key_file_changes
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.key_change import (
    HeldKey,
    KeyChange,
    converge_key,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.key_file import BadKeyFile
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import (
    encode_key,
    generate_private_key,
    public_key,
)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "wg0.key")


def both(path: str, *, present: bool = True, regenerate: bool = False, held: HeldKey | None = None) -> KeyChange:
    """Converge in check mode, then without; check mode changes nothing and predicts the diff."""
    before = (key_file.mode_of(path), Path(path).read_bytes() if Path(path).exists() else None)
    predicted = converge_key(path, present=present, regenerate=regenerate, check_mode=True, held=held)
    assert before == (key_file.mode_of(path), Path(path).read_bytes() if Path(path).exists() else None)
    done = converge_key(path, present=present, regenerate=regenerate, check_mode=False, held=held)
    assert predicted.warnings(path) == done.warnings(path)
    assert predicted.diff(path) == done.diff(path)
    assert (predicted.before == predicted.after) == (done.before == done.after)
    return done


def public_of(path: str) -> str:
    private = key_file.read(path)
    assert private is not None
    return encode_key(public_key(private))


def test_a_missing_key_is_made(path: str) -> None:
    change = both(path)
    assert change.public_key == public_of(path)
    assert change.diff(path) == [Diff(path, {}, {"public_key": "(a new key)", "mode": "0600"})]
    assert key_file.mode_of(path) == 0o600


def test_a_missing_file_gets_the_key_of_the_running_interface(path: str) -> None:
    held = HeldKey("wg0", generate_private_key())
    public = encode_key(public_key(held.private_key))
    predicted = converge_key(path, present=True, regenerate=False, check_mode=True, held=held)
    assert (predicted.public_key, predicted.is_predicted, predicted.changed) == (public, False, True)
    change = both(path, held=held)
    assert key_file.read(path) == held.private_key and key_file.mode_of(path) == 0o600
    assert change.diff(path) == [Diff(path, {}, {"public_key": public, "mode": "0600"})]
    (warning,) = change.warnings(path)
    assert warning.startswith(f"{path} is missing, and the interface wg0 runs with a private key")
    shown = f"{held!r} {change!r} {warning} {change.diff(path)}"
    assert encode_key(held.private_key) not in shown and repr(held.private_key) not in shown
    assert both(path, held=HeldKey("wg0", generate_private_key())).warnings(path) == (), "a file that exists stays"
    assert key_file.read(path) == held.private_key


def test_a_replaced_key_is_a_new_one_though_the_interface_runs(path: str) -> None:
    held = HeldKey("wg0", generate_private_key())
    change = both(path, regenerate=True, held=held)
    assert key_file.read(path) not in (None, held.private_key)
    assert change.warnings(path) == ()


def test_a_key_created_by_a_concurrent_run_is_kept(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first_look = key_file.read

    def slower(asked: str) -> bytes | None:
        seen = first_look(asked)
        monkeypatch.setattr(key_file, "read", first_look)
        key_file_changes.create(asked)
        return seen

    monkeypatch.setattr(key_file, "read", slower)
    change = converge_key(path, present=True, regenerate=False, check_mode=False)
    kept = first_look(path)
    assert kept is not None and change.public_key == encode_key(public_key(kept))
    assert change.before == change.after, "this run made nothing"


def test_an_existing_key_is_kept(path: str) -> None:
    key_file_changes.create(path)
    change = both(path)
    assert change.before == change.after == (public_of(path), "0600")
    assert change.public_key == public_of(path)


def test_a_stricter_mode_is_kept(path: str) -> None:
    key_file_changes.create(path)
    os.chmod(path, 0o400)
    change = both(path)
    assert change.before == change.after == (public_of(path), "0400")


def test_an_exposed_key_is_protected_and_kept(path: str) -> None:
    key_file_changes.create(path)
    os.chmod(path, 0o644)
    public = public_of(path)
    change = both(path)
    assert change.was_exposed
    assert (change.before, change.after) == ((public, "0644"), (public, "0600"))
    assert key_file.mode_of(path) == 0o600


def test_a_key_is_replaced_on_request(path: str) -> None:
    key_file_changes.create(path)
    old = public_of(path)
    change = both(path, regenerate=True)
    assert change.before == (old, "0600")
    assert change.after == (public_of(path), "0600")
    assert change.diff(path)[0].after["public_key"] == "(a new key)"


def test_an_invalid_key_is_refused(path: str) -> None:
    Path(path).write_text("precious\n")
    for check_mode in (True, False):
        with pytest.raises(BadKeyFile):
            converge_key(path, present=True, regenerate=False, check_mode=check_mode)
    assert Path(path).read_text() == "precious\n"


def test_an_invalid_key_is_replaced_on_request(path: str) -> None:
    Path(path).write_text("precious\n")
    change = both(path, regenerate=True)
    assert change.before is not None
    assert change.before[0] == "(no key)"
    assert change.public_key == public_of(path)


@pytest.mark.parametrize("regenerate", [False, True])
def test_a_file_without_a_key_is_not_removed(path: str, regenerate: bool) -> None:
    Path(path).write_text("precious\n")
    with pytest.raises(BadKeyFile, match="holds no WireGuard private key"):
        converge_key(path, present=False, regenerate=regenerate, check_mode=False)
    assert Path(path).read_text() == "precious\n"


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("asked", ["wg0.key", "./wg0.key", "~/wg0.key", ""])
def test_a_path_that_depends_on_the_directory_of_the_process_is_refused(asked: str, check_mode: bool) -> None:
    for present in (True, False):
        with pytest.raises(InvalidOptions, match="not an absolute path of a key file"):
            converge_key(asked, present=present, regenerate=False, check_mode=check_mode)


def test_a_key_is_removed(path: str) -> None:
    key_file_changes.create(path)
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
    shown = repr(changes) + json.dumps([change.diff(path) for change in changes])
    assert encode_key(private) not in shown
    assert private.hex() not in shown
