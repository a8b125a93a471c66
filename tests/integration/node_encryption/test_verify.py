# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks that verify, disable and remove the encryption of a cluster."""

from __future__ import annotations

import pytest
from encrypted_nodes import EncryptedNodes
from lab_hosts import Play
from mesh_lab import assert_ok, public_key

pytestmark = [pytest.mark.plays]

VERIFY, DISABLE, REMOVE = (f"playbooks/node_encryption_{what}.yml" for what in ("verify", "disable", "remove"))
KEY = "/etc/wireguard/kwg0.key"


def verdicts(play: Play) -> dict[str, str]:
    (result,) = play.results(task="Evaluate every pair of nodes")
    return {
        " ".join(pair["nodes"]): pair["verdict"]
        for pair in result["ansible_facts"]["node_encryption_verdicts"]["pairs"]
    }


@pytest.mark.slow
@pytest.mark.both
@pytest.mark.long
def test_cluster_is_verified_disabled_and_removed(cluster: EncryptedNodes) -> None:
    n1, n2, n3 = cluster.nodes
    assert_ok(cluster.converge())

    with cluster.steady_ping(n1.pod, n2.pod.ipv4):
        play = assert_ok(cluster.lab.playbook(VERIFY))
        n1.run("ip", "rule", "del", "priority", "99")
        n3_key = public_key(cluster.lab, n3.name, "kwg0")
        cluster.lab.run(n2.name, ["wg", "set", "kwg0", "peer", n3_key, "remove"])
        broken = cluster.lab.playbook(VERIFY)
    assert verdicts(play) == {"n1 n2": "ok", "n1 n3": "ok", "n2 n3": "ok"}
    assert play.changed == 0
    actions = ["wirewright.overlay.overlay_prepare", "wirewright.overlay.traffic_info"]
    assert [play.executions(n3.name).get(action) for action in actions] == [1, 1]
    (traffic,) = play.results(host=n1.name, action=actions[1])
    kinds = {(pair["source"], pair["destination"]): pair for pair in traffic["pairs"]}
    assert traffic["interfaces"] == ["eth0"] and traffic["kinds"]["plaintext_pod"] == 0
    assert kinds["n1", "n2"]["wireguard"] > 5 and kinds["n2", "n1"]["wireguard"] > 5
    (said,) = play.results(task="Report the encryption of every pair")
    assert said["msg"][0] == "3 pairs: 3 ok"
    assert len(said["msg"]) == 10 and said["msg"][2].startswith("n1 - n2  ok ")
    assert said["msg"][5:] == [
        "3 nodes: 3 encrypted",
        "node  status     reason",
        *(f"n{n}    encrypted" for n in (1, 2, 3)),
    ]

    assert broken.rc != 0
    assert verdicts(broken) == {"n1 n2": "plaintext", "n1 n3": "plaintext", "n2 n3": "no_peer"}
    (said,) = broken.results(task="Report the encryption of every pair")
    assert said["msg"][0] == "3 pairs: 1 no_peer (n2 - n3), 2 plaintext (n1 - n2, n1 - n3)"
    assert any(line.startswith("n1 - n3: from n1: no_route: packets of this host") for line in said["msg"])
    assert "n1    failed  2 of its pairs are not ok" in said["msg"]

    assert_ok(cluster.lab.playbook(DISABLE))
    for node in cluster.nodes:
        assert node.host.shell(f"ls {KEY}").strip() == KEY, "the key stays"
    assert_ok(cluster.lab.playbook(REMOVE))
    assert cluster.ping(n1.pod, n2.pod.ipv4) == cluster.ping(n3.pod, n1.pod.ipv6) == 3
    for node in cluster.nodes:
        assert "7100" not in node.run("ip", "rule") + node.run("ip", "-6", "rule")
        assert "kwg0" not in node.run("ip", "link") + node.run("nft", "list", "ruleset")
        left = "find /etc/wireguard /etc/wirewright.overlay /var/lib/wirewright.overlay /etc/systemd -name '*kwg*'"
        assert node.host.shell(f"{left} 2>/dev/null || :") == ""
    again = assert_ok(cluster.lab.playbook(REMOVE))
    assert again.changed == 0, again


def test_missing_ipsec_states_are_reported(cluster: EncryptedNodes) -> None:
    # This kernel may have no ESP; tests/kernel tests the listed states.
    cluster.write_inventory(node_encryption_backend="ipsec", node_encryption_ipsec_master="correct horse battery")
    play = cluster.lab.playbook(VERIFY)
    assert play.rc != 0 and play.changed == 0
    assert verdicts(play) == dict.fromkeys(["n1 n2", "n1 n3", "n2 n3"], "plaintext"), "they are compared all the same"
    (said,) = play.results(task="Report the encryption of every pair")
    assert said["msg"][1].split()[:4] == ["pair", "verdict", "states", "keys"]
    assert any(line.split()[:7] == ["n1", "-", "n2", "plaintext", "0", "of", "4"] for line in said["msg"]), said
    assert any("n1 has no state for sending to n2, from 10.0.0.1 to 10.0.0.2" in line for line in said["msg"])
    (traffic,) = play.results(host="n1", action="wirewright.overlay.traffic_info")
    answers = {entry["address"]: entry["mtu"] for entry in traffic["ipsec"]["answers"]}
    assert answers == {
        "10.244.2.1": 1446, "fd00:244:0:2::1": 1426, "10.244.3.1": 1446, "fd00:244:0:3::1": 1426,
    }  # fmt: skip
