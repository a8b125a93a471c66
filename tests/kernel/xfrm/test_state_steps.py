# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""xfrm_state in twelve steps beside an unmanaged state, which it does not change."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from ipsec_host import Hosts, IpsecHost
from variants import GCM, key
from xfrm_steps import FOREIGN_STATE, assert_no_key, keys_in, take_twelve_steps

ENDS = {"src": "192.0.2.1", "dst": "192.0.2.2", "spi": "0x1001"}
CBC: dict[str, Any] = {
    "enc": {"algorithm": "aes", "key": key("enc", 32)},
    "auth": {"algorithm": "sha256", "key": key("auth", 32)},
}
OTHER_AUTH = {"algorithm": "hmac(sha256)", "key": base64.b64encode(b"\xfb" * 32).decode(), "key_format": "base64"}

CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "key": ({**CBC}, {**CBC, "auth": OTHER_AUTH}),
    "in place": (
        {**CBC, "encap": {"sport": 4500, "dport": 4500}},
        {
            **CBC, "encap": {"sport": 4500, "dport": 4511}, "output_mark": "0xe00/0xf00", "if_id": "9",
            "limits": {"packet_hard": 900000},
        },
    ),
    "what is taken away": ({**CBC, "output_mark": "1", "if_id": "9", "esn": True, "replay_window": 64}, {**CBC}),
    "algorithm with a mark": (
        {
            "mark": "0x3e00/0xff00", "aead": {"algorithm": GCM, "key": key("old", 20)}, "key_survives_reboot": False,
        },
        {"mark": "0x3e00/0xff00", **CBC},
    ),
}  # fmt: skip


@pytest.fixture
def host(hosts: Hosts) -> IpsecHost:
    hosts[0].xfrm(FOREIGN_STATE)
    return hosts[0]


def states(*entries: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"states": [{**ENDS, **entry} for entry in entries], **options}


@pytest.mark.parametrize(
    "change", [pytest.param(name, marks=pytest.mark.long if name != "in place" else ()) for name in CHANGES]
)
def test_state_takes_twelve_steps(host: IpsecHost, change: str) -> None:
    first, then = CHANGES[change]
    foreign = host.states()
    gone = {"state": "absent", **{name: first[name] for name in ("mark",) if name in first}}
    take_twelve_steps(host, "xfrm_state", states(first), states(then), states(gone))
    assert host.states() == foreign


@pytest.mark.long
def test_many_states_take_twelve_steps(host: IpsecHost) -> None:
    foreign = host.states()
    back = {**CBC, "src": "192.0.2.2", "dst": "192.0.2.1"}
    take_twelve_steps(
        host,
        "xfrm_state",
        states(CBC, back, {**CBC, "src": "::1", "dst": "::2"}),
        states({**CBC, "reqid": 7150}, {**back, "limits": {"byte_soft": 5000}}, {**CBC, "spi": "77"}, purge=True),
        {"states": [], "purge": True},
    )
    assert host.states() == foreign


def test_unmanaged_state_is_refused(host: IpsecHost) -> None:
    """A state that equals the wanted one in all but the reqid is never changed."""
    foreign = host.states()
    same = {
        "spi": "0x9001",
        "auth": {"algorithm": "sha256", "key": "5a" * 32},
        "enc": {"algorithm": "aes", "key": "a5" * 32},
    }
    for entry in (same, {**same, "reqid": 6}, {"spi": "0x9001", "state": "absent"}):
        refused = host.module("xfrm_state", **states(entry))
        assert "reqid 5" in refused.failure and "takeover" in refused.failure
        assert_no_key([refused], keys_in(same))
    assert not host.module("xfrm_state", states=[], purge=True).changed
    assert host.states() == foreign
    assert not host.module("xfrm_state", **states({**same, "reqid": 5})).changed
    taken = host.module("xfrm_state", **states(same), takeover=True)
    assert taken.data["states"]["replaced"] == 1 and "it is replaced" in str(taken.data["warnings"])
    assert "reqid 7100" in host.states()


def test_state_matched_by_another_mark_is_not_deleted(host: IpsecHost) -> None:
    """DELSA with a mark finds a state without a mark too; neither is deleted in place of the other."""
    marked, plain = {**CBC, "mark": "0x10/0xff"}, {**CBC}
    assert host.module("xfrm_state", **states(marked, plain)).data["states"]["created"] == 2
    before = host.states()
    absent = {"mark": "0x20/0xff", "state": "absent"}
    assert not host.module("xfrm_state", **states(absent)).changed
    assert host.states() == before
    result = host.module("xfrm_state", **states({"mark": "0x10/0xff", "state": "absent"}))
    left = host.states()
    if result.rc == 0:  # the kernel deleted the right one
        assert "mark 0x10/0xff" not in left and left.count("spi 0x00001001") == 1
    else:
        assert "matches its mark too" in result.failure and left == before
    assert host.module("xfrm_state", states=[], purge=True).changed
    assert "spi 0x00001001" not in host.states()


def test_shadowed_state_is_refused_with_the_shadowing_one(host: IpsecHost) -> None:
    host.module("xfrm_state", **states(CBC))
    before = host.states()
    refused = host.module("xfrm_state", **states(CBC, {**CBC, "mark": "1/1"}))
    assert "mark 0x1/0x1" in refused.failure and "matches this mark too" in refused.failure
    assert host.states() == before
    # If the shadowing state is to be deleted too, it is deleted first.
    assert host.module("xfrm_state", **states({**CBC, "mark": "1/1"}, purge=True)).changed
    assert host.states().count("spi 0x00001001") == 1


def test_refused_replacement_leaves_the_old_state(host: IpsecHost) -> None:
    """The kernel reports the unknown algorithm only when the new state is added; the old one is restored."""
    host.module("xfrm_state", **states({**CBC, "replay_window": 32}))
    before = host.states()
    unknown = {"aead": {"algorithm": "rfc9999(none)", "key": key("x", 20), "icv_bits": 128}}
    refused = host.module("xfrm_state", **states(unknown, allow_nonce_reuse=True))
    assert "the old one is in place" in refused.failure and "rfc9999" not in before
    assert host.states() == before


def test_counter_mode_keys_are_not_used_again(host: IpsecHost) -> None:
    gcm = {"aead": {"algorithm": GCM, "key": key("static", 20)}}
    assert "RFC 8221" in host.module("xfrm_state", **states(gcm)).failure
    fresh = {**gcm, "key_survives_reboot": False}
    assert host.module("xfrm_state", **states(fresh)).changed
    assert not host.module("xfrm_state", **states(fresh)).changed
    assert "repeats nonces" in host.module("xfrm_state", **states({**fresh, "reqid": 7105})).failure
    host.xfrm("state flush")
    assert "repeats nonces" in host.module("xfrm_state", **states(fresh)).failure
    forced = host.module("xfrm_state", **states(fresh), allow_nonce_reuse=True)
    assert forced.changed and "nonces may repeat" in str(forced.data["warnings"])


def test_direction_that_this_kernel_ignores_is_an_error(host: IpsecHost) -> None:
    """Linux before 6.10 accepts XFRMA_SA_DIR and ignores it."""
    result = host.module("xfrm_state", **states({**CBC, "dir": "in"}))
    if result.rc == 0:
        assert not host.module("xfrm_state", **states({**CBC, "dir": "in"})).changed
    else:
        assert "differs in direction" in result.failure


def test_key_file_is_read_on_the_host(host: IpsecHost, tmp_path: Path) -> None:
    path = tmp_path / "enc.key"
    path.write_text(CBC["enc"]["key"] + "\n")
    path.chmod(0o644)
    by_file = {**CBC, "enc": {"algorithm": "aes", "key_file": str(path)}}
    refused = host.module("xfrm_state", **states(by_file))
    assert "chmod 600" in refused.failure
    path.chmod(0o600)
    made = host.module("xfrm_state", **states(by_file))
    assert made.changed and not host.module("xfrm_state", **states(CBC)).changed
    assert_no_key([refused, made], keys_in(CBC))


@pytest.mark.parametrize("fingerprints", [False, True])
def test_info_returns_states_without_keys(host: IpsecHost, fingerprints: bool) -> None:
    host.module("xfrm_state", **states({**CBC, "esn": True, "replay_window": 1024}))
    result = host.module("xfrm_info", fingerprints=fingerprints)
    ours = result.data["states"][0]
    assert (ours["spi"], ours["replay_window"], ours["esn"], ours["reqid"]) == ("0x00001001", 1024, True, 7100)
    assert ("key_fingerprint" in ours["enc"]) is fingerprints
    assert ours["counters"]["packets"] == 0 and len(result.data["states"]) == 2
    assert len(host.module("xfrm_info", reqids="7100-7199").data["states"]) == 1
    assert_no_key([result], keys_in(CBC))


def test_one_changed_among_many_is_one_message(host: IpsecHost) -> None:
    def many(packets: int) -> dict[str, Any]:
        entries = [{**CBC, "spi": str(5000 + index), "limits": {"packet_hard": 90000}} for index in range(100)]
        entries[50]["limits"] = {"packet_hard": packets}
        return states(*entries)

    assert host.module("xfrm_state", **many(90000)).data["requests"] == 100
    assert host.module("xfrm_state", **many(90000)).data["requests"] == 0
    changed = host.module("xfrm_state", **many(80000))
    assert changed.data["requests"] == 1 and changed.data["states"]["updated"] == 1
