# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An endpoint is set if the name of a silent peer has other addresses now, and only then."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.wirewright.overlay.plugins.module_utils._ip import answers
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard import state_file
from external_programs import require
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, Template

from .programs import assert_python_3_9, load

ROLE = Path(__file__).parents[3] / "roles/endpoint_refresh"
PROGRAM = ROLE / "files/wirewright-overlay-endpoint-refresh"
SERVICE = ROLE / "files/wirewright-overlay-endpoint-refresh.service"
TIMER = ROLE / "templates/wirewright-overlay-endpoint-refresh.timer.j2"

KEY = "hfhqrYb7Kz3AmZWW0pCRUW0CkQmoLDLyyO6QMWzE1GU="
NOW, LIMIT = 1_800_000_000.0, 135


program = load(PROGRAM, wirewright_overlay_answers=answers)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The program as the role installs it, with the file beside it."""
    shutil.copy(answers.__file__, tmp_path / "wirewright_overlay_answers.py")
    return Path(shutil.copy(PROGRAM, tmp_path))


@pytest.fixture(autouse=True)
def _own_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests need no root and do not use the lock of this machine."""
    monkeypatch.setattr(program, "LOCK", str(tmp_path / "lock"))


def peer(**options: Any) -> Any:
    return program.Peer(
        **{"interface": "wg0", "public_key": KEY, "name": "h2", "host": "h2.test", "port": 1, **options}
    )


# --- silent peers


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
    ids=["never", "now", "at the limit", "beyond the limit", "slightly in the future", "the clock was set back"],
)
def test_a_peer_is_silent_when_its_last_handshake_is_too_old(handshake: float, silent: bool) -> None:
    assert program.is_silent(int(handshake), NOW, LIMIT) is silent
    seen = {("wg0", KEY): program.Seen("192.0.2.1:1", int(handshake))}
    assert program.silent_peers([peer()], seen, NOW, LIMIT) == ([(peer(), "192.0.2.1:1")] if silent else [])


def test_the_limit_is_that_of_reresolve_dns() -> None:
    assert program.STALE == 135


def test_a_peer_missing_in_wireguard_is_not_added() -> None:
    seen = {("wg1", KEY): program.Seen("192.0.2.1:1", 0)}
    assert program.silent_peers([peer()], seen, NOW, LIMIT) == []


# --- choice of the endpoint


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
def test_the_endpoint_is_an_address_of_the_name(addresses: list[str], current: str, chosen: str | None) -> None:
    expected = [] if chosen is None else [program.Change("wg0", "h2", KEY, "h2.test", current, chosen)]
    assert program.changes([(peer(), current)], {"h2.test": addresses}) == expected


def test_an_unrelated_name_changes_nothing() -> None:
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
def test_changes_are_necessary_and_sufficient(
    known: list[Any], seen: dict[Any, Any], addresses: dict[str, Any]
) -> None:
    found = program.changes(program.silent_peers(known, seen, NOW, LIMIT), addresses)
    after = dict(seen)
    for change in found:
        place = change.interface, change.public_key
        handshake = seen[place].handshake
        assert handshake == 0 or abs(NOW - handshake) > LIMIT, "a peer with a recent handshake is unchanged"
        (asked,) = [one for one in known if one[:2] == place]
        host, _colon, port = change.after.rpartition(":")
        assert (host.strip("[]") in addresses[asked.host], port) == (True, "1")
        assert change.before == seen[place].endpoint != change.after
        kinds = {":" in address for address in addresses[asked.host]}
        if len(kinds) == 2 and change.before:
            assert ("[" in change.before) == ("[" in change.after), "the family is kept if possible"
        after[place] = seen[place]._replace(endpoint=change.after)
    assert len({(change.interface, change.public_key) for change in found}) == len(found)
    assert program.changes(program.silent_peers(known, after, NOW, LIMIT), addresses) == [], (
        "a second run changes nothing"
    )
    for one in known:
        state = after.get((one.interface, one.public_key))
        if state and addresses.get(one.host) and program.is_silent(state.handshake, NOW, LIMIT):
            assert state.endpoint in {
                f"[{address}]:1" if ":" in address else f"{address}:1" for address in addresses[one.host]
            }


# --- names


def test_an_address_is_chosen_as_in_a_run() -> None:
    found = ["0.0.0.0", "127.0.0.1", "10.42.0.2", "192.0.2.9", "2001:db8::2", "192.0.2.2"]  # noqa: S104   nothing is bound
    inside = peer(tunnelled=frozenset(["10.42.0.2"]))

    def chosen(one: Any, *addresses: str) -> Any:
        return program.choose(
            one, "", addresses, lambda of, address: "of the tunnel" if address in of.tunnelled else ""
        )

    assert chosen(inside, *found) == ("192.0.2.9:1", "")
    assert chosen(inside._replace(family="ipv6"), *found) == ("[2001:db8::2]:1", "")
    assert chosen(inside, *found[:3]) == (
        "",
        "has no usable address (0.0.0.0: unspecified; 127.0.0.1: the loopback; 10.42.0.2: of the tunnel)",
    )
    assert chosen(inside) == ("", "does not resolve")


@pytest.mark.parametrize(
    "route, why",
    [
        ("192.0.2.2 dev eth0 src 192.0.2.1 uid 0 \\    cache", ""),
        ("192.0.2.2 dev wg0 table 51820 src 10.42.0.1", "routed into the tunnel"),
        ("192.0.2.2 via 10.0.0.1 dev wg01 src 10.0.0.2 uid 0", ""),
        ("", ""),
        ("RTNETLINK answers: Network is unreachable", "no route from this host"),
        ("RTNETLINK answers: Operation not supported", "no route from this host"),
        ("2001:db8::2 from :: via fe80::1 dev eth0 proto ra src 2001:db8::7 metric 1024 pref medium", ""),
        ("2001:db8::2 from :: dev eth0 proto static src fe80::7 metric 1024 pref medium", ""),
        (
            "2001:db8::2 from :: via fe80::1 dev eth0 proto ra src fe80::7 metric 1024 pref medium",
            "this host has no global IPv6 address",
        ),
        ("2001:db8::2 from :: via fe80::1 dev eth0 metric 1024 pref medium", "this host has no global IPv6 address"),
        ("192.0.2.2 dev eth0 uid 0 \\    cache", "this host has no IPv4 address"),
    ],
)
def test_an_address_that_is_not_reached_outside_the_tunnel_is_refused(
    monkeypatch: pytest.MonkeyPatch, route: str, why: str
) -> None:
    asked: list[list[str]] = []

    def run(argv: list[str], **_: Any) -> Any:
        asked.append(argv)
        return subprocess.CompletedProcess(argv, 0, *(("", route) if "RTNETLINK" in route else (route, "")))

    monkeypatch.setattr(program.subprocess, "run", run)
    monkeypatch.setattr(program.answers, "is_own", lambda address: address == "192.0.2.9")
    assert program.refusal_of({"wg0": "0xca6c"}, peer(), "192.0.2.2") == why
    assert asked == [["ip", "-o", "route", "get", "192.0.2.2", "mark", "0xca6c"]]
    assert program.refusal_of({}, peer(), "192.0.2.9") == "an address of this host"
    assert program.refusal_of({}, peer(tunnelled=frozenset(["192.0.2.2"])), "192.0.2.2") == "inside the tunnel"


def test_a_hanging_resolver_does_not_block_the_program(installed: Path) -> None:
    hang = (
        "import runpy, socket, sys, threading; socket.getaddrinfo = lambda *_, **__: threading.Event().wait(); "
        "print(runpy.run_path(sys.argv[1])['answers'].look_up(['a.test'], 0.1))"
    )
    argv = [sys.executable, "-I", "-c", hang, str(installed)]
    assert subprocess.check_output(argv, text=True, timeout=60) == "{'a.test': []}\n"


# --- state files, as the collection writes them


def test_only_peers_with_a_name_as_endpoint_are_read() -> None:
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
    stored = state_file.StateFile(
        "h1", KEY, (), {key: state_file.KnownPeer(key.upper(), (), one) for key, one in asked.items()}
    )
    assert [one[1:5] for one in program.named_peers("wg0", state_file.dump(stored))] == [
        ("a", "A", "vpn.example.org", 51820),
        ("f", "F", "internal_name", 1),
        ("g", "G", "1-2", 65535),
        ("h", "H", "vpn.example.org.", 51820),
    ]


def test_a_peer_without_a_name_is_named_by_its_endpoint() -> None:
    stored = state_file.StateFile(peers={KEY: state_file.KnownPeer(endpoint="vpn.example.org:1")})
    assert program.named_peers("wg0", state_file.dump(stored)) == [peer(name="vpn.example.org", host="vpn.example.org")]


def test_the_family_and_the_overlay_addresses_are_read() -> None:
    known = {
        "a": state_file.KnownPeer("h2", ("10.42.0.2", "fd00::2"), "h2.test:1", "ipv4", "192.0.2.2"),
        "b": state_file.KnownPeer("h3", ("10.42.0.3",)),
    }
    (found,) = program.named_peers("wg0", state_file.dump(state_file.StateFile(peers=known)))
    assert (found.family, found.tunnelled) == ("ipv4", {"10.42.0.2", "fd00::2", "10.42.0.3"})


def test_the_program_and_the_collection_use_the_same_state_files() -> None:
    assert state_file.path_of("wg0") == f"{program.STATE_DIRECTORY}/wg0.json"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2, "peers": {}}', '{"version": 1, "peers": []}'])
def test_a_corrupt_state_file_is_reported_and_the_others_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "wg0.json").write_text(text)
    stored = state_file.StateFile(peers={KEY: state_file.KnownPeer("h2", (), "h2.test:1")})
    (tmp_path / "wg1.json").write_text(state_file.dump(stored))
    (tmp_path / "wg1.json.new").write_text("no memory")
    answers = {"interfaces": "wg0 wg1\n", "latest-handshakes": f"{KEY}\t0\n", "endpoints": f"{KEY}\t(none)\n"}
    monkeypatch.setattr(program, "wg", lambda *argv: answers[argv[-1]])
    silent, problems = program.read_silent(LIMIT, str(tmp_path))
    assert silent == [(peer(interface="wg1"), "")]
    assert [problem.partition(": ")[0] for problem in problems] == [str(tmp_path / "wg0.json")]


def test_a_host_without_state_files_has_no_peers(tmp_path: Path) -> None:
    assert program.read_silent(LIMIT, str(tmp_path / "none")) == ([], [])


def test_a_peer_removed_while_names_are_resolved_is_not_added_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stays, goes = peer(public_key="stays"), peer(public_key="goes")
    looks = iter([([(stays, "192.0.2.1:1"), (goes, "192.0.2.1:1")], []), ([(stays, "192.0.2.1:1")], [])])
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(program, "read_silent", lambda limit: next(looks))
    monkeypatch.setattr(program.answers, "look_up", lambda names, timeout: {name: ["192.0.2.2"] for name in names})
    monkeypatch.setattr(program, "marks_of", lambda interfaces: {})
    monkeypatch.setattr(program, "refusal_of", lambda *_: "")
    monkeypatch.setattr(program, "wg", lambda *argv: asked.append(argv))
    assert program.refresh(LIMIT, 1, False) == 0
    assert asked == [("set", "wg0", "peer", "stays", "endpoint", "192.0.2.2:1")]
    assert capsys.readouterr() == ("", "wg0: h2: 192.0.2.1:1 -> 192.0.2.2:1\n")


def test_an_endpoint_that_cannot_be_set_is_reported_and_others_are_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = [(peer(public_key=key, name=key), "") for key in ("bad", "good")]

    def wg(*argv: str) -> str:
        if "bad" in argv:
            raise OSError("wg set: no")
        return ""

    monkeypatch.setattr(program, "read_silent", lambda limit: (silent, ["wg1.json: damaged"]))
    monkeypatch.setattr(program.answers, "look_up", lambda names, timeout: {name: ["192.0.2.2"] for name in names})
    monkeypatch.setattr(program, "marks_of", lambda interfaces: {})
    monkeypatch.setattr(program, "refusal_of", lambda *_: "")
    monkeypatch.setattr(program, "wg", wg)
    assert program.refresh(LIMIT, 1, False) == 1
    assert capsys.readouterr().err.splitlines() == [
        "wg0: good: (none) -> 192.0.2.2:1",
        "wg1.json: damaged",
        "wg0: bad: (none) -> 192.0.2.2:1: wg set: no",
    ]


# --- the program and its units


@pytest.mark.parametrize("text", ["0", "-1", "", "1e3", "soon"])
def test_an_invalid_option_is_named(installed: Path, text: str) -> None:
    argv = [sys.executable, "-I", str(installed), f"--stale={text}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "--stale" in done.stderr and "write seconds above 0" in done.stderr


def test_the_program_reads_no_secret() -> None:
    text = PROGRAM.read_text()
    assert not [
        word for word in ("dump", "private-key", "preshared-keys", "showconf") if word in text.replace("json.dumps", "")
    ]


def test_the_program_is_python_3_9(installed: Path) -> None:
    assert_python_3_9(installed)
    assert sorted(path.name for path in installed.parent.iterdir()) == [
        PROGRAM.name,
        "wirewright_overlay_answers.py",
    ], "no compiled file stays behind"


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """Service and timer as installed by the role."""
    require("systemd-analyze")
    texts = {SERVICE.name: SERVICE.read_text()}
    texts[TIMER.stem] = Template(TIMER.read_text()).render(endpoint_refresh_interval=30)
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return [tmp_path / name for name in texts]


def test_systemd_accepts_the_units(units: list[Path]) -> None:
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if "wirewright" in line] == []


def test_the_service_is_sandboxed(units: list[Path]) -> None:
    argv = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(units[0])]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if "offline" in done.stderr:
        pytest.skip("this systemd-analyze reads no files")
    assert done.returncode == 0, done.stdout + done.stderr


def test_units_and_tasks_use_the_same_files(units: list[Path]) -> None:
    (start,) = re.findall(r"^ExecStart=/usr/bin/python3 -I (.*)$", SERVICE.read_text(), re.MULTILINE)
    made, removed = ((ROLE / f"tasks/{state}.yml").read_text() for state in ("present", "absent"))
    beside = "/usr/local/lib/wirewright.overlay/wirewright_overlay_answers.py"
    for path in (start, beside, *(f"/etc/systemd/system/{unit.name}" for unit in units)):
        assert f"dest: {path}\n" in made and f"- {path}\n" in removed
    assert units[0].stem == units[1].stem, "a timer starts the service of its name"
    assert units[1].read_text().count("=30s") == 2


ODD_INTERVALS = (0, -1, 1.5, True, "1_000", "030", "3\uff10", "30\n", "", 10**6)


@pytest.mark.parametrize("value", [30, "1", 99999, *ODD_INTERVALS])
def test_an_interval_that_systemd_cannot_read_is_refused(value: Any) -> None:
    (task,) = (one for one in yaml.safe_load((ROLE / "tasks/main.yml").read_text()) if "interval" in one["name"])
    environment = Environment(autoescape=True)
    environment.tests["regex"] = lambda text, pattern, match_type: bool(getattr(re, match_type)(pattern, text))
    condition = environment.compile_expression(task["ansible.builtin.assert"]["that"])
    assert condition(endpoint_refresh_interval=value) is (value not in ODD_INTERVALS)
