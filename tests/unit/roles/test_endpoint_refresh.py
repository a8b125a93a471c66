# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An endpoint is set where a silent peer's name has other addresses now, and nowhere else."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard import memory
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Template

from .programs import assert_python_3_9, load

ROLE = Path(__file__).parents[3] / "roles/endpoint_refresh"
PROGRAM = ROLE / "files/wirewright-overlay-endpoint-refresh"
SERVICE = ROLE / "files/wirewright-overlay-endpoint-refresh.service"
TIMER = ROLE / "templates/wirewright-overlay-endpoint-refresh.timer.j2"

KEY = "hfhqrYb7Kz3AmZWW0pCRUW0CkQmoLDLyyO6QMWzE1GU="
NOW, LIMIT = 1_800_000_000.0, 135


program = load(PROGRAM)


@pytest.fixture(autouse=True)
def _own_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests need no root, and leave the lock of this machine alone."""
    monkeypatch.setattr(program, "LOCK", str(tmp_path / "lock"))


def peer(**options: Any) -> Any:
    return program.Peer(
        **{"interface": "wg0", "public_key": KEY, "name": "h2", "host": "h2.test", "port": 1, **options}
    )


# --- who is silent


@pytest.mark.parametrize(
    "handshake, silent",
    [
        (0, True),
        (NOW, False),
        (NOW - LIMIT, False),
        (NOW - LIMIT - 1, True),
        (NOW + LIMIT, False),
        (NOW + LIMIT + 1, True),
    ],
    ids=["never", "now", "at the limit", "beyond it", "a little ahead", "the clock was set back"],
)
def test_a_peer_is_silent_when_its_last_handshake_is_too_far_away(handshake: float, silent: bool) -> None:
    assert program.is_silent(int(handshake), NOW, LIMIT) is silent
    seen = {("wg0", KEY): program.Seen("192.0.2.1:1", int(handshake))}
    assert program.due([peer()], seen, NOW, LIMIT) == ([(peer(), "192.0.2.1:1")] if silent else [])


def test_the_limit_is_that_of_reresolve_dns() -> None:
    assert program.STALE == 135


def test_a_peer_that_wireguard_does_not_have_is_not_made() -> None:
    seen = {("wg1", KEY): program.Seen("192.0.2.1:1", 0)}
    assert program.due([peer()], seen, NOW, LIMIT) == []


# --- which endpoint


@pytest.mark.parametrize(
    "addresses, current, chosen",
    [
        (["192.0.2.2"], "192.0.2.1:1", "192.0.2.2:1"),
        (["192.0.2.1"], "192.0.2.1:1", None),
        (["192.0.2.1"], "192.0.2.1:2", "192.0.2.1:1"),
        (["192.0.2.2"], "", "192.0.2.2:1"),
        (["2001:db8::2"], "", "[2001:db8::2]:1"),
        ([], "192.0.2.1:1", None),
        ([], "", None),
        (["192.0.2.2", "192.0.2.1"], "192.0.2.1:1", None),
        (["2001:db8::2", "192.0.2.2"], "192.0.2.1:1", "192.0.2.2:1"),
        (["192.0.2.2", "2001:db8::2"], "[2001:db8::1]:1", "[2001:db8::2]:1"),
        (["2001:db8::2"], "192.0.2.1:1", "[2001:db8::2]:1"),
        (["192.0.2.2"], "[2001:db8::1]:1", "192.0.2.2:1"),
        (["192.0.2.3", "192.0.2.2"], "192.0.2.1:1", "192.0.2.3:1"),
        (["2001:db8::3", "192.0.2.2"], "", "[2001:db8::3]:1"),
        (["fe80::2%eth0"], "[fe80::2%eth0]:1", None),
    ],
)
def test_the_endpoint_is_one_of_the_name_s(addresses: list[str], current: str, chosen: str | None) -> None:
    assert program.choose(addresses, 1, current) == chosen
    expected = [] if chosen is None else [program.Change("wg0", "h2", KEY, "h2.test", current, chosen)]
    assert program.changes([(peer(), current)], {"h2.test": addresses}) == expected


def test_a_name_that_was_not_asked_for_changes_nothing() -> None:
    assert program.changes([(peer(), "192.0.2.1:1")], {"h3.test": ["192.0.2.2"]}) == []


ipv4 = st.ip_addresses(v=4, network="192.0.2.0/29").map(str)
ipv6 = st.ip_addresses(v=6, network="2001:db8::/125").map(str)
endpoints = st.one_of(st.just(""), ipv4.map("{}:1".format), ipv6.map("[{}]:1".format), ipv4.map("{}:2".format))
hosts = st.sampled_from(["a.test", "b.test", "c.test"])
peers = st.lists(
    st.builds(peer, interface=st.sampled_from(["wg0", "wg1"]), public_key=st.sampled_from("ABCDE"), host=hosts),
    unique_by=lambda one: one[:2],
)
states = st.dictionaries(
    st.tuples(st.sampled_from(["wg0", "wg1"]), st.sampled_from("ABCDE")),
    st.builds(program.Seen, endpoints, st.one_of(st.just(0), st.integers(-300, 300).map(lambda age: int(NOW) - age))),
)
names = st.dictionaries(hosts, st.lists(st.one_of(ipv4, ipv6), max_size=4, unique=True))


@given(peers, states, names)
def test_what_is_set_is_needed_and_enough(known: list[Any], seen: dict[Any, Any], addresses: dict[str, Any]) -> None:
    found = program.changes(program.due(known, seen, NOW, LIMIT), addresses)
    after = dict(seen)
    for change in found:
        place = change.interface, change.public_key
        handshake = seen[place].handshake
        assert handshake == 0 or abs(NOW - handshake) > LIMIT, "a young handshake is left alone"
        (asked,) = [one for one in known if one[:2] == place]
        host, _colon, port = change.after.rpartition(":")
        assert (host.strip("[]") in addresses[asked.host], port) == (True, "1")
        assert change.before == seen[place].endpoint != change.after
        kinds = {":" in address for address in addresses[asked.host]}
        if len(kinds) == 2 and change.before:
            assert ("[" in change.before) == ("[" in change.after), "the family is kept where it can be"
        after[place] = seen[place]._replace(endpoint=change.after)
    assert len({(change.interface, change.public_key) for change in found}) == len(found)
    assert program.changes(program.due(known, after, NOW, LIMIT), addresses) == [], "then all is well"
    for one in known:
        state = after.get((one.interface, one.public_key))
        if state and addresses.get(one.host) and program.is_silent(state.handshake, NOW, LIMIT):
            assert state.endpoint in {
                f"[{address}]:1" if ":" in address else f"{address}:1" for address in addresses[one.host]
            }


# --- names


@pytest.mark.parametrize(
    "address, usable",
    [
        ("192.0.2.1", True),
        ("127.0.0.1", True),
        ("0.0.0.0", False),  # noqa: S104   nothing is bound
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("2001:db8::1", True),
        ("::", False),
        ("ff02::1", False),
        ("fe80::1", False),
        ("fe80::1%eth0", True),
        ("no address", False),
    ],
)
def test_addresses_that_no_peer_can_have(address: str, usable: bool) -> None:
    assert program.is_usable(address) is usable


def test_all_names_are_looked_up_at_once_and_the_late_ones_left(monkeypatch: pytest.MonkeyPatch) -> None:
    together, never = threading.Barrier(3), threading.Event()

    def getaddrinfo(host: str, *_: Any, **__: Any) -> list[Any]:
        if host == "late.test":
            never.wait()
            return []
        together.wait(30)  # breaks where one waits for another
        if host == "none.test":
            raise OSError
        return [(0, 0, 0, "", (address, 0)) for address in ("192.0.2.1", "224.0.0.1", "192.0.2.1", "2001:db8::1")]

    monkeypatch.setattr(program.socket, "getaddrinfo", getaddrinfo)
    found = program.resolve(["a.test", "late.test", "b.test", "none.test"], 3)
    never.set()
    expected = ["192.0.2.1", "2001:db8::1"]
    assert found == {"a.test": expected, "b.test": expected, "none.test": [], "late.test": []}


def test_a_resolver_that_hangs_does_not_hold_up_the_program() -> None:
    hang = (
        "import runpy, socket, sys, threading; socket.getaddrinfo = lambda *_, **__: threading.Event().wait(); "
        "print(runpy.run_path(sys.argv[1])['resolve'](['a.test'], 0.1))"
    )
    argv = [sys.executable, "-I", "-c", hang, str(PROGRAM)]
    assert subprocess.check_output(argv, text=True, timeout=60) == "{'a.test': []}\n"


def test_a_name_with_a_bad_label_does_not_resolve() -> None:
    assert program.look_up("a..test") == program.look_up("a" * 64 + ".test") == []


# --- the memory, as the collection writes it


def test_only_peers_asked_for_by_name_are_taken_from_the_memory() -> None:
    asked = {
        "a": "vpn.example.org:51820",
        "b": "192.0.2.1:51820",
        "c": "[2001:db8::1]:51820",
        "d": "[fe80::1%eth0]:51820",
        "e": "",
        "f": "internal_name:1",
        "g": "1-2:65535",
        "h": "vpn.example.org.:51820",
    }
    stored = memory.Memory(
        "h1", KEY, (), {key: memory.RememberedPeer(key.upper(), (), one) for key, one in asked.items()}
    )
    assert [one[1:] for one in program.remembered("wg0", memory.dump(stored))] == [
        ("a", "A", "vpn.example.org", 51820),
        ("f", "F", "internal_name", 1),
        ("g", "G", "1-2", 65535),
        ("h", "H", "vpn.example.org.", 51820),
    ]


def test_a_peer_without_a_name_goes_by_its_endpoint_s() -> None:
    stored = memory.Memory(peers={KEY: memory.RememberedPeer(endpoint="vpn.example.org:1")})
    assert program.remembered("wg0", memory.dump(stored)) == [peer(name="vpn.example.org", host="vpn.example.org")]


def test_the_program_and_the_collection_mean_the_same_memory() -> None:
    assert memory.path_of("wg0") == f"{program.MEMORY}/wg0.json"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2, "peers": {}}', '{"version": 1, "peers": []}'])
def test_a_damaged_memory_is_named_and_the_others_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "wg0.json").write_text(text)
    stored = memory.Memory(peers={KEY: memory.RememberedPeer("h2", (), "h2.test:1")})
    (tmp_path / "wg1.json").write_text(memory.dump(stored))
    (tmp_path / "wg1.json.new").write_text("no memory")
    answers = {"interfaces": "wg0 wg1\n", "latest-handshakes": f"{KEY}\t0\n", "endpoints": f"{KEY}\t(none)\n"}
    monkeypatch.setattr(program, "wg", lambda *argv: answers[argv[-1]])
    silent, problems = program.look(LIMIT, str(tmp_path))
    assert silent == [(peer(interface="wg1"), "")]
    assert [problem.partition(": ")[0] for problem in problems] == [str(tmp_path / "wg0.json")]


def test_a_host_without_a_memory_has_nothing_to_do(tmp_path: Path) -> None:
    assert program.look(LIMIT, str(tmp_path / "none")) == ([], [])


def test_a_peer_that_goes_while_names_are_looked_up_is_not_made_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stays, goes = peer(public_key="stays"), peer(public_key="goes")
    looks = iter([([(stays, "192.0.2.1:1"), (goes, "192.0.2.1:1")], []), ([(stays, "192.0.2.1:1")], [])])
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(program, "look", lambda limit: next(looks))
    monkeypatch.setattr(program, "resolve", lambda names, timeout: {name: ["192.0.2.2"] for name in names})
    monkeypatch.setattr(program, "wg", lambda *argv: asked.append(argv))
    assert program.refresh(LIMIT, 1, False) == 0
    assert asked == [("set", "wg0", "peer", "stays", "endpoint", "192.0.2.2:1")]
    assert capsys.readouterr() == ("", "wg0: h2: 192.0.2.1:1 -> 192.0.2.2:1\n")


def test_what_cannot_be_set_is_told_and_the_rest_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = [(peer(public_key=key, name=key), "") for key in ("bad", "good")]

    def wg(*argv: str) -> str:
        if "bad" in argv:
            raise OSError("wg set: no")
        return ""

    monkeypatch.setattr(program, "look", lambda limit: (silent, ["wg1.json: damaged"]))
    monkeypatch.setattr(program, "resolve", lambda names, timeout: {name: ["192.0.2.2"] for name in names})
    monkeypatch.setattr(program, "wg", wg)
    assert program.refresh(LIMIT, 1, False) == 1
    assert capsys.readouterr().err.splitlines() == [
        "wg0: good: (none) -> 192.0.2.2:1",
        "wg1.json: damaged",
        "wg0: bad: (none) -> 192.0.2.2:1: wg set: no",
    ]


# --- the program and its units


@pytest.mark.parametrize("text", ["0", "-1", "", "1e3", "soon"])
def test_a_wrong_option_is_named(text: str) -> None:
    argv = [sys.executable, "-I", str(PROGRAM), f"--stale={text}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "--stale" in done.stderr and "write seconds above 0" in done.stderr


def test_no_secret_is_asked_for() -> None:
    text = PROGRAM.read_text()
    assert not [
        word for word in ("dump", "private-key", "preshared-keys", "showconf") if word in text.replace("json.dumps", "")
    ]


def test_the_program_is_python_3_9() -> None:
    assert_python_3_9(PROGRAM)


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The service and the timer, as the role installs them."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    texts = {SERVICE.name: SERVICE.read_text()}
    texts[TIMER.stem] = Template(TIMER.read_text()).render(endpoint_refresh_interval=30)
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return [tmp_path / name for name in texts]


def test_systemd_finds_nothing_wrong_with_the_units(units: list[Path]) -> None:
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if "wirewright" in line] == []


def test_the_service_is_confined(units: list[Path]) -> None:
    argv = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(units[0])]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if "offline" in done.stderr:
        pytest.skip("this systemd-analyze reads no files")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_units_and_the_tasks_mean_the_same_files(units: list[Path]) -> None:
    (start,) = re.findall(r"^ExecStart=/usr/bin/python3 -I (.*)$", SERVICE.read_text(), re.MULTILINE)
    made, removed = ((ROLE / f"tasks/{state}.yml").read_text() for state in ("present", "absent"))
    for path in (start, *(f"/etc/systemd/system/{unit.name}" for unit in units)):
        assert f"dest: {path}\n" in made and f"- {path}\n" in removed
    assert units[0].stem == units[1].stem, "a timer starts the service of its name"
    assert units[1].read_text().count("30s") == 2
