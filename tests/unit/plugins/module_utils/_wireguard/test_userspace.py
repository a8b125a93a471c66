# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The userspace protocol: encoding, decoding, and a scripted process with valid, invalid and missing answers."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard import uapi_socket, userspace
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import ZERO, public_key
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import (
    Device,
    Peer,
    PeerChange,
    Settings,
    change_of,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.userspace import (
    Userspace,
    UserspaceError,
    decode_device,
    encode_set,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from ..samples import key, key_text, peer_sets, prefix4, prefix6
from .cryptokey_model import CryptokeyModel

PRIVATE = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")

# The example of https://www.wireguard.com/xplatform/ in shape, with a device key, two peers and a zero preshared key.
ANSWER = f"""\
private_key={PRIVATE.hex()}
listen_port=51820
fwmark=51966
public_key={key(1).hex()}
preshared_key={key(100).hex()}
protocol_version=1
endpoint=[fe80::1%eth0]:51820
last_handshake_time_sec=1700000000
last_handshake_time_nsec=5
tx_bytes=20
rx_bytes=10
persistent_keepalive_interval=25
allowed_ip=10.0.0.1/32
allowed_ip=fd00::/64
public_key={key(2).hex()}
preshared_key={ZERO.hex()}
endpoint=192.0.2.1:7
last_handshake_time_sec=0
persistent_keepalive_interval=0
errno=0

"""
DEVICE = Device(
    "wg0",
    Settings(PRIVATE, 51820, 0xCAFE),
    public_key(PRIVATE),
    (
        Peer(key(1), key(100), Endpoint("fe80::1%eth0", 51820), 25, frozenset({prefix4(1), prefix6(0, 64)})),
        Peer(key(2), ZERO, Endpoint("192.0.2.1", 7), 0, frozenset()),
    ),
)


def lines_of(text: str) -> list[tuple[str, str]]:
    return [(line.partition("=")[0], line.partition("=")[2]) for line in text.splitlines() if line]


def test_a_device_is_read_whole() -> None:
    device = decode_device("wg0", lines_of(ANSWER))
    assert device == DEVICE
    assert [(p.latest_handshake, p.rx_bytes, p.tx_bytes) for p in device.peers] == [(1700000000, 10, 20), (0, 0, 0)]


def test_a_device_without_key_has_no_public_key() -> None:
    assert decode_device("wg0", [("listen_port", "1")]) == Device("wg0", Settings(ZERO, 1, 0), ZERO)


def test_a_set_request_has_settings_first_and_no_duplicates() -> None:
    changes = [
        PeerChange(key(1), remove=True),
        PeerChange(key(2), False, True, key(100), Endpoint("2001:db8::1", 7), 0, True, (prefix4(1), prefix6(0, 64))),
        PeerChange(key(3), preshared_key=ZERO),
    ]
    assert encode_set(Settings(PRIVATE, 0, 0), changes) == (
        "set=1\n"
        f"private_key={PRIVATE.hex()}\n"
        "listen_port=0\n"
        "fwmark=0\n"
        f"public_key={key(1).hex()}\n"
        "remove=true\n"
        f"public_key={key(2).hex()}\n"
        "update_only=true\n"
        f"preshared_key={key(100).hex()}\n"
        "endpoint=[2001:db8::1]:7\n"
        "persistent_keepalive_interval=0\n"
        "replace_allowed_ips=true\n"
        "allowed_ip=10.0.0.1/32\n"
        "allowed_ip=fd00::/64\n"
        f"public_key={key(3).hex()}\n"
        f"preshared_key={ZERO.hex()}\n"
    )


def test_an_empty_set_request_changes_nothing() -> None:
    assert encode_set(Settings(), []) == "set=1\n"


@given(peer_sets(wanted=False))
def test_set_requests_round_trip(peers: list[Peer]) -> None:
    from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation

    # In get and set the same lines describe a peer, so a set request reads as a device.
    text = encode_set(Settings(PRIVATE, 1, 2), [change_of(Operation(None, peer)) for peer in peers])
    device = decode_device("wg0", lines_of(text)[1:])
    assert device.settings == Settings(PRIVATE, 1, 2)
    assert {peer.public_key: peer for peer in device.peers} == CryptokeyModel.holding(peers).read()


@contextmanager
def process(name: str, *parts: bytes, close: bool = False) -> Iterator[list[bytes]]:
    """Serve one connection: receive a request, answer in parts, then close the connection, or keep it open as wireguard-go
    does.
    """
    requests: list[bytes] = []
    done = threading.Event()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(uapi_socket.socket_path(name))
        listener.listen()
        listener.settimeout(10)

        def serve() -> None:
            link, _peer = listener.accept()
            with link:
                link.settimeout(10)
                request = b""
                while not request.endswith(b"\n\n"):
                    request += link.recv(1 << 16)
                requests.append(request)
                for part in parts:
                    link.sendall(part)
                if not close:
                    done.wait(10)

        worker = threading.Thread(target=serve, daemon=True)
        worker.start()
        try:
            yield requests
        finally:
            done.set()
            worker.join(10)


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(uapi_socket, "SOCKET_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(uapi_socket, "_TIMEOUT_SECONDS", 5.0)
    return tmp_path


def test_reading_takes_one_request_and_does_not_wait_for_eof() -> None:
    with process("wg0", ANSWER.encode()) as requests:
        assert Userspace().read("wg0") == DEVICE
    assert requests == [b"get=1\n\n"]


@pytest.mark.parametrize("size", [1, 7, len(ANSWER) - 1])
def test_an_answer_may_come_in_parts(size: int) -> None:
    raw = ANSWER.encode()
    with process("wg0", *(raw[start : start + size] for start in range(0, len(raw), size))):
        assert Userspace().read("wg0") == DEVICE


def test_a_thousand_peers_are_read() -> None:
    peers = "".join(f"public_key={key(i).hex()}\nallowed_ip=10.{i >> 8}.{i & 255}.1/32\n" for i in range(1000))
    with process("wg0", (peers + "errno=0\n\n").encode()):
        device = Userspace().read("wg0")
    assert device is not None
    assert [peer.public_key for peer in device.peers] == [key(i) for i in range(1000)]
    assert all(len(peer.allowed_ips or ()) == 1 for peer in device.peers)


def test_writing_takes_one_request() -> None:
    changes = [PeerChange(key(number)) for number in range(1000)]
    with process("wg0", b"errno=0\n\n") as requests:
        assert Userspace().write("wg0", Settings(listen_port=1), changes) == 1
    assert requests == [(encode_set(Settings(listen_port=1), changes) + "\n").encode()]


@pytest.mark.parametrize(("code", "number"), [("-22", errno.EINVAL), ("98", errno.EADDRINUSE)])
def test_a_refusal_is_an_error_with_its_number(code: str, number: int) -> None:
    with process("wg0", f"errno={code}\n\n".encode()), pytest.raises(UserspaceError) as caught:
        Userspace().write("wg0", Settings(listen_port=1), [])
    assert (caught.value.errno, caught.value.strerror) == (number, os.strerror(number))


BROKEN = {
    "nothing": b"",
    "only a line break": b"\n",
    "no errno": b"listen_port=1\n",
    "errno without an end": b"listen_port=1\nerrno=0",
    "errno with half an end": b"listen_port=1\nerrno=0\n",
    "errno without a number": b"errno=\n\n",
    "errno that is no number": b"errno=none\n\n",
    "errno of another script": "errno=\u0660\n\n".encode(),
    "errno before the rest": b"errno=0\nlisten_port=1\n\n",
    "a name that ends in errno": b"xerrno=0\n\n",
    "an empty answer": b"\n\n",
    "no text": b"\xff\xfe\n\n",
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
def test_an_invalid_answer_is_an_error(answer: bytes) -> None:
    with process("wg0", answer, close=True), pytest.raises(UserspaceError) as caught:
        Userspace().read("wg0")
    assert caught.value.errno == errno.EPROTO


NONSENSE = {
    "an allowed IP of nobody": "allowed_ip=10.0.0.1/32",
    "a public key that is no hexadecimal": "public_key=zz",
    "a port that is no number": "listen_port=many",
    "an allowed IP without a length": f"public_key={'ab' * 32}\nallowed_ip=10.0.0.1",
    "an allowed IP that is none": f"public_key={'ab' * 32}\nallowed_ip=10.0.0/8",
    "an endpoint without a port": f"public_key={'ab' * 32}\nendpoint=[::1]",
}


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE.keys())
def test_an_answer_outside_the_protocol_is_an_error(answer: str) -> None:
    with process("wg0", f"{answer}\nerrno=0\n\n".encode()), pytest.raises(OSError):
        Userspace().read("wg0")


def test_truncated_answers_are_refused() -> None:
    for end in range(len(ANSWER)):
        with pytest.raises(UserspaceError):
            userspace._answer(ANSWER[:end])
    assert decode_device("wg0", userspace._answer(ANSWER)) == DEVICE


@settings(max_examples=2 * settings.default.max_examples)
@given(st.text("aerno=-0123456789\n", max_size=40))
def test_only_terminated_answers_are_accepted(text: str) -> None:
    try:
        userspace._answer(text)
    except UserspaceError:
        return
    assert text.endswith("\n\n")
    assert text.rstrip("\n").rpartition("\n")[2].startswith("errno=")


def test_a_silent_process_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uapi_socket, "_TIMEOUT_SECONDS", 0.05)
    with process("wg0", b"listen_port=1\n"), pytest.raises(OSError):
        Userspace().read("wg0")


def test_a_missing_socket_is_no_device() -> None:
    assert not uapi_socket.is_running("wg0")
    assert Userspace().read("wg0") is None


def test_the_socket_of_a_dead_process_is_no_device() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as abandoned:
        abandoned.bind(uapi_socket.socket_path("wg0"))
        abandoned.listen()
        assert uapi_socket.is_running("wg0")
    assert Path(uapi_socket.socket_path("wg0")).exists()
    assert not uapi_socket.is_running("wg0")
    assert Userspace().read("wg0") is None


def test_writing_to_no_process_fails() -> None:
    with pytest.raises(FileNotFoundError):
        Userspace().write("wg0", Settings(listen_port=1), [])


def program(directory: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = directory / userspace.PROGRAM
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")


def test_starting_needs_the_program(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(directory))
    with pytest.raises(UserspaceError, match="not installed"):
        userspace.start("wg0")


def test_a_program_that_fails_is_named_with_its_status(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(directory, "exit 3\n", monkeypatch)
    with pytest.raises(UserspaceError, match=r"could not serve wg0 \(exit status 3\)"):
        userspace.start("wg0")


def test_a_program_that_never_serves_is_a_timeout(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(directory, "exec tail -f /dev/null\n", monkeypatch)
    monkeypatch.setattr(userspace, "_START_SECONDS", 0.05)
    with pytest.raises(UserspaceError) as caught:
        userspace.start("wg0")
    assert caught.value.errno == errno.ETIMEDOUT


def test_a_started_program_has_no_log_level_and_no_pipe(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(directory, f'echo "$1 ${{LOG_LEVEL-none}}" $(readlink /proc/$$/fd/1) > {directory}/seen\n', monkeypatch)
    monkeypatch.setenv("LOG_LEVEL", "verbose")
    monkeypatch.setattr(userspace, "is_running", lambda name: name == "wg0")
    with process("wg0", b"errno=0\n\n"):
        userspace.start("wg0")
    assert (directory / "seen").read_text() == "wg0 none /dev/null\n"


def test_no_error_quotes_a_secret() -> None:
    answer = ANSWER.replace(f"preshared_key={key(100).hex()}", f"preshared_key={key(100).hex()}z").encode()
    with process("wg0", answer), pytest.raises(UserspaceError) as caught:
        Userspace().read("wg0")
    assert key(100).hex() not in str(caught.value) + repr(caught.value.__cause__)
    assert key_text(100) not in str(caught.value)
