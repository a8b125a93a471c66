# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of a host before its plan: which are generated, which are those of running interfaces, and what a failure says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import notes
from ansible_collections.wirewright.overlay.plugins.module_utils._interface import existing_fact
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.existing_fact import ExistingFact
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay import prepare_host as subject
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard import key_file
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.key_change import HeldKey, KeyChange
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.key_file import BadKeyFile
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import (
    encode_key,
    generate_private_key,
    public_key,
)

OPTIONS: dict[str, Any] = {
    "adopt": False,
    "create_key": True,
    "one_key": False,
    "userspace": False,
    "nftables": False,
    "ipsec": False,
    "sessions": [],
    "node": None,
}
PRIVATE = generate_private_key()
PUBLIC = encode_key(public_key(PRIVATE))
# Interfaces that no host has, so that nothing but the fixture says that one runs.
FIRST, SECOND = "ww-none0", "ww-none1"


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, str]:
    return {name: str(tmp_path / f"{name}.key") for name in (FIRST, SECOND)}


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the second interface run with a key."""

    def held(path: str, interfaces: list[str]) -> HeldKey | None:
        return HeldKey(SECOND, PRIVATE) if SECOND in interfaces and not Path(path).exists() else None

    monkeypatch.setattr(subject, "held_key", held)


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("one_key", [False, True])
def test_the_prediction_of_a_written_key_is_what_the_run_does(paths: dict[str, str], one_key: bool) -> None:
    found = []
    for check_mode in (True, False):
        keys: dict[str, KeyChange] = {}
        facts = subject.prepare_host({**OPTIONS, "one_key": one_key}, paths, keys, check_mode=check_mode)
        device = facts["interfaces"][SECOND]
        assert (device["public_key"], "new_key" in device, "replaced_key" in device) == (PUBLIC, False, False)
        assert (
            PRIVATE not in map(key_file.read, paths.values()) if check_mode else key_file.read(paths[SECOND]) == PRIVATE
        )
        found.append({path: (key.changed, key.warnings(path)) for path, key in keys.items()})
    assert found[0] == found[1]
    assert Path(paths[FIRST]).exists() is not one_key, "where one key is enough, that of the running interface is"


@pytest.mark.usefixtures("running")
def test_a_key_is_written_only_where_keys_are_made(paths: dict[str, str]) -> None:
    keys: dict[str, KeyChange] = {}
    subject.prepare_host({**OPTIONS, "create_key": False}, paths, keys, check_mode=False)
    assert not any(key.changed for key in keys.values()) and not any(map(key_file.read, paths.values()))


def test_without_a_running_interface_a_key_is_generated(paths: dict[str, str]) -> None:
    facts = subject.prepare_host(OPTIONS, paths, {}, check_mode=True)
    assert facts["interfaces"][FIRST]["new_key"] is True
    facts = subject.prepare_host(OPTIONS, paths, {}, check_mode=False)
    private = key_file.read(paths[FIRST])
    assert private is not None
    assert facts["interfaces"][FIRST]["public_key"] == encode_key(public_key(private)) != PUBLIC


def test_no_key_is_made_for_an_interface_of_others_without_one(
    paths: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its peers know a key that is not on the host."""
    keyless = ExistingFact({"runs": False, "public_key": ""}, None)
    monkeypatch.setattr(existing_fact, "read_fact", lambda name: keyless if name == FIRST else None)
    for check_mode in (True, False):
        facts = subject.prepare_host({**OPTIONS, "adopt": True}, paths, {}, check_mode=check_mode)
        one = facts["interfaces"][FIRST]
        assert (one["public_key"], one.get("new_key"), one["existing"]) == (None, None, keyless.fact)
        assert not Path(paths[FIRST]).exists() and Path(paths[SECOND]).exists() is not check_mode


def test_a_failure_names_the_keys_that_were_written_before(paths: dict[str, str]) -> None:
    Path(paths[SECOND]).write_text("no key")
    for check_mode in (True, False):
        with pytest.raises(BadKeyFile) as failed:
            subject.prepare_host(OPTIONS, paths, {}, check_mode=check_mode)
        made = f"private keys were written to {paths[FIRST]}, and nothing else was changed"
        assert notes(failed.value) == (() if check_mode else (made,))
    with pytest.raises(BadKeyFile) as failed:
        subject.prepare_host(OPTIONS, paths, {}, check_mode=False)
    assert notes(failed.value) == (), "this run has written none"


@pytest.mark.parametrize("one_key", [False, True])
def test_no_key_is_made_for_an_interface_of_another_kind(
    paths: dict[str, str], one_key: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "other_kind", lambda name: "bridge" if name == FIRST else "")
    facts = subject.prepare_host({**OPTIONS, "one_key": one_key}, paths, {}, check_mode=False)
    assert facts["interfaces"][FIRST]["other_kind"] == "bridge" and "other_kind" not in facts["interfaces"][SECOND]
    assert [Path(paths[name]).exists() for name in (FIRST, SECOND)] == [False, not one_key]
