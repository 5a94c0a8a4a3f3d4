"""The service map: nodes and edges drawn by the server, selection, modes, highlighting, search, zoom."""

from __future__ import annotations

import re
from collections.abc import Callable

from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from collector.query.model_traces import Counts, Graph, GraphEdge, GraphNode
from dashboard.layout import lay_out
from dashboard.map_fold import MOST, by_namespace, long_tail, one_client, without
from dashboard.map_picture import Look, draw_narrow, draw_wide, ring
from tests.pages.running import Site
from tests.pages.shop import EVIL

MakePage = Callable[..., Page]


def node(name: str, kind: str = "service", **more: object) -> GraphNode:
    fields = {"namespace": "", "counts": Counts(ok=90, fault=10, total=100), "rate": 2.0,
              "p50_ns": 10**6, "p95_ns": 10**7, "p99_ns": 10**8} | more  # fmt: skip
    return GraphNode(f"{kind}:{name}", name, kind, **fields)  # type: ignore[arg-type]


def edge(source: GraphNode, target: GraphNode, **more: object) -> GraphEdge:
    fields = {"link": False, "counts": Counts(ok=100, total=100), "rate": 2.0, "p50_ns": 10**6,
              "p95_ns": 10**7, "p99_ns": 10**8} | more  # fmt: skip
    return GraphEdge(f"{source.id}>{target.id}", source.id, target.id, **fields)  # type: ignore[arg-type]


def graph(nodes: list[GraphNode], edges: list[GraphEdge]) -> Graph:
    return Graph(0, 60, 60.0, tuple(nodes), tuple(edges), None)


def test_clients_become_one_and_counts_add_up() -> None:
    a, b = node("a"), node("b")
    first, second = node("a", "client"), node("b", "client")
    folded = one_client(graph([first, second, a, b], [edge(first, a), edge(second, b), edge(a, b)]))
    assert [n.name for n in folded.nodes] == ["Clients", "a", "b"]
    assert folded.nodes[0].counts.total == 200
    assert {(e.source, e.target) for e in folded.edges} == {
        ("client:", "service:a"), ("client:", "service:b"), ("service:a", "service:b"),
    }  # fmt: skip


def test_namespaces_fold_and_percentiles_of_several_are_left_out() -> None:
    a, b, c = (node(n, namespace="shop") for n in "abc")
    other = node("other")
    folded = by_namespace(graph([a, b, c, other], [edge(a, b), edge(b, other), edge(c, other)]))
    group = next(n for n in folded.nodes if n.id == "group:shop")
    assert (group.counts.total, group.p95_ns) == (300, None)
    (only,) = folded.edges
    assert (only.counts.total, only.rate) == (200, 4.0)


def test_leaving_a_service_out_leaves_out_what_only_it_touches() -> None:
    own, shop, db, shared = node("raywatch"), node("shop"), node("spans", "database"), node("db", "database")
    whole = graph([own, shop, db, shared], [edge(own, db), edge(own, shared), edge(shop, shared)])
    rest = without(whole, "raywatch")
    assert [n.name for n in rest.nodes] == ["shop", "db"]
    assert [(e.source, e.target) for e in rest.edges] == [("service:shop", "database:db")]


def test_a_map_of_many_nodes_keeps_the_services_and_says_what_it_folded() -> None:
    hosts = [node(f"host-{i}", "remote", counts=Counts(ok=i, total=i)) for i in range(400)]
    app = node("app")
    folded = long_tail(graph([app, *hosts], [edge(app, h) for h in hosts]))
    assert len(folded.nodes) <= MOST
    assert app in folded.nodes
    assert sum(n.counts.total for n in folded.nodes) == 100 + sum(range(400))


def test_rings_show_true_shares_and_nothing_that_is_there_is_lost() -> None:
    assert [a.kind for a in ring(Counts(ok=10, total=10), 26)] == ["ok"]
    assert [a.kind for a in ring(Counts(ok=900, fault=60, throttle=20, error=20, total=1000), 26)] == [
        "fault", "throttle", "error", "ok",
    ]  # fmt: skip
    assert [a.kind for a in ring(Counts(fault=5, total=5), 26)] == ["fault"]
    assert ring(Counts(), 26)[0].d == ""
    assert [a.kind for a in ring(Counts(ok=9999, fault=1, total=10000), 26)] == ["ok"]


def test_labels_cover_neither_nodes_nor_each_other() -> None:
    nodes = [node(f"service-{i}") for i in range(12)]
    edges = [edge(nodes[i], nodes[j]) for i in range(4) for j in range(4, 12)]
    shown = graph(nodes, edges)
    layout = lay_out([n.id for n in nodes], [(e.source, e.target) for e in edges])
    picture = draw_wide(shown, layout, Look())
    boxes = [(e.label_x - e.label_width / 2, e.label_y - 8, e.label_x + e.label_width / 2, e.label_y + 8)
             for e in picture.edges if e.label]  # fmt: skip
    assert len(boxes) > 8
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]
    assert draw_narrow(shown, layout, Look()).width == 396


def test_every_service_and_what_it_calls_is_on_the_map(client: FlaskClient) -> None:
    found = client.get("/map.json").get_json()["graph"]
    names = {n["name"] for n in found["nodes"]}
    assert {"storefront", "checkout", "payments", "Clients"} <= names
    sources = {(e["source"], e["target"]) for e in found["edges"]}
    assert ("service:checkout", "service:payments") in sources
    lines = client.get("/map.csv").text.splitlines()
    assert lines[0].startswith("node,type,requests")
    assert len(lines) == len([n for n in found["nodes"] if n["type"] != "client"]) + 1


def test_a_node_is_selected_by_click_and_says_what_is_wrong(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/map")
    page.locator(".map.wide .node[data-name=payments]").click()
    page.wait_for_url(re.compile("sel=service"))
    expect(page.get_by_role("complementary", name="payments")).to_contain_text("Failing")
    expect(page.locator(".map.wide .node.dim").first).to_be_attached()
    page.keyboard.press("Escape")
    expect(page.locator(".side.panel")).to_have_count(0)


def test_what_is_not_instrumented_has_a_panel_of_what_its_callers_saw(site: Site, page: Page) -> None:
    found = site.client.get("/map.json").get_json()["graph"]["nodes"]
    other = next(n for n in found if n["type"] in ("database", "cache", "queue", "remote"))
    page.goto(f"{site.url}/map?sel={other['id']}")
    expect(page.locator("[data-panel]")).to_contain_text("what its callers saw")
    expect(page.locator("[data-panel]")).to_contain_text("From")


def test_an_expression_highlights_paths_and_a_wrong_one_says_where(site: Site, page: Page) -> None:
    page.goto(f'{site.url}/map?q=service("payments")')
    expect(page.locator(".map.wide .node[data-name=payments]")).not_to_have_class(re.compile("dim"))
    expect(page.locator(".map.wide .node.dim").first).to_be_attached()
    page.goto(f"{site.url}/map?q=service(")
    expect(page.get_by_role("alert")).to_contain_text("Column")
    expect(page.locator(".map.wide .node").first).to_be_visible()


def test_search_zoom_and_fit(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/map")
    wide = page.locator(".map.wide")
    whole = wide.get_attribute("viewBox")
    page.get_by_role("button", name="Zoom in").click()
    expect(wide).not_to_have_attribute("viewBox", whole or "")
    page.get_by_role("button", name="Fit").click()
    expect(wide).to_have_attribute("viewBox", whole or "")
    page.fill("[data-mapfind]", "paym")
    expect(page.locator(".map.wide .node.miss[data-name=storefront]")).to_be_attached()
    page.press("[data-mapfind]", "Enter")
    page.wait_for_url(re.compile("sel=service:payments"))


def test_names_are_text_and_the_list_is_there_without_a_script(site: Site, open_page: MakePage) -> None:
    page = open_page(java_script_enabled=False, width=420)
    page.goto(f"{site.url}/map?from=-2h")
    page.locator(".maplist summary").click()
    expect(page.locator(".maplist td", has_text=EVIL)).to_be_visible()
    expect(page.locator(".map.narrow .node").first).to_be_visible()


def test_rates_say_over_which_part_of_the_range_they_are(client: FlaskClient) -> None:
    assert "Rates over the" not in client.get("/map").text
    assert "over the" not in client.get("/").text.split("<table")[0]
    long = client.get("/map?from=-24h")
    assert re.search(r"Rates over the \d+ (min|h)[^<]* with data", long.text)
    seconds = client.get("/map.json?from=-24h").get_json()["graph"]["seconds"]
    assert 0 < seconds < 0.9 * 24 * 3600
    assert re.search(r"over the \d+ (min|h)[^<]* with data", client.get("/?from=-24h").text)
