"""AWS services and resources on the map: one kind of node, shown with X-Ray's type."""

from __future__ import annotations

from tests.pages.running import serving
from tests.pages.shop import NOW
from tests.span_rows import MS, Made, traces_batch
from tests.storing import NOON


def test_the_panel_and_the_list_show_x_rays_type() -> None:
    at = (NOW - NOON) / MS - 120_000
    with serving() as site:
        site.web.store.write(
            traces_batch(
                [
                    Made(1, 1, 0, at, 100, "web"),
                    Made(
                        1, 2, 1, at, 8, "web", kind="client", peer="orders", peer_type="AWS::DynamoDB::Table"
                    ),
                    Made(1, 3, 1, at, 8, "web", kind="client", peer="redis", peer_type="cache"),
                ]
            )
        )
        site.web.store.settle(remote=True)
        panel = site.client.get("/map?sel=aws:orders").text.split("<aside", 1)[1]
        assert "AWS::DynamoDB::Table, not instrumented" in panel
        assert "<h3>Response time</h3>" in panel, "the calls of its busiest caller are found"
        shown = site.client.get("/map").text
        assert 'data-node="aws:orders"' in shown
        assert "orders, AWS::DynamoDB::Table:" in shown
        assert '<td class="p2">cache</td>' in shown
        assert "orders,AWS::DynamoDB::Table,1" in site.client.get("/map.csv").text
        node = next(
            n for n in site.client.get("/map.json").get_json()["graph"]["nodes"] if n["name"] == "orders"
        )
        assert (node["type"], node["xray_type"]) == ("aws", "AWS::DynamoDB::Table")
