"""The architecture of a model as an SVG: the way through it, and what its blocks look like inside."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

from fathom.cli.anatomy import Anatomy

if TYPE_CHECKING:
    from fathom.models.measure import Cost, Node, Part

WIDTH, MARGIN = 1180, 24
STEP, CARD, MAP = 116, (104, 58), 66  # from card to card; a part's card; the highest map
BOX, GAP = (140, 34), (12, 26)  # of a layer inside a block; the room between two
MOST_LAYERS, MOST_BLOCKS = 20, 6
FONT = "font-family='DejaVu Sans, Verdana, Helvetica, Arial, sans-serif'"
COLOURS = (  # the first whose word is in the kind: fill and stroke
    (("Conv",), "#cfe0f5", "#3a6ea5"),
    (("Pool",), "#fbe0c3", "#b8651b"),
    (("Linear", "fc"), "#d4ecd0", "#3d7f37"),
    (("add", "cat"), "#f4d3dc", "#a33a5b"),
    (("Norm", "ReLU", "Sigmoid", "Tanh", "Dropout", "Flatten", "input"), "#ececec", "#777777"),
    (("",), "#e2d8f3", "#6a4ba3"),
)
FOLLOWERS = ("Norm", "ReLU", "Sigmoid", "Tanh", "Dropout", "Flatten", "SiLU", "GELU")


def diagram(seen: Anatomy, level: int | None = None) -> str:
    """An SVG document.

    Args:
        seen: the model.
        level: how far to look into blocks; None chooses by their number.
    """
    cost = seen.cost
    rows = cost.rows(level or cost.readable_level())
    whole = cost.whole
    title = (
        f"{whole.parameters:,} parameters, {whole.flops / 1e9:,.3g} GFLOPs, {cost.depth} layers deep, "
        f"input {_sizes(seen.shape)}"
    )
    flow, y = _flow(rows, seen.shape, 64)
    insets, y = _insets(cost, rows, y)
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {y:.0f}' width='{WIDTH}' height='{y:.0f}'>",
            "<defs><marker id='tip' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' markerHeight='7' "
            "orient='auto'><path d='M0 0 L8 4 L0 8 z' fill='#555'/></marker></defs>",
            "<rect width='100%' height='100%' fill='white'/>",
            _text(MARGIN, 32, seen.name, 20, bold=True, anchor="start"),
            _text(MARGIN, 52, title, 12, anchor="start", colour="#555"),
            *flow,
            *insets,
            "</svg>",
            "",
        ]
    )


# --- the way through the model ----------------------------------------------------------------------------------------


def _flow(rows: "Sequence[Part]", shape: Sequence[int], top: float) -> tuple[list[str], float]:
    """One card a part from left to right, line by line, with its map above; gives the height that is used, too."""
    a_line = (WIDTH - 2 * MARGIN + STEP - CARD[0]) // STEP
    largest = math.prod(shape[1:]) ** 0.5 if len(shape) == 3 else 1.0
    drawn: list[str] = []
    bottom = top
    for start in range(0, len(rows), a_line):
        line = rows[start : start + a_line]
        y = bottom + max(_height(part.output, largest) * 5 / 4 for part in line) + 12
        if start:
            middle = MARGIN + (a_line - 1) * STEP + CARD[0] / 2
            drawn.append(_arrow(f"M{middle} {bottom - 30} v12 H{MARGIN + 7} V{y - 1}"))
        for place, part in enumerate(line):
            x = MARGIN + place * STEP
            drawn += [*_map(part.output, x + CARD[0] / 2, y - 10, largest), *_card(part, x, y)]
            if place:
                drawn.append(_arrow(f"M{x - STEP + CARD[0]} {y + CARD[1] / 2} H{x - 1}"))
        bottom = y + CARD[1] + 30
    return drawn, bottom


def _height(output: Sequence[int], largest: float) -> float:
    """Of the drawing of a map, by the root of the image's side; a vector's is thin."""
    side = math.prod(output[1:]) ** 0.5 if len(output) == 3 else 0.0
    return max(3.0, MAP * min(1.0, (side / largest) ** 0.5))


def _map(output: Sequence[int], x: float, bottom: float, largest: float) -> list[str]:
    """A block as high as `_height` says, as wide as the logarithm of the channels."""
    channels = 1 if not output else output[0] if len(output) == 3 else output[-1]
    height, width = _height(output, largest), 5 * math.log2(max(channels, 2))
    slant = height / 4
    left, up = x - width / 2 - slant / 2, bottom - height
    face = f"M{left} {up} h{width} v{height} h{-width} z"
    lid = f"M{left} {up} l{slant} {-slant} h{width} l{-slant} {slant} z"
    edge = f"M{left + width} {up} l{slant} {-slant} v{height} l{-slant} {slant} z"
    return [
        f"<path d='{path}' fill='{fill}' stroke='#5b7083' stroke-width='0.8'/>"
        for path, fill in ((face, "#e8eef4"), (lid, "#f5f8fb"), (edge, "#cfd9e3"))
    ]


def _card(part: "Part", x: float, y: float) -> list[str]:
    fill, stroke = _colours(part.kind)
    middle = x + CARD[0] / 2
    return [
        f"<rect x='{x}' y='{y}' width='{CARD[0]}' height='{CARD[1]}' rx='6' fill='{fill}' stroke='{stroke}'/>",
        _fitted(middle, y + 17, _short(part.name or part.kind), CARD[0] - 8, 12, bold=True),
        _fitted(middle, y + 33, part.kind, CARD[0] - 8, 10.5),
        _fitted(middle, y + 49, _sizes(part.output), CARD[0] - 8, 11),
    ]


def _short(name: str) -> str:
    """The last parts of a path."""
    while len(name) > 16 and "." in name:
        name = name.partition(".")[2]
    return name


# --- what is in the blocks --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Box:
    """A layer of a block, with those that follow it alone, and where it stands."""

    label: str
    kind: str
    inputs: tuple[int, ...]
    rank: int = 0
    column: float = 0.0


def _insets(cost: "Cost", rows: "Iterable[Part]", top: float) -> tuple[list[str], float]:
    drawn: list[str] = []
    left, line_top, bottom = float(MARGIN), top + 26, top
    for part, boxes in _different_blocks(cost, rows):
        columns = max(box.column for box in boxes) + 1
        title = f"{part.kind}, as {part.name}"
        width = max(columns * (BOX[0] + GAP[0]) + 46, 9 * len(title))
        if left > MARGIN and left + width > WIDTH:
            left, line_top = float(MARGIN), bottom + 34
        picture, height = _block(boxes, left, line_top + 22)
        drawn += [_text(left, line_top, title, 13, bold=True, anchor="start"), *picture]
        bottom = max(bottom, line_top + 22 + height)
        left += width + 20
    return drawn, bottom + MARGIN


def _different_blocks(cost: "Cost", rows: "Iterable[Part]") -> "list[tuple[Part, list[_Box]]]":
    """The first block of each kind and build that is small enough; of larger ones, those that they are made of."""
    found: dict[tuple[object, ...], tuple[Part, list[_Box]]] = {}
    waiting = [part for part in rows if not part.leaf]
    while waiting and len(found) < MOST_BLOCKS:
        part = waiting.pop(0)
        boxes = _boxes(cost, part)
        inside = [inner for inner in cost.parts if inner.name.startswith(part.name + ".") and not inner.leaf]
        if len(boxes) > MOST_LAYERS or (inside and part.kind == "Sequential"):
            waiting = [inner for inner in inside if inner.level == part.level + 1] + waiting
        elif len(boxes) > 2:
            build = (part.kind, *((box.kind, box.inputs) for box in boxes))
            found.setdefault(build, (part, boxes))
    return list(found.values())


def _boxes(cost: "Cost", part: "Part") -> list[_Box]:
    """The input of a block and its layers; a norm or an activation stands in the box of the layer that it follows."""
    inner = {
        place: node
        for place, node in enumerate(cost.nodes)
        if node.name == part.name or node.name.startswith(part.name + ".")
    }
    users = [maker for node in cost.nodes for maker in node.inputs]
    boxes, where = [_Box("input", "input", ())], dict[int, int]()
    for place, node in inner.items():
        inputs = tuple(dict.fromkeys(where.get(maker, 0) for maker in node.inputs)) or (0,)
        last = inputs[0]
        follows = any(word in node.kind for word in FOLLOWERS) and len(node.inputs) == 1 and last
        if follows and users.count(node.inputs[0]) == 1:
            boxes[last] = replace(boxes[last], label=f"{boxes[last].label} + {_brief(node)}")
            where[place] = last
        else:
            boxes.append(_Box(_brief(node), node.kind, inputs))
            where[place] = len(boxes) - 1
    return _placed(boxes)


def _brief(node: "Node") -> str:
    words = {"BatchNorm2d": "norm", "LayerNorm": "norm", "cat": "concatenate"}
    return words.get(node.label, node.label.replace("Conv2d ", "Conv ").replace("Pool2d", "Pool"))


def _placed(boxes: list[_Box]) -> list[_Box]:
    """Each below all its inputs; branches side by side, and what forks or joins them in their middle."""
    branches = [[p for p, box in enumerate(boxes) if box.inputs == (place,)] for place in range(len(boxes))]
    widths = [1] * len(boxes)
    for place in reversed(range(len(boxes))):
        widths[place] = max(1, sum(widths[branch] for branch in branches[place]))
    starts = [0.0] * len(boxes)
    for place, box in enumerate(boxes):
        rank = max((boxes[maker].rank + 1 for maker in box.inputs), default=0)
        if len(box.inputs) > 1:
            middle = sum(boxes[maker].column for maker in box.inputs) / len(box.inputs)
            starts[place] = max(0.0, middle - (widths[place] - 1) / 2)
        boxes[place] = replace(box, rank=rank, column=starts[place] + (widths[place] - 1) / 2)
        start = starts[place]
        for branch in branches[place]:
            starts[branch], start = start, start + widths[branch]
    return boxes


def _block(boxes: Sequence[_Box], left: float, top: float) -> tuple[list[str], float]:
    def centre(box: _Box) -> float:
        return left + box.column * (BOX[0] + GAP[0]) + BOX[0] / 2

    def upper(box: _Box) -> float:
        return top + box.rank * (BOX[1] + GAP[1])

    drawn = []
    for box in boxes:
        for maker in box.inputs:
            source = boxes[maker]
            start, end = (centre(source), upper(source) + BOX[1]), (centre(box), upper(box) - 1)
            beside = _beside(boxes, source, box)
            if beside is None:
                bend = (start[1] + end[1]) / 2 if box.rank == source.rank + 1 else end[1] - GAP[1] / 2
                path = f"M{start[0]} {start[1]} C{start[0]} {bend} {end[0]} {bend} {end[0]} {end[1]}"
                if box.rank > source.rank + 1:
                    path = f"M{start[0]} {start[1]} V{bend - GAP[1] / 2} Q{start[0]} {bend} {end[0]} {end[1]}"
                    path = path if start[0] != end[0] else f"M{start[0]} {start[1]} V{end[1]}"
            else:
                side = left + beside * (BOX[0] + GAP[0]) + BOX[0] + 20
                begin, stop = start[1] - BOX[1] / 2, end[1] + BOX[1] / 2
                path = f"M{start[0] + BOX[0] / 2} {begin} H{side - 8} Q{side} {begin} {side} {begin + 8} V{stop - 8} "
                path += f"Q{side} {stop} {side - 8} {stop} H{end[0] + BOX[0] / 2 + 1}"
            drawn.append(_arrow(path))
    for box in boxes:
        fill, stroke = _colours(box.kind)
        x, y = centre(box) - BOX[0] / 2, upper(box)
        drawn.append(
            f"<rect x='{x}' y='{y}' width='{BOX[0]}' height='{BOX[1]}' rx='6' fill='{fill}' stroke='{stroke}'/>"
        )
        first, plus, more = box.label.partition(" + ")
        if plus:
            drawn.append(_fitted(centre(box), y + 15, first, BOX[0] - 8, 11))
            drawn.append(_fitted(centre(box), y + 28, plus.lstrip() + more, BOX[0] - 8, 10))
        else:
            drawn.append(_fitted(centre(box), y + 21, first, BOX[0] - 8, 11))
    return drawn, max(map(upper, boxes)) - top + BOX[1]


def _beside(boxes: Sequence[_Box], source: _Box, target: _Box) -> float | None:
    """The rightmost column that an edge must pass, because boxes stand in its way; None if none does."""
    between = [box for box in boxes if source.rank < box.rank < target.rank]
    in_the_way = [box for box in between if abs(box.column - source.column) < 1]
    return max(box.column for box in between) if in_the_way else None


# --- SVG --------------------------------------------------------------------------------------------------------------


def _colours(kind: str) -> tuple[str, str]:
    return next((fill, stroke) for words, fill, stroke in COLOURS if any(word in kind for word in words))


def _arrow(path: str) -> str:
    return f"<path d='{path}' fill='none' stroke='#555' stroke-width='1.2' marker-end='url(#tip)'/>"


def _text(
    x: float, y: float, words: str, size: float, *, bold: bool = False, anchor: str = "middle", colour: str = "#222"
) -> str:
    weight = " font-weight='bold'" if bold else ""
    return (
        f"<text x='{x}' y='{y}' {FONT} font-size='{size}'{weight} text-anchor='{anchor}' fill='{colour}'>"
        f"{escape(words)}</text>"
    )


def _fitted(x: float, y: float, words: str, width: float, size: float, *, bold: bool = False) -> str:
    """Centred text, smaller where it would be wider than that."""
    wanted = len(words) * size * (0.68 if bold else 0.62)
    return _text(x, y, words, round(min(size, size * width / wanted), 1), bold=bold)


def _sizes(sizes: Sequence[int]) -> str:
    return "×".join(map(str, sizes)) or "()"
