# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hubs and spokes that others made are adopted as they are, or refused by what would be lost."""

from __future__ import annotations

from typing import Any

import pytest
from planned_fleet import address_of, key_of
from planned_hub_spoke import hub, interfaces, peers, planned, problems, spoke

ENDPOINT = f"{address_of('h1')}:51999"


def existing(name: str, *peers: tuple[str, str, str, int], **changes: Any) -> dict[str, Any]:
    lines = [
        "\t".join((key_of(peer), "", endpoint, allowed, str(seconds), "runs"))
        for peer, endpoint, allowed, seconds in peers
    ]
    return {
        "runs": True,
        "method": "wg_quick",
        "public_key": key_of(name),
        "listen_port": 51999,
        "port_is_configured": True,
        "addresses": [f"10.43.0.{name[1:]}/24"],
        "routes": True,
        "peers": "\n".join(lines),
        "findings": [],
        **changes,
    }


def hosts(allowed: str = "10.43.0.0/24", seconds: int = 25, **variables: Any) -> list[Any]:
    one = hub("h1", {"adopt": True, **variables})
    assert one.fact is not None
    one.fact["interfaces"]["wg0"]["existing"] = existing("h1", ("h2", "", "10.43.0.2/32", 0))
    own = existing("h2", ("h1", ENDPOINT, allowed, seconds), listen_port=40000, port_is_configured=False)
    return [one, spoke("h2", {"adopt": True}, {"wg0": {"existing": own}})]


def test_hub_and_spoke_keep_port_addresses_and_peers() -> None:
    plan = planned(*hosts())
    own = interfaces(plan, "h1")["wg0"]
    assert (own["listen_port"], own["addresses"]) == (51999, ["10.43.0.1/24"])
    assert own["notes"] == {"adopted_port": "51999", "port": "51999"}
    (peer,) = peers(plan, "h2").values()
    assert (peer["endpoint"], peer["persistent_keepalive"]) == (ENDPOINT, 25)


def test_losses_have_the_variables_of_the_role() -> None:
    said = "\n".join(problems(*hosts("10.43.0.0/24,10.60.0.0/16", 25, port=51820)))
    assert "host 'h1': hub_spoke_port: wg0 listens on 51999" in said
    assert "add them to hub_spoke_networks of h1" in said


def test_a_hub_of_others_is_refused_without_adoption() -> None:
    assert any("set hub_spoke_adopt to true" in text for text in problems(*hosts(adopt=False)))


FULL = "set hub_spoke_full_tunnel of this host to true, or hub_spoke_adopt_allow_loss: true"
LARGER = "list the networks behind it, which do not overlap the overlay's own, in hub_spoke_networks of h1, or"


@pytest.mark.parametrize(
    ("allowed", "variables", "said"),
    [
        ("0.0.0.0/0", {}, FULL),
        ("10.43.0.0/24,0.0.0.0/0", {}, FULL),
        (
            "10.43.0.0/24,::/0",
            {},
            "put an IPv6 network into hub_spoke_network, for all hosts, or hub_spoke_adopt_allow_loss",
        ),
        ("10.0.0.0/8", {}, LARGER),
        ("10.43.0.0/24", {"isolate": True}, "set hub_spoke_isolate to false, so that spokes reach each other, or"),
        ("10.43.0.0/24,10.60.0.0/16", {}, "add them to hub_spoke_networks of h1; hub_spoke_adopt_allow_loss: true"),
    ],
)
def test_allowed_ips_of_a_hub_have_the_variable_that_keeps_them(
    allowed: str, variables: dict[str, Any], said: str
) -> None:
    (problem,) = problems(*hosts(allowed, **{"network": "10.43.0.0/24", **variables}))
    assert problem.startswith("host 'h2': hub_spoke_networks: the peer h1 has the allowed IPs") and said in problem


def test_losses_are_reported_together_with_other_problems() -> None:
    one, two = hosts(mtu="x")
    assert two.fact is not None
    two.fact["interfaces"]["wg0"]["existing"]["findings"] = ["/a, line 3: DNS sets it"]
    said = "\n".join(problems(one, two))
    assert "hub_spoke_mtu" in said and "host 'h2': hub_spoke_adopt: /a, line 3: DNS sets it" in said


def test_clients_behind_a_spoke_in_the_network_of_the_overlay_are_named_as_such() -> None:
    one, two = hosts()
    assert one.fact is not None
    one.fact["interfaces"]["wg0"]["existing"] = existing("h1", ("h2", "", "10.43.0.2/32,10.43.0.64/28", 0))
    (problem,) = problems(one, two)
    assert "the peer h2 has the allowed IPs 10.43.0.64/28" in problem
    assert "make hub_spoke_network a smaller one without them, and add them to hub_spoke_networks of h2; or" in problem
