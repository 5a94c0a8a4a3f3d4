"""The metrics page: the tree, several metrics in one graph, what is wrong said beside it, and the browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    AGGREGATION_TEMPORALITY_DELTA,
    Metric,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from playwright.sync_api import Page, expect

from collector.request import Request
from collector.storage.control import COLORS
from dashboard.health import Health
from dashboard.metric_chart import MOST_COLOURED, colours
from dashboard.metric_lines import without
from tests.pages.running import Site, serving
from tests.pages.shop import EVIL, MINUTE, NOW, attributes

MakePage = Callable[..., Page]
TRACE, SPAN = bytes(range(1, 17)), bytes(range(1, 9))
DURATION, LEVEL, COUNTER, MANY = (
    "lab/heart beat.duration",
    "lab/heart level",
    "lab/heart beats",
    "lab/heart many",
)
DAY = 24 * 60 * MINUTE


def stored() -> Request:
    """Half an hour of one service, a point a minute; the level of a day before, too."""
    metrics = [_durations(), _levels(), _beats(), _many()]
    told = attributes({"service.name": "heart", "service.namespace": "lab", "host.name": "ward-1"})
    request = ExportMetricsServiceRequest(
        resource_metrics=[
            ResourceMetrics(resource=Resource(attributes=told), scope_metrics=[ScopeMetrics(metrics=metrics)])
        ]
    )
    return Request("metrics", request.SerializeToString(), receiver="otlp_http", sender="127.0.0.1")


def traced() -> Request:
    """The trace of the exemplar."""
    span = Span(
        trace_id=TRACE, span_id=SPAN, name="beat", kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=NOW - MINUTE, end_time_unix_nano=NOW - MINUTE + 3 * 10**8,
    )  # fmt: skip
    told = attributes({"service.name": "heart"})
    request = ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(resource=Resource(attributes=told), scope_spans=[ScopeSpans(spans=[span])])
        ]
    )
    return Request("traces", request.SerializeToString(), receiver="otlp_http", sender="127.0.0.1")


def _minutes() -> range:
    return range(NOW - 30 * MINUTE, NOW, MINUTE)


def _durations() -> Metric:
    """A histogram with an exemplar in its last point."""
    metric = Metric(name="beat.duration", unit="s", description="How long a beat takes")
    metric.histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_DELTA
    for at in _minutes():
        point = metric.histogram.data_points.add(
            start_time_unix_nano=at, time_unix_nano=at + MINUTE - 1, count=10, sum=2.0, min=0.1, max=0.4,
            explicit_bounds=[0.1, 0.2, 0.4], bucket_counts=[0, 5, 5, 0],
            attributes=attributes({"valve": "left"}),
        )  # fmt: skip
    point.exemplars.add(time_unix_nano=at + MINUTE // 2, as_double=0.3, trace_id=TRACE, span_id=SPAN)
    return metric


def _levels() -> Metric:
    """A gauge of two rooms: twelve minutes are missing in the middle, and a day before it was half."""
    metric = Metric(name="level", unit="By", description=f"Memory of {EVIL}")
    for room, base in (("a", 4e6), ("b", 2e6)):
        for number, at in enumerate(_minutes()):
            for time, value in ((at, base), (at - DAY, base / 2)):
                if not 10 <= number < 22 or time < at:
                    metric.gauge.data_points.add(
                        time_unix_nano=time, as_double=value, attributes=attributes({"room": room})
                    )
    return metric


def _beats() -> Metric:
    """A cumulative counter that falls once without a new start time."""
    metric = Metric(name="beats", unit="{beat}")
    metric.sum.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
    metric.sum.is_monotonic = True
    for number, at in enumerate(_minutes()):
        value = 60 * (number if number < 20 else number - 20)
        metric.sum.data_points.add(
            start_time_unix_nano=NOW - 31 * MINUTE, time_unix_nano=at + MINUTE - 1, as_int=value
        )
    return metric


def _many() -> Metric:
    metric = Metric(name="many", unit="1")
    for number in range(20):
        for at in _minutes():
            metric.gauge.data_points.add(
                time_unix_nano=at, as_double=number, attributes=attributes({"line": f"{number:02}"})
            )
    return metric


@pytest.fixture(scope="module")
def lab() -> Iterator[Site]:
    """A site with the metrics of `stored` and nothing else."""
    with serving([stored(), traced()]) as running:
        yield running


def ask(site: Site, *metrics: str, **more: str | list[str]) -> Any:
    """The JSON twin."""
    answer = site.client.get("/metrics.json", query_string={"m": list(metrics), **more})
    return answer.json


def html(site: Site, *metrics: str, **more: str | list[str]) -> str:
    answer = site.client.get("/metrics", query_string={"m": list(metrics), **more})
    assert answer.status_code == 200
    return answer.text


def urls_m(page: Page) -> list[str]:
    return parse_qs(urlsplit(page.url).query).get("m", [])


# -- what is answered


def test_what_exists_is_listed(client: FlaskClient) -> None:
    found = {(m["namespace"], m["name"]) for m in client.get("/metrics.json").json["metrics"]}
    assert ("shop/payments", "http.server.request.duration") in found
    assert ("shop/payments", "process.memory.usage") in found
    some = client.get("/metrics.json?find=payments+MEMORY").json["metrics"]
    assert [(m["namespace"], m["name"]) for m in some] == [("shop/payments", "process.memory.usage")]
    lines = client.get("/metrics.csv?find=payments").text.splitlines()
    assert lines[0].startswith("namespace,metric,types")
    assert len(lines) == 3


def test_each_metric_has_the_statistic_that_says_most_of_it(lab: Site) -> None:
    graph = ask(lab, DURATION, LEVEL, COUNTER, period="60")["graph"]
    assert [one["statistic"] for one in graph] == ["p95", "Average", "Rate"]
    assert len({one["period_ns"] for one in graph}) == 1
    (rate,) = graph[2]["series"]
    assert [v for v in rate["values"] if v is not None][5] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "stat", "values"),
    [
        ("lab/heart level by * sum", "", 6e6),
        ("lab/heart level by * max", "", 4e6),
        ('lab/heart level{room="b"}', "Maximum", 2e6),
        ("lab/heart level{room=a|b} by * min", "", 2e6),
        ("lab/heart beat.duration samplecount", "", 10.0),
        ("lab/heart beat.duration", "Average", 0.2),
    ],
)
def test_statistics_are_those_of_the_question(lab: Site, text: str, stat: str, values: float) -> None:
    (graph,) = ask(lab, text, stat=stat, period="60")["graph"]
    (series,) = graph["series"]
    known = [v for v in series["values"] if v is not None]
    assert len(known) >= 17
    assert known == pytest.approx([values] * len(known))


def test_any_percentile_is_answered(lab: Site) -> None:
    (graph,) = ask(lab, DURATION, stat="p99.9")["graph"]
    assert graph["statistic"] == "p99.9"
    known = [v for v in graph["series"][0]["values"] if v is not None]
    assert known
    assert all(0.39 < value <= 0.4 for value in known)
    assert '<a href="/metrics?' in html(lab, DURATION, stat="p99.9")
    assert re.search(r'aria-current="true">p99.9<', html(lab, DURATION, stat="p99.9"))


def test_gaps_stay_gaps_in_the_figure_and_the_table(lab: Site) -> None:
    (graph,) = ask(lab, "lab/heart level{room=a}", period="60", **{"from": "-30m"})["graph"]
    values = graph["series"][0]["values"]
    assert values[2] == 4e6
    assert values[12:20] == [None] * 8
    page = html(lab, "lab/heart level{room=a}", period="60", **{"from": "-30m"})
    assert '"connectgaps":false' in page
    assert '"y":[4.0,4.0,' in page
    assert "4 MB</td>" in page
    assert '<td class="num t3">\N{EN DASH}</td>' in page


def test_splitting_by_a_dimension_and_of_the_sender(lab: Site) -> None:
    (graph,) = ask(lab, LEVEL, by="host.name")["graph"]
    assert [s["labels"] for s in graph["series"]] == [{"host.name": "ward-1"}]
    (graph,) = ask(lab, LEVEL, by="*")["graph"]
    assert [s["labels"] for s in graph["series"]] == [{}]


def test_the_day_before_is_dashed(lab: Site) -> None:
    (graph,) = ask(lab, LEVEL, cmp="day", period="60")["graph"]
    now = [v for v in graph["series"][0]["values"] if v is not None]
    before = [v for v in graph["earlier"][0]["values"] if v is not None]
    assert (now[0], before[0]) == (4e6, 2e6)
    assert len(before) == 30
    assert html(lab, LEVEL, cmp="day").count("4px,3px") == 2
    without = html(lab, LEVEL, cmp="week")
    assert "4px,3px" not in without
    assert "Nothing was measured a week before." in without


A, B = 'lab/heart level{room="a"} by *', 'lab/heart level{room="b"} by *'


def test_maths_over_the_metrics_above(lab: Site) -> None:
    graph = ask(lab, A, B, "= m2 / m1 * 100", "=m3 - 1", period="60")["graph"]
    assert [one["statistic"] for one in graph] == ["Average", "Average", "Maths", "Maths"]
    for one, wanted in zip(graph[2:], (50.0, 49.0), strict=True):
        (series,) = one["series"]
        known = [v for v in series["values"] if v is not None]
        assert len(known) >= 17
        assert known == pytest.approx([wanted] * len(known))
        assert series["unit"] == ""
    page = html(lab, A, B, "= m2 / m1 * 100", period="60")
    assert "m3 m2 / m1 * 100" in page
    assert "Maths, 1 line" in page
    rows = lab.client.get("/metrics.csv", query_string={"m": [A, B, "= m2 / m1"], "table": "values"}).text
    assert ",m2 / m1,Maths,m2 / m1,,0.5" in rows


def test_maths_goes_line_by_line_and_over_the_time_before(lab: Site) -> None:
    graph = ask(lab, LEVEL, "= m1 * 2", cmp="day", period="60")["graph"]
    values = {
        series["labels"]["room"]: next(v for v in series["values"] if v is not None)
        for series in graph[1]["series"]
    }
    assert values == {"a": 8e6, "b": 4e6}
    assert {series["unit"] for series in graph[1]["series"]} == {graph[0]["series"][0]["unit"]}
    assert max(v for v in graph[1]["earlier"][0]["values"] if v is not None) == 4e6


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["= m1 +"], "Expected a number"),
        ([LEVEL, "= m2"], "m2 is this expression itself."),
        ([LEVEL, "= m1 / m9"], "There is no m9 in this graph."),
        (["= m2 * 2", LEVEL], "m2 stands below: an expression uses what is above it."),
        ([LEVEL, "= sum(m1)"], "Functions such as sum() are not built"),
        (["= 1 + 1"], "An expression needs a metric"),
        ([LEVEL, MANY, "= m1 / m2"], "no two lines have the same dimensions"),
        (["lab/heart", "= m1 * 2"], "Not calculated, because of what is wrong above."),
    ],
)
def test_what_is_wrong_with_maths_is_said(lab: Site, texts: list[str], told: str) -> None:
    assert told in html(lab, *texts)


def test_the_place_of_a_mistake_in_maths_is_in_the_whole_text(lab: Site) -> None:
    page = html(lab, LEVEL, " =  M1 * 2")
    assert "Column 5" in page
    assert f"{' ' * 4}^^</pre>" in page
    assert "m=%20%3D%20%20m1%20%2A%202" in page


def test_ids_are_written_anew_when_a_metric_goes() -> None:
    graph = [A, B, LEVEL, "= m2 / m3", "=m4*m1", COUNTER]
    assert without(graph, {5}) == graph[:5]
    assert without(graph, {0}) == [B, LEVEL, "= m1 / m2", COUNTER]
    assert without(graph, {1}) == [A, LEVEL, COUNTER]
    assert without(["lab/m2 m2", A, "= m2"], {0}) == [A, "= m1"]


def test_notes_of_the_question_are_shown_in_words(lab: Site) -> None:
    (graph,) = ask(lab, COUNTER)["graph"]
    (note,) = [n for n in graph["series"][0]["notes"] if "reset" in n]
    assert note in html(lab, COUNTER)


def test_exemplars_lead_to_their_traces(lab: Site) -> None:
    (graph,) = ask(lab, DURATION)["graph"]
    (exemplar,) = graph["exemplars"]
    assert (exemplar["trace_id"], exemplar["value"]) == (TRACE.hex(), 0.3)
    page = html(lab, DURATION)
    assert f'href="/traces/{TRACE.hex()}?span={SPAN.hex()}"' in page
    assert "circle-open" in page
    assert "circle-open" not in html(lab, DURATION, ex="0")
    assert "circle-open" not in html(lab, DURATION, stat="Rate")
    rows = lab.client.get("/metrics.csv", query_string={"m": DURATION, "table": "exemplars"}).text
    assert rows.splitlines()[1].endswith(f"beat.duration,0.3,{TRACE.hex()},{SPAN.hex()}")


def test_of_many_lines_a_dozen_are_coloured(lab: Site) -> None:
    page = html(lab, MANY)
    assert "20 lines, 12 in colour" in page
    assert len(re.findall(r'"color":"@svc-\d+"', page)) == MOST_COLOURED
    assert len(re.findall(r'"color":"@line-strong"', page)) == 8
    first = re.search(r"<tbody>\n<tr data-line=\"(\d+)\"", page)
    assert first is not None
    assert first[1] == "19"
    lines = lab.client.get("/metrics.csv", query_string={"m": MANY, "table": "values"}).text.splitlines()
    assert len({line.split(",")[5] for line in lines[1:]}) == 20


def test_colours_are_distinct_and_belong_to_the_lines() -> None:
    keys = [f"line {n}" for n in range(MOST_COLOURED)]
    given = colours(keys)
    assert sorted(given) == list(range(1, COLORS + 1))
    back = colours(keys[::-1])
    assert back[::-1] == given


def test_units_have_panels_of_their_own(lab: Site) -> None:
    page = html(lab, DURATION, LEVEL, MANY)
    assert '"yaxis3"' in page
    assert '"anchor":"y3"' in page
    for title in ("ms", "MB", "number"):
        assert f'"text":"{title}"' in page


@pytest.mark.parametrize(
    ("query", "message", "fix"),
    [
        ({"m": "lab/heart level{room=}"}, "Expected a value of room", ""),
        ({"m": "lab/heart level averge"}, "no statistic", "m=lab/heart%20level%20Average"),
        ({"m": "lab/heart level by rom"}, "No series has the dimension &#39;rom&#39;", "by%20room"),
        ({"m": LEVEL, "by": "rom"}, "No series has the dimension &#39;rom&#39;", "by=room"),
        ({"m": LEVEL, "stat": "p101"}, "p0 to p100", "stat=p99"),
        ({"m": LEVEL, "period": "7"}, "periods are 1, 5, 10", "period=10"),
        ({"m": LEVEL, "period": "soon"}, "is no period", "period=60"),
    ],
)
def test_what_is_wrong_is_said_with_its_repair(
    lab: Site, query: dict[str, str], message: str, fix: str
) -> None:
    page = lab.client.get("/metrics", query_string=query)
    assert page.status_code == 200
    assert message in page.text
    if fix:
        links = re.findall(r'<a class="btn sm" href="([^"]+)"', page.text)
        assert any(fix in link for link in links)
    answer = lab.client.get("/metrics.json", query_string=query)
    assert answer.status_code == 400
    assert answer.json["error"]["message"]


def test_one_wrong_metric_leaves_the_others_drawn(lab: Site) -> None:
    page = html(lab, "lab/heart", LEVEL)
    assert "Column 10" in page
    assert "^" in page
    assert page.count('"type":"scatter"') == 2


def test_no_points_is_told_with_a_way_out(lab: Site) -> None:
    page = html(lab, "lab/heart level{room=z}")
    assert "No points in this range" in page
    assert "with these dimensions" in page
    assert "Zoom out" in page


def test_telemetry_is_text_in_the_tree_and_the_figure(lab: Site, site: Site) -> None:
    page = html(lab, LEVEL)
    assert "&lt;script&gt;" in page
    assert EVIL not in page
    name = f'"shop/{EVIL}" http.server.request.duration'
    drawn = html(site, name, by="service.name")
    assert EVIL not in drawn
    assert "\\u0026lt;script\\u0026gt;" in drawn


def test_an_empty_page_has_the_exact_lines(empty_site: Site) -> None:
    page = html(empty_site)
    assert "No metrics in this range" in page
    assert f"curl {empty_site.web.settings.otlp_http}/v1/metrics" in page
    assert "opentelemetry-instrument python app.py" in page


@pytest.mark.parametrize(
    ("accept", "query", "figures"),
    [
        ("text/html,application/xhtml+xml", "", False),
        ("*/*", "", True),
        ("application/openmetrics-text;version=1.0.0", "target=x", True),
        ("*/*", "format=csv", False),
    ],
)
def test_scrapers_and_people_share_the_address(lab: Site, accept: str, query: str, figures: bool) -> None:
    web = lab.web
    health = Health(web.store, web.control, web.accounting, "1")
    asked = {
        "PATH_INFO": "/metrics", "REQUEST_METHOD": "GET", "HTTP_ACCEPT": accept, "QUERY_STRING": query,
    }  # fmt: skip
    assert health.handles(asked) is figures


# -- in the browser


def lines_drawn(page: Page) -> Any:
    return page.locator("#metric .scatterlayer .trace.scatter")


def test_ticking_in_the_tree_draws_and_the_url_tells(lab: Site, page: Page) -> None:
    page.goto(f"{lab.url}/metrics")
    page.get_by_role("checkbox", name=re.compile("^level")).click()
    page.wait_for_url(re.compile("m="))
    expect(lines_drawn(page)).to_have_count(2)
    page.locator(".mdim summary", has_text="room").click()
    page.get_by_role("checkbox", name="b", exact=True).click()
    page.wait_for_url(re.compile("room"))
    assert urls_m(page) == ["lab/heart level{room=b}"]
    expect(lines_drawn(page)).to_have_count(1)
    page.get_by_role("checkbox", name=re.compile("^beats")).click()
    expect(lines_drawn(page)).to_have_count(2)
    assert urls_m(page) == ["lab/heart level{room=b}", "lab/heart beats"]
    page.get_by_role("link", name="Remove m1").click()
    expect(lines_drawn(page)).to_have_count(1)
    page.go_back()
    expect(lines_drawn(page)).to_have_count(2)


def test_a_metric_is_typed_and_completed(lab: Site, page: Page) -> None:
    page.goto(f"{lab.url}/metrics")
    page.keyboard.press("/")
    page.keyboard.type("lab/heart many{line=03|04} max")
    page.keyboard.press("Enter")
    expect(lines_drawn(page)).to_have_count(2)
    assert page.locator("#metric-names option").count() == 4
    first = page.get_by_label("Metric m1")
    first.fill("lab/heart many{line=03} p9x")
    first.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Column 25")


def test_finding_while_typing(lab: Site, page: Page) -> None:
    page.goto(f"{lab.url}/metrics")
    expect(page.get_by_role("checkbox")).to_have_count(4)
    find = page.get_by_role("searchbox", name="Find a metric")
    find.press_sequentially("beat")
    expect(page.get_by_role("checkbox")).to_have_count(2)
    expect(find).to_be_focused()
    find.fill("nothing like it")
    page.get_by_role("link", name="Show all 4").click()
    expect(page.get_by_role("checkbox")).to_have_count(4)


def test_menus_choose_statistic_and_lines(lab: Site, page: Page) -> None:
    page.goto(f"{lab.url}/metrics?m={LEVEL}")
    page.locator("summary", has_text="Statistic").click()
    page.get_by_role("link", name="Maximum").click()
    page.wait_for_url(re.compile("stat=Maximum"))
    expect(page.get_by_role("link", name="Maximum")).to_be_hidden()
    page.locator("summary", has_text="Lines").click()
    page.get_by_role("link", name="All in one line").click()
    expect(lines_drawn(page)).to_have_count(1)
    page.locator("summary", has_text="Statistic").click()
    page.get_by_label("Percentile").fill("p99.5")
    page.get_by_label("Percentile").press("Enter")
    page.wait_for_url(re.compile("stat=p99.5"))
    page.locator("summary", has_text="Period").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Automatic")).to_be_hidden()


def test_a_click_on_an_exemplar_opens_its_trace(lab: Site, page: Page) -> None:
    page.goto(f"{lab.url}/metrics?m={DURATION}")
    ring = page.locator("#metric .points path").last
    expect(ring).to_be_visible()
    box = ring.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.click(x, y + 60)
    assert "/traces/" not in page.url
    page.mouse.move(x, y)
    page.mouse.click(x, y)
    page.wait_for_url(re.compile(f"/traces/{TRACE.hex()}"))


def test_a_line_under_the_pointer_stands_out(lab: Site, page: Page) -> None:
    page.goto(f"{lab.url}/metrics?m={LEVEL}&cmp=day")
    expect(lines_drawn(page)).to_have_count(4)
    page.locator(".mlines tr[data-line=a]").hover()
    page.wait_for_function(
        "document.querySelector('#metric .js-plotly-plot').data.filter(t => t.opacity === 1).length === 1"
    )
    page.locator(".mlines th").first.hover()
    page.wait_for_function(
        "document.querySelector('#metric .js-plotly-plot').data.every(t => t.opacity === 1)"
    )


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (1440, "dark"), (420, "light"), (420, "dark")])
def test_the_page_fits_its_screen(lab: Site, open_page: MakePage, width: int, theme: str) -> None:
    page = open_page(width=width, theme=theme)
    page.goto(f"{lab.url}/metrics?m={MANY}&m={DURATION}&m=wrong&cmp=day")
    expect(lines_drawn(page)).to_have_count(22)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelector('#main').scrollWidth") <= width


def test_on_a_narrow_screen_the_tree_is_a_sheet(lab: Site, open_page: MakePage) -> None:
    page = open_page(width=420)
    page.goto(f"{lab.url}/metrics?m={LEVEL}")
    tree = page.get_by_role("complementary", name="Metrics")
    expect(tree).to_be_hidden()
    page.get_by_role("button", name="Metrics").click()
    expect(tree).to_be_visible()
    tree.get_by_role("checkbox", name=re.compile("^beats")).click()
    page.wait_for_url(re.compile("beats"))


def test_without_a_script_it_is_links_forms_and_tables(lab: Site, open_page: MakePage) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(f"{lab.url}/metrics")
    page.get_by_role("row", name=re.compile("level")).get_by_role("link").click()
    expect(page.locator(".mlines tbody tr")).to_have_count(2)
    expect(page.locator(".mvals tbody")).to_contain_text("4 MB")
    page.locator("summary", has_text="Statistic").click()
    page.get_by_role("link", name="Sum").click()
    assert "stat=Sum" in page.url
    page.get_by_label("Add a metric").fill(COUNTER)
    page.get_by_label("Add a metric").press("Enter")
    assert urls_m(page) == [LEVEL, COUNTER]
