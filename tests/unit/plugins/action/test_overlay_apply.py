# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the registered plan to the module's arguments, in real plays."""

from __future__ import annotations

import base64

import pytest
from fleet_project import Project, fact_of, key_of

pytestmark = pytest.mark.plays

MASTER = "canary-master-4f1c9a7e55"
STATIC_PSK = base64.b64encode(b"canary-static-preshared-key-1234").decode()


def test_preshared_keys_are_the_same_on_both_ends_and_nowhere_else(project: Project) -> None:
    project.hosts(
        ["h1", "h2", "h3"],
        mesh_psk_master=MASTER,
        mesh_static_peers=[
            {"name": "phone", "public_key": key_of("phone"), "allowed_ips": [], "preshared_key": STATIC_PSK}
        ],
    )
    results = project.root / "results"
    run = project.run(
        "-vvv", "--diff", ANSIBLE_CALLBACKS_ENABLED="kept_archives,json_lines", WIREWRIGHT_RESULTS=str(results)
    )
    assert run.code == 0, run.output
    seen_by_callbacks = results.read_text()
    assert '"plan_from": "__mesh_plan"' in seen_by_callbacks
    secrets = {host: document["preshared_keys"]["wg0"] for host, document in run.documents.items()}
    assert secrets["h1"][key_of("h2")] == secrets["h2"][key_of("h1")]
    assert secrets["h1"][key_of("h2")] != secrets["h1"][key_of("h3")]
    assert secrets["h1"][key_of("phone")] == STATIC_PSK
    for canary in (MASTER, STATIC_PSK, secrets["h1"][key_of("h2")]):
        assert canary not in run.output and canary not in seen_by_callbacks
    assert "preshared_key" not in str([run.interface(host) for host in run.documents])


def test_a_higher_epoch_gives_other_preshared_keys(project: Project) -> None:
    project.hosts(["h1", "h2"], mesh_psk_master=MASTER)
    first = project.run().documents["h1"]["preshared_keys"]
    second = project.run("-e", "mesh_psk_epoch=1").documents["h1"]["preshared_keys"]
    assert first != second


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"mesh_psk_master": "too-short"}, "shorter than 16 bytes"),
        ({"mesh_psk_master": MASTER, "mesh_psk_epoch": -1}, "mesh_psk_epoch: -1 is not a whole number from 0"),
        (
            {
                "mesh_static_peers": [
                    {
                        "name": "phone",
                        "public_key": key_of("p"),
                        "allowed_ips": [],
                        "preshared_key": "oops-" + STATIC_PSK,
                    }
                ]
            },
            "preshared key of static peer 'phone'",
        ),
    ],
)
def test_unusable_secrets_are_refused_without_being_shown(
    project: Project, variables: dict[str, object], expected: str
) -> None:
    project.hosts(["h1", "h2"], **variables)
    run = project.run("-vvv")
    assert run.code != 0
    assert expected in run.output
    assert not run.documents
    for canary in ("too-short", MASTER, STATIC_PSK):
        assert canary not in run.output


def test_a_host_without_a_key_gets_no_tunnels_without_preshared_keys(project: Project) -> None:
    project.hosts({"h1": {"fake_fact": fact_of("h1", 1, public_key=None)}, "h2": {}}, mesh_psk_master=MASTER)
    run = project.run()
    assert "has no key yet" in run.output
    assert set(run.documents) == {"h2"}


def test_a_host_outside_the_plan(project: Project) -> None:
    project.hosts(["h1", "h2"])
    tasks = project.tasks()
    tasks[1]["wirewright.overlay.overlay_plan"] = {"group": "some"}
    project.write("roles/mesh/tasks/main.yml", tasks)
    project.write("more.yml", {"all": {"children": {"some": {"hosts": {"h1": {}}}}}})
    run = project.run("-i", "more.yml")
    assert "'h2' is not a member of the planned fleet" in run.output
    assert set(run.documents) == {"h1"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"plan_from": "no_such_variable"}, "is not the name of a variable"),
        ({"plan_from": "{{ __mesh_plan }}"}, "is not the name of a variable"),
        ({"plan_from": "__mesh_plan", "interfaces": []}, "remove interfaces"),
        ({"psk_master": MASTER, "interfaces": []}, "psk_master: is no option"),
    ],
)
def test_wrong_arguments(project: Project, arguments: dict[str, object], expected: str) -> None:
    project.hosts(["h1"])
    tasks = project.tasks()
    tasks[2]["wirewright.overlay.overlay_apply"] = arguments
    project.write("roles/mesh/tasks/main.yml", tasks)
    run = project.run()
    assert run.code != 0
    assert expected in run.output
    assert not run.documents


def test_arguments_without_a_plan_are_passed_unchanged(project: Project) -> None:
    project.hosts(["h1"])
    given = [{"inventory_name": "h1", "name": "wg7"}]
    project.play["roles"] = []
    project.play["tasks"] = [{"wirewright.overlay.overlay_apply": {"interfaces": given}}]
    run = project.run()
    assert run.code == 0, run.output
    assert run.documents["h1"]["interfaces"] == given


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"mesh_psk_master": 12345678901234567890}, "mesh_psk_master: the master secret must be text"),
        ({"mesh_psk_master": MASTER, "mesh_psk_epoch": "two"}, "mesh_psk_epoch: 'two' is not a whole number from 0"),
    ],
)
def test_messages_name_the_variables_of_the_role(project: Project, variables: dict[str, object], named: str) -> None:
    project.hosts(["h1", "h2"], **variables)
    run = project.run()
    assert run.code != 0
    assert named in run.output


def test_the_module_gets_the_variables_that_its_messages_name(project: Project) -> None:
    project.hosts(["h1"])
    named = project.run().documents["h1"]["variables"]
    assert (named["listen_port"], named["adopt"]) == ("mesh_port", "mesh_adopt")
