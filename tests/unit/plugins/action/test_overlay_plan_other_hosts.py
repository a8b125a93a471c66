# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan knows the whole fleet, whatever the run is: which hosts are asked for their facts, and how often."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.action.overlay_plan import facts_outside
from ansible_collections.wirewright.overlay.plugins.plugin_utils._other_hosts import GatheredFacts
from fleet_project import UNREACHABLE, Project, fact_of, key_of

pytestmark = pytest.mark.plays

NAMES = ["h1", "h2", "h3", "h4", "h5"]


@pytest.fixture
def counted(project: Project) -> Project:
    """Return a project in which each run of overlay_prepare is noted."""
    project.write("roles/mesh/tasks/main.yml", project.tasks_that_count())
    return project


def full(names: list[str]) -> dict[str, set[str]]:
    return {name: set(names) - {name} for name in names}


@pytest.mark.parametrize("serial", [1, 2, "30%"])
def test_each_host_is_asked_at_most_once_beside_its_own_batch(counted: Project, serial: object) -> None:
    counted.hosts(NAMES)
    counted.play["serial"] = serial
    run = counted.run()
    assert run.code == 0, run.output
    assert {name: set(run.peers(name)) for name in NAMES} == full(NAMES)
    first = 2 if serial == 2 else 1
    assert counted.asked() == sorted([f"{name} run True" for name in [*NAMES, *NAMES[first:]]])


@pytest.mark.parametrize("strategy", ["free", "host_pinned"])
def test_hosts_that_do_not_wait_for_each_other(counted: Project, strategy: str) -> None:
    counted.hosts(NAMES)
    counted.play["strategy"] = strategy
    run = counted.run()
    assert run.code == 0, run.output
    assert {name: set(run.peers(name)) for name in NAMES} == full(NAMES)
    asked = counted.asked()
    assert all(1 <= asked.count(f"{name} run True") <= 2 for name in NAMES) and len(set(asked)) == len(NAMES), asked


def test_one_batch_asks_no_host_twice(counted: Project) -> None:
    counted.hosts(NAMES)
    assert counted.run().code == 0
    assert counted.asked() == [f"{name} run True" for name in NAMES]


def test_an_unreachable_host_of_a_later_batch_is_asked_once(counted: Project) -> None:
    # Its address is asked for in the arguments of the connection, so each attempt is one message.
    counted.hosts({**{name: {} for name in NAMES[:4]}, "h5": UNREACHABLE})
    counted.play["serial"] = 1
    run = counted.run("-vvv")
    assert {name: set(run.peers(name)) for name in NAMES[:4]} == full(NAMES[:4])
    # Once asked, and once in its own batch.
    assert run.output.count("<127.0.0.1> SSH: EXEC") == 2, run.output
    assert "host 'h5': mesh_public_key: the host is unreachable, and the public key" in run.output


def test_arguments_and_variables_are_those_of_the_asked_host(counted: Project) -> None:
    """Its own host_vars, role defaults, and facts that its variables use."""
    fact = fact_of("h2", 2, public_key=key_of("own file"))
    counted.hosts(
        {"h1": {}, "h2": {"fake_fact": fact, "mesh_port": 5002}},
        mesh_endpoint="{{ ansible_facts.wirewright_overlay.underlay.ipv4.address }}",
    )
    counted.play["serial"] = 1
    run = counted.run()
    assert run.code == 0, run.output
    peer = run.peers("h1")["h2"]
    assert (peer["public_key"], peer["endpoint"]) == (key_of("own file"), "198.51.100.2:5002")


def test_a_host_that_ignores_being_unreachable_is_not_applied(counted: Project) -> None:
    tasks = counted.tasks_that_count()
    tasks[0]["ignore_unreachable"] = True
    counted.write("roles/mesh/tasks/main.yml", tasks)
    counted.hosts({"h1": {}, "h2": {}, "h3": UNREACHABLE})
    run = counted.run()
    assert run.code != 0
    assert set(run.documents) == {"h1", "h2"}
    assert run.interface("h1")["unknown_peers"] == ["h3"]
    assert "the plan has no facts of 'h3': this host is unreachable; run again when it is reachable" in run.output


def remembering(name: str, number: int, *others: str) -> dict[str, Any]:
    return {"fake_fact": fact_of(name, number, {other: f"10.42.0.{other[1:]}" for other in others})}


def test_a_host_joins_alone(counted: Project) -> None:
    """One neighbour that remembers is enough; none is changed."""
    counted.hosts(
        {
            "h1": UNREACHABLE,
            "h2": remembering("h2", 2, "h1", "h3"),
            "h3": remembering("h3", 3, "h1", "h2"),
            "h4": {},
            "h5": {"fake_fact": fact_of("h5", 5, public_key=None)},
        }
    )
    run = counted.run("--limit", "h4")
    assert run.code == 0, run.output
    peers = run.peers("h4")
    assert {name: peer["public_key"] for name, peer in peers.items()} == {n: key_of(n) for n in ("h1", "h2", "h3")}
    assert set(run.documents) == {"h4"}
    assert "h4 run True" in counted.asked()
    assert {line for line in counted.asked() if "h4" not in line} == {f"{n} check False" for n in ("h2", "h3", "h5")}
    assert len(counted.asked()) == 4
    assert (
        "host 'h1': mesh_public_key: the host is not in this run; its key is taken on the word of 'h2', 'h3'"
        in run.output
    )
    assert "host 'h5': mesh_public_key: the host is not in this run and has no key yet" in run.output
    assert (
        "The hosts of this run do not know the public keys of 'h1', 'h2', 'h3' and 1 more. So the plan read the facts of 'h1', "
        "'h2', 'h3', 'h5' outside of this run and changed nothing there. 'h1' did not answer: "
    ) in run.output
    assert "reachable, or" not in run.output


def test_a_host_joins_while_another_one_has_no_key(counted: Project) -> None:
    counted.hosts({"h4": {}, "h5": {"fake_fact": fact_of("h5", 5, public_key=None)}})
    run = counted.run("--limit", "h4")
    assert run.code == 0, run.output
    assert "changed nothing there. 'h5' has no key yet: a warning says what to do." in run.output
    assert "nothing to do" not in run.output


def test_the_message_says_who_was_asked_why_and_what_to_do() -> None:
    well = GatheredFacts({}, outside=True)
    assert facts_outside(["h9"], {"h2": well, "h1": well}) == (
        "The hosts of this run do not know the public key of 'h9'. So the plan read the facts of 'h1', 'h2' outside of this run "
        "and changed nothing there. There is nothing to do."
    )
    assert facts_outside(["h9"], {"h2": well, "h9": well}, ["h5", "h9"]).endswith(
        "and changed nothing there. 'h9' has no key yet: a warning says what to do."
    )
    assert facts_outside(["h8", "h9"], {"h9": well}, ["h8", "h9"]).endswith(
        "'h8', 'h9' have no key yet: a warning says what to do."
    )
    lost = GatheredFacts(reason="Permission denied.")
    assert facts_outside(["h9", "h8"], {"h1": lost, "h2": well, "h3": lost}) == (
        "The hosts of this run do not know the public keys of 'h8', 'h9'. So the plan read the facts of 'h1', 'h2', 'h3' outside "
        "of this run and changed nothing there. 'h1' did not answer: Permission denied. 'h3' did not answer: Permission denied. "
        "If a warning names a member without a key, run again when they can be reached."
    )


def test_neighbours_who_disagree_count_for_nothing(counted: Project) -> None:
    other = remembering("h3", 3)
    other["fake_fact"]["interfaces"]["wg0"]["peers"] = f"{key_of('false')}\th1\t10.42.0.1\t"
    counted.hosts({"h1": UNREACHABLE, "h2": remembering("h2", 2, "h1"), "h3": other, "h4": {}})
    run = counted.run("--limit", "h4")
    assert run.code == 0, run.output
    assert set(run.peers("h4")) == {"h2", "h3"}
    assert run.interface("h4")["unknown_peers"] == ["h1"]
    assert "others have stored different keys of it" in run.output


def test_a_limited_run_asks_nobody_where_its_hosts_remember(counted: Project) -> None:
    counted.hosts({"h1": remembering("h1", 1, "h2", "h3"), "h2": {}, "h3": {}})
    run = counted.run("--limit", "h1")
    assert run.code == 0, run.output
    assert set(run.peers("h1")) == {"h2", "h3"}
    assert counted.asked() == ["h1 run True"]
    assert "mesh_public_key" not in run.output and "read the facts" not in run.output, run.output


def test_the_number_of_hosts_facts_outside_is_bounded(counted: Project) -> None:
    names = [f"h{number}" for number in range(1, 31)]
    counted.hosts({name: {"fake_fact": fact_of(name, n, public_key=None)} for n, name in enumerate(names, 1)})
    counted.play["serial"] = 1
    run = counted.run("--limit", "h1,h2")
    assert run.code == 0, run.output
    asked = [line for line in counted.asked() if line.endswith("False")]
    assert len(asked) == len(set(asked)) == 9


@pytest.fixture
def cached(counted: Project, tmp_path: Path) -> dict[str, str]:
    """Return the environment of a run with a fact cache; an earlier run has filled it with the facts of h1 to h3."""
    environment = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path / "facts")}
    counted.hosts(["h1", "h2", "h3"])
    run = counted.run(**environment)
    assert run.code == 0, run.output
    (counted.root / "asked").unlink()
    return environment


def changed_key(name: str, number: int) -> dict[str, Any]:
    return {"fake_fact": fact_of(name, number, public_key=key_of("new key"))}


def knowing(name: str, number: int, **keys: str) -> dict[str, Any]:
    """Return a host that has stored keys of others."""
    lines = [f"{key_of(key)}\t{other}\t\t" for other, key in keys.items()]
    return {"fake_fact": fact_of(name, number, peers="\n".join(lines))}


def test_a_fact_cache_puts_no_old_key_back(counted: Project, cached: dict[str, str]) -> None:
    """h3 has got another key since, by a run with another cache."""
    counted.hosts({"h1": knowing("h1", 1, h2="h2", h3="new key"), "h2": {}, "h3": changed_key("h3", 3)})
    run = counted.run("--limit", "h1", **cached)
    assert run.code == 0, run.output
    assert {name: peer["public_key"] for name, peer in run.peers("h1").items()} == {
        "h2": key_of("h2"),
        "h3": key_of("new key"),
    }
    assert counted.asked() == ["h1 run True", "h3 check False"]
    assert (
        "The fact cache has another key of 'h3' than hosts of this run have stored. So the plan read the facts of 'h3' outside "
        "of this run and changed nothing there."
    ) in run.output


def test_a_fact_cache_counts_where_the_host_has_the_newer_key(counted: Project, cached: dict[str, str]) -> None:
    """h1 was down when h3 got the key that the cache has."""
    counted.hosts({"h1": knowing("h1", 1, h2="h2", h3="old key"), "h2": {}, "h3": {}})
    run = counted.run("--limit", "h1", **cached)
    assert run.code == 0, run.output
    assert run.peers("h1")["h3"]["public_key"] == key_of("h3")


def test_a_stored_key_stays_where_the_host_does_not_answer(counted: Project, cached: dict[str, str]) -> None:
    counted.hosts({"h1": knowing("h1", 1, h2="h2", h3="new key"), "h2": {}, "h3": UNREACHABLE})
    run = counted.run("--limit", "h1", **cached)
    assert run.code == 0, run.output
    assert run.peers("h1")["h3"]["public_key"] == key_of("new key")
    assert "'h3' did not answer, so the stored key stays: " in run.output


def test_a_fact_cache_saves_connections_where_nothing_contradicts_it(counted: Project, cached: dict[str, str]) -> None:
    counted.hosts(["h1", "h2", "h3", "h4"])
    run = counted.run("--limit", "h4", **cached)
    assert run.code == 0, run.output
    assert set(run.peers("h4")) == {"h1", "h2", "h3"}
    assert counted.asked() == ["h4 run True"]


def test_facts_of_an_earlier_play_of_the_run_are_not_old(counted: Project, cached: dict[str, str]) -> None:
    counted.hosts({"h1": knowing("h1", 1, h3="h3"), "h2": {}, "h3": changed_key("h3", 3)}, mesh_group="vpn")
    tasks = counted.tasks_that_count()
    tasks[1]["wirewright.overlay.overlay_plan"] = {"group": "vpn"}
    counted.write("roles/mesh/tasks/main.yml", tasks)
    counted.earlier = [{**counted.play, "hosts": "h3"}]
    counted.play["hosts"] = "h1"
    run = counted.run(**cached)
    assert run.code == 0, run.output
    assert run.peers("h1")["h3"]["public_key"] == key_of("new key")
    assert not [line for line in counted.asked() if line.startswith("h3 check")]


@pytest.mark.parametrize("condition", ["inventory_hostname != 'h2'", "later is succeeded"])
def test_a_host_that_will_not_run_the_role_gets_no_key(counted: Project, condition: str) -> None:
    """Its condition is false, or needs what an earlier task has not registered yet; a key that it has counts."""
    counted.hosts(["h1", "h2", "h3"])
    counted.play["serial"] = 1
    counted.play["roles"] = [{"role": "mesh", "when": f"inventory_hostname == 'h1' or ({condition})"}]
    run = counted.run()
    assert set(run.peers("h1")) == {"h2", "h3"}, run.output
    assert "h2 check False" in counted.asked() and "h2 run True" not in counted.asked()
    assert run.documents.keys() & {"h2"} == set()


def test_a_local_connection_to_another_host_is_this_machine(counted: Project) -> None:
    """As with ansible-pull, which runs with `--connection local` and the limit of one host."""
    one = {"fake_fact": fact_of("machine", 1)}
    counted.hosts({"h1": one, "h2": one, "h3": {**one, "mesh_public_key": key_of("h3")}})
    run = counted.run("--limit", "h1")
    assert run.code == 0, run.output
    assert set(run.peers("h1")) == {"h3"}
    assert "'h2' did not answer: its connection is local, so this is the machine of a host of this run" in run.output
    everywhere = counted.run()
    assert everywhere.code != 0 and not everywhere.documents
    assert "'h1', 'h2', 'h3' have the connection local, so they are one machine; run with --limit" in everywhere.output
