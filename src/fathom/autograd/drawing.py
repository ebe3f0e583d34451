"""A graph as text and as a picture (SVG): operations, shapes and values."""

from collections.abc import Callable
from html import escape
from typing import Any

import numpy as np

from fathom.autograd.errors import ShapeError
from fathom.autograd.graph import Graph, Vertex, graph_of, trace
from fathom.autograd.tensor import Tensor

WIDTH, HEIGHT, ACROSS, DOWN, MARGIN = 190, 58, 24, 46, 16  # pixels: a box, the gaps between boxes, the border
COLOURS = {"input": "#cfe8ff", "constant": "#e6e6e6", "parameter": "#ffe3b3", "operation": "#ffffff"}


def draw_text(what: Tensor | Graph | Callable[..., Any], *inputs: Tensor) -> str:
    """A graph as lines, one for each value: its number, operation, sources, shape and first elements.

    Args:
        what: a result with its graph behind it, a `Graph`, or a function that is traced on the inputs.
    """
    graph = _graph(what, inputs)
    rows = []
    for i, vertex in enumerate(graph.vertices):
        sources = ", ".join("-" if s is None else f"%{s}" for s in vertex.sources)
        call = f"{_name(vertex)}({sources})" if vertex.sources else _name(vertex)
        mark = "  -> output" if i in graph.outputs else ""
        rows.append((f"%{i} = {call}", f"{vertex.dtype}{list(vertex.shape)}", _values(vertex) + mark))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in rows)


def draw_svg(what: Tensor | Graph | Callable[..., Any], *inputs: Tensor) -> str:
    """A graph as an SVG document: each value a box under its sources, with its operation, shape and first elements.

    Args:
        what: as for `draw_text`.
    """
    graph = _graph(what, inputs)
    places = _places(graph)
    width = max((x for x, _ in places), default=0) + WIDTH + MARGIN
    height = max((y for _, y in places), default=0) + HEIGHT + MARGIN
    arrows = [
        _arrow(places[source], places[i])
        for i, vertex in enumerate(graph.vertices)
        for source in vertex.sources
        if source is not None
    ]
    pairs = zip(graph.vertices, places, strict=True)
    boxes = [_box(vertex, place, i in graph.outputs) for i, (vertex, place) in enumerate(pairs)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12" role="img" aria-label="computation graph">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#555"/></marker></defs>'
        f'<rect width="{width}" height="{height}" fill="#fff"/>'
    )
    return "\n".join([head, *arrows, *boxes, "</svg>\n"])


def _graph(what: Tensor | Graph | Callable[..., Any], inputs: tuple[Tensor, ...]) -> Graph:
    if isinstance(what, Graph):
        return what
    if isinstance(what, Tensor):
        return graph_of(what)
    if not inputs:
        raise ShapeError("draw: a function needs the inputs to trace it on; pass them after it")
    return trace(what, *inputs)


def _name(vertex: Vertex) -> str:
    if vertex.kind == "constant" and vertex.value is not None and vertex.value.requires_grad:
        return "parameter"
    return vertex.kind


def _values(vertex: Vertex, most: int = 4) -> str:
    """The first elements, or nothing when they are gone."""
    if vertex.value is None:
        return ""
    array = vertex.value.array.reshape(-1)
    shown = [str(x) if array.dtype.kind != "f" else f"{x:.4g}" for x in array[:most].tolist()]
    return " ".join(shown) + (" …" if array.size > most else "")


def _places(graph: Graph) -> list[tuple[int, int]]:
    """The left upper corner of each box: one row below its lowest source, in the next free column."""
    depth: list[int] = []
    for vertex in graph.vertices:
        depth.append(1 + max((depth[s] for s in vertex.sources if s is not None), default=-1))
    for i, vertex in enumerate(graph.vertices):  # leaves go right above the first operation that takes them
        users = [depth[j] for j, user in enumerate(graph.vertices) if i in user.sources]
        if not vertex.sources and users:
            depth[i] = min(users) - 1
    used: dict[int, int] = {}
    places = []
    for row in depth:
        column = used.get(row, 0)
        used[row] = column + 1
        places.append((MARGIN + column * (WIDTH + ACROSS), MARGIN + row * (HEIGHT + DOWN)))
    return places


def _arrow(source: tuple[int, int], target: tuple[int, int]) -> str:
    x1, y1 = source[0] + WIDTH // 2, source[1] + HEIGHT
    x2, y2 = target[0] + WIDTH // 2, target[1]
    bend = (y1 + y2) // 2
    path = f"M{x1} {y1} C{x1} {bend} {x2} {bend} {x2} {y2}"
    return f'<path d="{path}" fill="none" stroke="#555" marker-end="url(#tip)"/>'


def _box(vertex: Vertex, place: tuple[int, int], output: bool) -> str:
    x, y = place
    name = _name(vertex)
    colour = COLOURS.get(name, COLOURS["operation"])
    middle = x + WIDTH // 2
    lines = [name, f"{np.dtype(vertex.dtype)} {list(vertex.shape)}", _values(vertex, most=3)]
    texts = [
        f'<text x="{middle}" y="{y + 18 + 16 * i}" text-anchor="middle"{weight}>{escape(line)}</text>'
        for i, (line, weight) in enumerate(zip(lines, (' font-weight="bold"', "", ' fill="#666"'), strict=True))
    ]
    return (
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{colour}" stroke="#555" '
        f'stroke-width="{2 if output else 1}"/>{"".join(texts)}'
    )
