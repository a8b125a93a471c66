# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet and its variables in real plays."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from fleet_project import UNREACHABLE, Project, fact_of, key_of

pytestmark = pytest.mark.plays

H1, H2, H3 = "h1", "h2", "h3"


def test_every_host_gets_every_other(project: Project) -> None:
    project.hosts([H1, H2, H3])
    run = project.run()
    assert run.code == 0, run.output
    assert set(run.documents) == {H1, H2, H3}
    for host in run.documents:
        assert set(run.peers(host)) == {H1, H2, H3} - {host}
        for name, peer in run.peers(host).items():
            assert peer["public_key"] == key_of(name)
            assert peer["addresses"] == [run.interface(name)["addresses"][0].partition("/")[0]]


def test_precedence_is_ansibles_for_hosts_outside_the_limit_too(project: Project) -> None:
    project.hosts(
        {H1: {"mesh_public_key": key_of(H1)}, H2: {}, H3: {"mesh_public_key": key_of(H3)}},
        mesh_port=5001,
        mesh_endpoint="{{ inventory_hostname }}.example.org",
        mesh_network="10.9.0.0/24",
    )
    project.write("host_vars/h3.yml", {"mesh_port": "{{ base_port + 3 }}", "base_port": 7000})
    project.write("group_vars/vpn.yml", {"mesh_networks": ["10.{{ inventory_hostname[1:] }}.0.0/16"]})
    project.play["vars"] = {"mesh_persistent_keepalive": 25}
    project.play["roles"] = [{"role": "mesh", "mesh_network": "10.42.0.0/24"}]
    run = project.run("--limit", H2, "-e", "mesh_fwmark=0x51820")
    assert run.code == 0, run.output
    assert set(run.documents) == {H2}
    own, peers = run.interface(H2), run.peers(H2)
    assert peers[H1]["endpoint"] == "h1.example.org:5001", "group variable, templated for that host"
    assert peers[H3]["endpoint"] == "h3.example.org:7003", "host_vars beside the playbook win over the inventory"
    assert peers[H3]["allowed_ips"][0].startswith("10.42.0."), "role parameters win over inventory variables"
    assert peers[H3]["allowed_ips"][1:] == ["10.3.0.0/16"], "group_vars beside the playbook"
    assert own["private_key_file"] == "/etc/wireguard/wg0.key", "role defaults count"
    assert peers[H1]["persistent_keepalive"] == 25, "play variables"
    assert own["fwmark"] == 0x51820, "extra variables win, and are text"
    assert own["addresses"][0].startswith("10.42.0.")


def test_task_and_play_variables_are_templated_for_each_host(project: Project) -> None:
    project.hosts([H1, H2])
    project.play["vars"] = {"mesh_port": "{{ 6000 + inventory_hostname[1:] | int }}"}
    run = project.run()
    assert run.code == 0, run.output
    assert (run.interface(H1)["listen_port"], run.peers(H1)[H2]["endpoint"]) == (6001, "198.51.100.2:6002")


@pytest.mark.parametrize("unset", [None, ""])
def test_variables_that_all_roles_share(project: Project, unset: object) -> None:
    shared = {"overlay_revoked": [H3], "overlay_persistence": "networkd", "mesh_persistence": unset}
    project.hosts({H1: {}, H2: {"mesh_persistence": "none"}, H3: {}}, **shared)
    run = project.run()
    assert run.code == 0, run.output
    assert (run.interface(H1)["persistence"], run.interface(H2)["persistence"]) == ("networkd", "none")
    assert run.interface(H1)["revoked"] == {key_of(H3): H3}


def test_serial_plans_the_same_fleet_in_each_batch(project: Project) -> None:
    names = [H1, H2, H3]
    addresses = {name: f"10.42.0.{number}" for number, name in enumerate(names, 11)}
    for_all = [
        fact_of(
            name,
            number,
            {other: addresses[other] for other in names if other != name},
            addresses=[addresses[name] + "/24"],
        )
        for number, name in enumerate(names, 1)
    ]
    project.hosts({name: {"fake_fact": fact} for name, fact in zip(names, for_all)})
    project.play["serial"] = 1
    run = project.run()
    assert run.code == 0, run.output
    for name in names:
        assert run.interface(name)["addresses"] == [addresses[name] + "/24"]
        assert {peer: entry["addresses"] for peer, entry in run.peers(name).items()} == {
            other: [addresses[other]] for other in names if other != name
        }


def test_an_unreachable_host_stays_a_peer(project: Project) -> None:
    cached = {H3: "10.42.0.77"}
    project.hosts(
        {
            H1: {"fake_fact": fact_of(H1, 1, cached)},
            H2: {"fake_fact": fact_of(H2, 2, cached)},
            H3: UNREACHABLE,
        }
    )
    run = project.run()
    assert run.code != 0
    assert "unreachable=1" in run.output
    assert set(run.documents) == {H1, H2}
    for host in (H1, H2):
        peer = run.peers(host)[H3]
        assert (peer["public_key"], peer["allowed_ips"], peer["endpoint"]) == (key_of(H3), ["10.42.0.77/32"], None)


@pytest.mark.parametrize("in_earlier_play", [False, True])
def test_failed_unreachable_and_left_out_hosts_are_told_apart(project: Project, in_earlier_play: bool) -> None:
    fails = {"ansible.builtin.fail": {"msg": "no disk"}, "when": "inventory_hostname == 'h2'"}
    reaches: dict[str, Any] = {"ansible.builtin.ping": {}}
    if in_earlier_play:
        project.earlier = [{"hosts": "vpn", "gather_facts": False, "tasks": [reaches, fails]}]
    else:
        project.play["pre_tasks"] = [reaches, fails]
    project.hosts({"h1": {}, "h2": {}, "h3": UNREACHABLE, "h4": UNREACHABLE})
    run = project.run("--limit", "h1:h2:h3")
    assert set(run.documents) == {"h1"}, run.output
    lost = "is unreachable or failed earlier in this run"  # Ansible tells them apart in the play alone
    one_by_one = {"host 'h2'": "failed earlier in this run", "host 'h3'": lost}
    reasons = {**({"hosts 'h2', 'h3'": lost} if in_earlier_play else one_by_one), "host 'h4'": "is not in this run"}
    for hosts, why in reasons.items():
        assert f"{hosts}: mesh_public_key: the host {why}, and the public key" in run.output, run.output


def test_variables_that_depend_on_facts_of_an_unreachable_host(project: Project) -> None:
    project.hosts(
        {H1: {}, H2: UNREACHABLE},
        mesh_endpoint="{{ ansible_facts.wirewright_overlay.underlay.ipv4.address }}",
        mesh_network="fd42::/64",
    )
    run = project.run("--limit", H1)
    assert run.code == 0, run.output
    assert run.interface(H1)["unknown_peers"] == [H2]
    assert "the host is not in this run, and mesh_" in run.output


def test_a_variable_that_cannot_be_evaluated_is_reported(project: Project) -> None:
    project.hosts([H1, H2], mesh_endpoint="{{ no_such_thing }}")
    run = project.run()
    assert run.code != 0
    assert not run.documents
    assert "hosts 'h1', 'h2': mesh_endpoint: cannot be evaluated: 'no_such_thing' is undefined" in run.output


def test_revoked_hosts_are_skipped_and_revoked_everywhere(project: Project) -> None:
    project.hosts([H1, H2, H3], mesh_revoked=[H2])
    run = project.run()
    assert run.code == 0, run.output
    assert set(run.documents) == {H1, H3}
    assert run.interface(H1)["revoked"] == {key_of(H2): H2}
    assert set(run.peers(H1)) == {H3}
    assert "skipping: [h2]" in run.output


def test_all_problems_in_one_message_and_nothing_applied(project: Project) -> None:
    project.hosts({H1: {"mesh_port": "abc"}, H2: {"mesh_mtu": 10}, H3: {"mesh_interface": "a/b"}})
    run = project.run()
    assert run.code != 0
    assert not run.documents
    for line in (
        "host 'h1': mesh_port: 'abc' is not a whole number from 0 to 65535",
        "host 'h2': mesh_mtu: 10 is less than",
        "host 'h3': mesh_interface: 'a/b' is no interface name",
    ):
        assert line in run.output, run.output


def test_a_refused_plan_says_on_which_hosts_the_run_wrote_keys(project: Project) -> None:
    tasks = project.tasks()
    tasks[0]["wirewright.overlay.overlay_prepare"]["makes_key"] = "{{ inventory_hostname == 'h2' }}"
    project.write("roles/mesh/tasks/main.yml", tasks)
    project.hosts(["h1", "h2", "h3"], mesh_port="many")
    refused = "Planning failed, and this plan has changed no host"
    real, check = project.run(), project.run("--check")
    assert f"{refused}; before it, this run has written private key files on 'h2'" in real.output
    assert refused in check.output and "private key files" not in check.output, "check mode has written none"


def test_a_run_without_facts_is_refused(project: Project) -> None:
    project.hosts([H1, H2])
    project.play["roles"] = []
    project.play["tasks"] = [{"wirewright.overlay.overlay_plan": {"group": "vpn"}, "run_once": True}]
    run = project.run()
    assert run.code != 0 and "no facts of 'h1', 'h2' in this run" in run.output


@pytest.mark.parametrize(
    ("group", "expected"),
    [("vpn", None), ("nobody", "mesh_group: 'nobody' is not a group"), ("empty", "'empty' is not a group with hosts")],
)
def test_groups(project: Project, group: str, expected: str | None) -> None:
    project.hosts([H1, H2])
    project.write("more.yml", {"all": {"children": {"empty": {"hosts": {}}}}})
    project.play["hosts"] = "h1"
    project.play["roles"] = []
    project.play["tasks"] = [
        {"ansible.builtin.set_fact": {"cacheable": True, "wirewright_overlay": fact_of(H1, 1)}},
        {"wirewright.overlay.overlay_plan": {"group": group}, "register": "plan", "run_once": True},
        {"ansible.builtin.debug": {"msg": "members {{ plan.plan.hosts | list | sort | join('+') }}"}},
    ]
    run = project.run("-i", "more.yml")
    if expected is None:
        assert run.code == 0, run.output
        assert "members h1+h2" in run.output
    else:
        assert run.code != 0
        assert expected in run.output
        assert "vpn" in run.output


def test_hosts_pattern_that_is_a_template(project: Project) -> None:
    project.hosts([H1, H2, H3])
    project.play["hosts"] = "{{ target }}:!h3"
    run = project.run("--limit", H1, "-e", "target=vpn")
    assert run.code == 0, run.output
    assert set(run.peers(H1)) == {H2}


def test_facts_are_never_templated(project: Project) -> None:
    fact = fact_of(H1, 1, revoked={key_of("gone"): "{{ lookup('pipe', 'touch pwned') }}"}, addresses=["{{ 1 }}"])
    # As a host would send it: a module's result is not trusted, unlike the inventory.
    project.write("roles/mesh/tasks/main.yml", project.tasks_with_facts_from({H1: json.dumps(fact)}))
    project.hosts([H1, H2])
    run = project.run("--limit", H1)
    assert run.code == 0, run.output
    assert run.interface(H1)["revoked"] == {}
    assert not (project.root / "pwned").exists()


def test_fresh_hosts_in_check_mode(project: Project) -> None:
    new = {"public_key": None, "new_key": True}
    project.hosts({name: {"fake_fact": fact_of(name, n, **new)} for n, name in enumerate([H1, H2], 1)})
    run = project.run("--check", "-e", "mesh_psk_master=a-secret-of-good-length")
    assert run.code == 0, run.output
    assert run.interface(H1)["unknown_peers"] == []
    assert run.interface(H1)["new_key"] == f"the new key of {H1}"
    assert run.peers(H1)[H2]["public_key"] == f"the new key of {H2}"
    assert set(run.documents[H1]["preshared_keys"]["wg0"]) == {f"the new key of {H2}"}
    assert "WARNING" not in run.output


def test_a_key_is_predicted_only_for_hosts_of_the_play(project: Project) -> None:
    """The play generates no key of another host, whose fact may be an old one."""
    facts = {H1: fact_of(H1, 1), H2: fact_of(H2, 2, public_key=None, new_key=True)}
    project.hosts({name: {"fake_fact": fact, "fact_of_other": facts[H2]} for name, fact in facts.items()})
    tasks = project.tasks()
    other = {"name": "Remember", "wirewright.overlay.overlay_prepare": {"fact": "{{ fact_of_other }}"}}
    project.write("roles/mesh/tasks/main.yml", [{**other, "delegate_to": H2, "delegate_facts": True}, *tasks])
    run = project.run("--check", "--limit", H1)
    assert run.code == 0, run.output
    assert run.peers(H1) == {} and run.interface(H1)["unknown_peers"] == [H2]


def test_a_real_run_ignores_keys_that_a_run_in_check_mode_predicted(project: Project) -> None:
    """Facts of a fact cache, or of a hostile host."""
    facts = {H1: fact_of(H1, 1), H2: fact_of(H2, 2, public_key=None, new_key=True)}
    project.hosts({name: {"fake_fact": fact} for name, fact in facts.items()})
    run = project.run()
    assert run.code == 0, run.output
    assert run.peers(H1) == {} and run.interface(H1)["unknown_peers"] == [H2]
    assert "the new key of" not in json.dumps(run.documents)


def test_a_variable_that_no_role_has_is_named_with_its_hosts_and_the_nearest_right_name(project: Project) -> None:
    project.hosts({H1: {"mesh_adress": "10.42.0.7"}, H2: {}, H3: {}})
    run = project.run("-e", "mesh_prot=51999")
    assert run.code == 0, run.output
    said = "no role of this collection has a variable of this name, so it has no effect; write"
    assert run.output.count(f"hosts 'h1', 'h2', 'h3': mesh_prot: {said} mesh_port") == 1
    assert f"host 'h1': mesh_adress: {said} mesh_addresses" in run.output
    quiet = project.run("-e", "mesh_prot=51999 overlay_unknown_variables=ignore")
    assert "mesh_prot" not in quiet.output


def test_unknown_variables_fail_the_plan_on_request_together_with_all_other_problems(project: Project) -> None:
    project.hosts([H1, H2], overlay_unknown_variables="{{ 'fail' }}")
    run = project.run("-e", "mesh_prot=51999 mesh_mtu=9")
    assert run.code != 0
    assert not run.documents
    for problem in ("mesh_prot: no role", "mesh_mtu: 9 is less than"):
        assert run.output.count(problem) == 1, run.output
    wrong = project.run("-e", "overlay_unknown_variables=perhaps")
    assert "overlay_unknown_variables: 'perhaps' is not one of warn, fail, ignore" in wrong.output


def test_different_master_secrets_are_refused_without_showing_them(project: Project) -> None:
    project.hosts(
        {H1: {"mesh_psk_master": "canary-master-of-h1-only"}, H2: {"mesh_psk_master": "canary-master-of-the-rest"}}
    )
    run = project.run("-vvv")
    assert run.code != 0 and not run.documents
    assert f"hosts '{H1}', '{H2}': mesh_psk_master: all hosts need the same master secret" in run.output
    assert "canary-master" not in run.output


@pytest.mark.parametrize("pattern", ["vpn:!away", "h1:h2", "vpn:!h3"])
def test_a_play_that_leaves_out_members_of_a_group_is_refused(project: Project, pattern: str) -> None:
    addresses = {H1: "10.42.0.1", H2: "10.42.0.2", H3: "10.42.0.3"}
    facts = {
        name: fact_of(name, number, {other: one for other, one in addresses.items() if other != name})
        for number, name in enumerate(addresses, 1)
    }
    project.hosts({name: {"fake_fact": fact} for name, fact in facts.items()})
    inventory = yaml.safe_load((project.root / "hosts.yml").read_text())
    inventory["all"]["children"]["away"] = {"hosts": {H3: {}}}
    project.write("hosts.yml", inventory)
    project.play["hosts"] = pattern
    run = project.run()
    assert run.code != 0 and not run.documents
    assert (
        "'h3' would be removed as peers, because the hosts of this play are not whole groups and lack it" in run.output
    )
    tasks = project.tasks()
    tasks[1]["wirewright.overlay.overlay_plan"] = {"group": "vpn"}
    project.write("roles/mesh/tasks/main.yml", tasks)
    whole = project.run()
    assert whole.code == 0 and set(whole.documents) == {H1, H2} and H3 in whole.peers(H1), whole.output
