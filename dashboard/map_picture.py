"""A graph as geometry: discs, rings, curves and labels, for the macro of map.html.

Pure: a Graph and a Layout in, numbers and path texts out. Two forms: left to right for wide screens, and top
to bottom for narrow ones. Units are SVG user units, one a pixel at normal zoom.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from collector.query.model_traces import Counts, Graph, GraphEdge, GraphNode
from dashboard import units
from dashboard.layout import Layout

GLYPHS: Mapping[str, str] = {
    "service": "app", "client": "user", "database": "db", "cache": "cache", "queue": "queue",
    "rpc": "ext", "remote": "ext", "aws": "ext", "group": "app",
}  # fmt: skip
Point = tuple[float, float]
Places = tuple[Point, ...]
Box = tuple[float, float, float, float]
MODES = ("health", "traffic", "latency")
FAILING = 0.01
SEEN = 0.0025
LEAST_ARC = 10 / 360
GAP = 1.5 / 360
LABEL_AT = (0.5, 0.6, 0.4, 0.7, 0.32, 0.78, 0.25)
NARROW_WIDTH = 396
NARROW_ROW = 4


@dataclass(frozen=True, slots=True)
class Arc:
    """A part of a ring; d is '' for the whole ring."""

    kind: str
    d: str


@dataclass(frozen=True, slots=True)
class NodeMark:
    """A node's disc at (x, y). badge: failing. said: what a screen reader says."""

    node: GraphNode
    x: float
    y: float
    glyph: str
    name: str
    meta: str
    said: str
    arcs: Sequence[Arc]
    badge: bool
    known: bool
    selected: bool
    dim: bool


@dataclass(frozen=True, slots=True)
class EdgeMark:
    """A call's curve with its arrow head. cls: 'bad' failing, 'qN' latency, 'link' not waited for, 'dim'."""

    edge: GraphEdge
    d: str
    head: str
    width: float
    cls: str
    label: str
    label_x: float
    label_y: float
    label_width: float
    said: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Marks in the order of drawing: edges (failing ones last), then nodes. names: node id -> shown name."""

    cls: str
    width: float
    height: float
    radius: float
    nodes: Sequence[NodeMark]
    edges: Sequence[EdgeMark]
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Look:
    """How a graph is to be shown. lit: ids of nodes and edges that stand out, None for all."""

    mode: str = "health"
    selected: str = ""
    lit: AbstractSet[str] | None = None


@dataclass(frozen=True, slots=True)
class _Form:
    """The sizes of one form of the picture."""

    cls: str
    radius: float
    step: float
    across: float
    margin_x: float
    margin_y: float


_WIDE = _Form("wide", 26, 204, 112, 76, 50)
_NARROW = _Form("narrow", 22, 138, 96, 52, 36)


@dataclass(frozen=True, slots=True)
class _Scene:
    """Everything the marks of one picture share. near: what is not dimmed, None for everything."""

    look: Look
    form: _Form
    spots: Mapping[str, Point]
    bends: Mapping[tuple[str, str], tuple[Point, ...]]
    near: AbstractSet[str] | None
    slowest: int


def draw_wide(graph: Graph, layout: Layout, look: Look) -> Picture:
    """Left to right: a layer is a column."""
    form = _WIDE

    def spot(layer: int, place: float) -> Point:
        return form.margin_x + layer * form.step, form.margin_y + place * form.across

    spots = {key: spot(*at) for key, at in layout.at.items()}
    bends = {pair: tuple(spot(*at) for at in points) for pair, points in layout.bends.items()}
    width = 2 * form.margin_x + (layout.layers - 1) * form.step
    height = 2 * form.margin_y + (layout.breadth - 1) * form.across + 34
    return _draw(graph, _scene(graph, look, form, spots, bends), width, height)


def draw_narrow(graph: Graph, layout: Layout, look: Look) -> Picture:
    """Top to bottom, at most four nodes a row, so that names stay readable on a phone."""
    form = _NARROW
    rows: list[list[str]] = []
    for layer in range(layout.layers):
        names = sorted((place, key) for key, (at, place) in layout.at.items() if at == layer)
        keys = [key for _, key in names]
        rows += [keys[i : i + NARROW_ROW] for i in range(0, len(keys), NARROW_ROW)]
    spots = {
        key: (NARROW_WIDTH * (i + 0.5) / len(row), form.margin_y + n * form.step)
        for n, row in enumerate(rows)
        for i, key in enumerate(row)
    }
    height = form.margin_y + max(len(rows) - 1, 0) * form.step + 86
    return _draw(graph, _scene(graph, look, form, spots, {}), NARROW_WIDTH, height)


def _scene(
    graph: Graph,
    look: Look,
    form: _Form,
    spots: Mapping[str, Point],
    bends: Mapping[tuple[str, str], tuple[Point, ...]],
) -> _Scene:
    slowest = max((e.p50_ns or 0 for e in graph.edges), default=0)
    return _Scene(look, form, spots, bends, _near(graph, look), slowest)


def _draw(graph: Graph, scene: _Scene, width: float, height: float) -> Picture:
    spots = scene.spots
    nodes = [_node(n, scene) for n in graph.nodes if n.id in spots]
    taken = [_box(mark, scene.form.radius) for mark in nodes]
    drawn = [e for e in graph.edges if e.source in spots and e.target in spots]
    drawn.sort(key=lambda e: (-share(e.counts.fault, e.counts), -e.rate, e.id))
    edges = [_edge(e, scene, taken) for e in drawn]
    edges.sort(key=lambda mark: ("bad" in mark.cls, "dim" not in mark.cls))
    names = {n.id: n.name for n in graph.nodes}
    form = scene.form
    return Picture(form.cls, round(width), round(height), form.radius, nodes, edges, names)


def _near(graph: Graph, look: Look) -> AbstractSet[str] | None:
    """What stands out: the highlighted paths, else the selected node with its neighbours, else everything."""
    if look.lit is not None:
        return look.lit
    if look.selected not in {n.id for n in graph.nodes}:
        return None
    touching = [e for e in graph.edges if look.selected in (e.source, e.target)]
    return {look.selected, *(e.id for e in touching), *(n for e in touching for n in (e.source, e.target))}


def share(part: int, counts: Counts) -> float:
    return part / counts.total if counts.total else 0.0


def _node(node: GraphNode, scene: _Scene) -> NodeMark:
    form, (x, y) = scene.form, scene.spots[node.id]
    known = node.type != "client"
    speed = units.duration(node.p95_ns) if node.p95_ns is not None else ""
    rate = per_time(node.rate)
    meta = (speed or rate) if form.cls == "narrow" else " · ".join(t for t in (rate, speed) if t)
    fault = share(node.counts.fault, node.counts)
    return NodeMark(
        node=node,
        x=round(x, 1),
        y=round(y, 1),
        glyph=GLYPHS.get(node.type, "app"),
        name=shorten(node.name, 22 if form.cls == "wide" else 13),
        meta=meta,
        said=f"{node.name}, {node.xray_type or node.type}: {meta or 'no figures'}"
        + (f", {units.percent(fault)} faults" if node.counts.fault else ""),
        arcs=ring(node.counts, form.radius) if known else (),
        badge=known and fault >= FAILING,
        known=known,
        selected=node.id == scene.look.selected,
        dim=scene.near is not None and node.id not in scene.near,
    )


def per_time(rate: float) -> str:
    """`12.4/s`, below one a second `6.6/min`, '' for nothing."""
    if not rate:
        return ""
    return f"{units.number(rate)}/s" if rate >= 1 else f"{units.number(rate * 60, 2)}/min"


def shorten(name: str, most: int) -> str:
    """A name that fits under a node; the whole one is in its title."""
    return name if len(name) <= most else name[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def ring(counts: Counts, radius: float) -> list[Arc]:
    """Fault, throttle, error, OK clockwise from twelve: true shares, yet nothing that is there is lost."""
    shares = [(kind, share(getattr(counts, kind), counts)) for kind in ("fault", "throttle", "error")]
    shown = [(kind, max(value, LEAST_ARC)) for kind, value in shares if value >= SEEN]
    bad = min(sum(value for _, value in shown), 1.0)
    rest = 1 - bad
    if not shown:
        return [Arc("ok", "")]
    arcs, angle = [], 0.0
    for kind, value in shown:
        size = value / max(1.0, sum(v for _, v in shown))
        arcs.append(Arc(kind, "" if size >= 1 else _arc(radius, angle + GAP, angle + size - GAP)))
        angle += size
    if rest > 2 * GAP:
        arcs.append(Arc("ok", _arc(radius, angle + GAP, 1 - GAP)))
    return arcs


def _arc(radius: float, start: float, end: float) -> str:
    (x0, y0), (x1, y1) = (
        (radius * math.sin(a * 2 * math.pi), -radius * math.cos(a * 2 * math.pi)) for a in (start, end)
    )
    return f"M{x0:.2f} {y0:.2f}A{radius:g} {radius:g} 0 {int(end - start > 0.5)} 1 {x1:.2f} {y1:.2f}"


def _edge(edge: GraphEdge, scene: _Scene, taken: list[Box]) -> EdgeMark:
    look, form = scene.look, scene.form
    fault = share(edge.counts.fault, edge.counts)
    label = "" if form.cls == "narrow" else edge_label(edge, look.mode, fault)
    ends = scene.spots[edge.source], scene.spots[edge.target]
    d, head, places = curve(*ends, scene.bends.get((edge.source, edge.target), ()), form)
    label_width = len(label) * 5.7 + 8
    spot = _free(places, label_width, taken) if label else None
    if spot is None and fault < FAILING:
        label = ""  # where everything is full, what is well is said by its title alone
    lx, ly = spot or places[0]
    width = 1 + 1.25 * math.log10(max(edge.rate, 1.0))
    if look.mode == "traffic":
        width = 1 + 2.6 * math.log10(max(edge.rate, 0.1) * 10)
    return EdgeMark(
        edge=edge,
        d=d,
        head=head,
        width=round(min(width, 9), 2),
        cls=_edge_class(edge, scene, bad=fault >= FAILING),
        label=label,
        label_x=round(lx, 1),
        label_y=round(ly, 1),
        label_width=round(label_width, 1),
        said=f"{per_time(edge.rate)}, median {units.duration(edge.p50_ns)}"
        + (f", {units.percent(fault)} faults" if edge.counts.fault else ""),
    )


def _box(mark: NodeMark, radius: float) -> Box:
    """What a node and its two lines of text cover."""
    half = max(radius + 8, len(mark.name) * 3.6, len(mark.meta) * 3)
    return mark.x - half, mark.y - radius - 4, mark.x + half, mark.y + radius + 36


def _free(places: Sequence[Point], width: float, taken: list[Box]) -> Point | None:
    """The first place where a label covers nothing else, taken from then on; None without one."""

    def box(at: Point) -> Box:
        return at[0] - width / 2, at[1] - 8, at[0] + width / 2, at[1] + 8

    def clear(one: Box) -> bool:
        return all(one[2] <= b[0] or b[2] <= one[0] or one[3] <= b[1] or b[3] <= one[1] for b in taken)

    place = next((at for at in places if clear(box(at))), None)
    if place is not None:
        taken.append(box(place))
    return place


def _edge_class(edge: GraphEdge, scene: _Scene, *, bad: bool) -> str:
    """A failing call is never dimmed by a selection, only by a highlight that leaves it out."""
    look, near = scene.look, scene.near
    away = near is not None and edge.id not in near and (look.lit is not None or not bad)
    parts = (
        "bad" if bad and look.mode != "latency" else "",
        f"q{heat(edge.p50_ns, scene.slowest)}" if look.mode == "latency" else "",
        "link" if edge.link else "",
        "dim" if away else "",
    )
    return " ".join(p for p in parts if p)


def edge_label(edge: GraphEdge, mode: str, fault: float) -> str:
    """`64/s · 18 ms`, or the share of faults when that is what matters."""
    if fault >= FAILING and mode == "health":
        return f"{units.percent(fault)} faults"
    rate = per_time(edge.rate)
    if mode == "traffic":
        return rate
    speed = "async" if edge.link else units.duration(edge.p50_ns) if edge.p50_ns is not None else ""
    return speed if mode == "latency" else " · ".join(t for t in (rate, speed) if t)


def heat(value: int | None, most: int) -> int:
    """1 to 9 on the sequential scale, by the logarithm; 9 is the slowest edge of the picture."""
    if not value or most <= 1:
        return 2
    return max(2, min(9, round(9 + 1.6 * math.log2(value / most))))


@lru_cache(4096)
def curve(start: Point, end: Point, bends: tuple[Point, ...], form: _Form) -> tuple[str, str, Places]:
    """The path of a call, its arrow head and where its label may stand, best place first.

    Remembered, as nodes stay where they are from one picture to the next.
    """
    wide = form.cls == "wide"
    if start == end:
        return _loop(start, form.radius)
    forward = end[0] > start[0] if wide else end[1] > start[1]
    if not forward:
        return _back(start, end, form)
    leave, reach = form.radius + 5, form.radius + 12
    if wide:
        points = [(start[0] + leave, start[1]), *bends, (end[0] - reach, end[1])]
    else:
        points = [(start[0], start[1] + leave + 34), *bends, (end[0], end[1] - reach)]
    path, pieces = f"M{_xy(points[0])}", []
    for a, b in pairwise(points):
        c1, c2 = ((a[0] + b[0]) / 2, a[1]), ((a[0] + b[0]) / 2, b[1])
        if not wide:
            c1, c2 = (a[0], (a[1] + b[1]) / 2), (b[0], (a[1] + b[1]) / 2)
        path += f"C{_xy(c1)} {_xy(c2)} {_xy(b)}"
        pieces.append((a, c1, c2, b))
    x, y = points[-1]
    head = f"M{x:.1f} {y - 4.5:.1f}v9l8 -4.5z" if wide else f"M{x - 4:.1f} {y:.1f}h8l-4 7z"
    if abs(points[0][1] - points[-1][1]) < 4 and not bends:
        (x, y) = _on(pieces[0], 0.5)
        return path, head, ((x, y - 12), (x, y + 12))
    middle = pieces[(len(pieces) - 1) // 2]
    return path, head, tuple(_on(piece, t) for piece in (middle, *pieces) for t in LABEL_AT)


def _loop(at: Point, radius: float) -> tuple[str, str, Places]:
    x, y = at
    path = f"M{x + radius * 0.8:.1f} {y - radius * 0.8:.1f}c26 -26 40 12 14 18"
    return path, f"M{x + radius + 16:.1f} {y - 6:.1f}v9l-8 -4.5z", ((x + radius + 34, y - radius - 4),)


def _back(start: Point, end: Point, form: _Form) -> tuple[str, str, Places]:
    """A call against the direction of reading: it leaves and arrives from outside."""
    out = form.radius + 8
    if form.cls == "wide":
        low = max(start[1], end[1]) + 84
        a, b = (start[0] + 10, start[1] + out + 30), (end[0] - 10, end[1] + out + 38)
        path = f"M{_xy(a)}C{start[0]:.1f} {low:.1f} {end[0]:.1f} {low:.1f} {_xy(b)}"
        return path, f"M{b[0] - 4.5:.1f} {b[1]:.1f}h9l-4.5 -8z", (((a[0] + b[0]) / 2, low - 12),)
    side = min(start[0], end[0]) - 44
    a, b = (start[0] - out, start[1]), (end[0] - out - 6, end[1])
    path = f"M{_xy(a)}C{side:.1f} {start[1]:.1f} {side:.1f} {end[1]:.1f} {_xy(b)}"
    return path, f"M{b[0]:.1f} {b[1] - 4.5:.1f}v9l8 -4.5z", ((side, (a[1] + b[1]) / 2),)


def _xy(point: Point) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"


def _on(piece: tuple[Point, Point, Point, Point], t: float) -> Point:
    """The point of a cubic curve at t."""
    a, b, c, d = piece
    u = 1 - t
    of_a, of_b, of_c, of_d = u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t
    return (
        of_a * a[0] + of_b * b[0] + of_c * c[0] + of_d * d[0],
        of_a * a[1] + of_b * b[1] + of_c * c[1] + of_d * d[1],
    )
