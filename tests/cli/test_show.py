import json
import re
import xml.etree.ElementTree as ElementTree

import pytest

from fathom.cli import anatomy, main
from fathom.cli.diagram import diagram

SVG = "{http://www.w3.org/2000/svg}"


def shown(capsys, *words):
    assert main(["show", *words]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", ["resnet50", "inception_v2", "inception_v3", "vgg19", "densenet121"])
@pytest.mark.parametrize("columns", [80, 200])
def test_a_table_fits_the_terminal_and_tells_what_each_block_costs(name, columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = shown(capsys, name).splitlines()
    table = lines[1:-3]
    assert max(map(len, table)) <= columns
    head = [word for word in re.split(r"\s{2,}", table[0]) if word != "type" or columns == 200]
    assert head == ["layer", *(["type"] * (columns == 200)), "output", "parameters", "FLOPs", "memory", "field"]
    assert f"{models_parameters(name):,}" in table[-1]


def models_parameters(name):
    return anatomy.look_at(name).cost.whole.parameters


def test_wide_terminals_get_exact_numbers_and_narrow_ones_short(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert "236,027,904" in shown(capsys, "resnet50")
    monkeypatch.setenv("COLUMNS", "80")
    assert "236 M" in shown(capsys, "resnet50")


def test_on_a_terminal_too_narrow_for_all_the_type_is_left_out(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "66")
    lines = shown(capsys, "resnet50").splitlines()[1:-3]
    assert max(map(len, lines)) <= 66
    assert "type" not in lines[0]


def test_depth_opens_the_blocks(capsys):
    rows = [
        len(json.loads(shown(capsys, "resnet50", "--json", "--depth", level))["model"]["layers"]) for level in "123"
    ]
    assert rows == [4 + 4 + 3, 4 + 16 + 3, 4 + 16 * 9 + 4 + 3]  # convolutions, norms, ReLUs; downsampling


def test_json_has_memory_field_and_depth(capsys):
    model = json.loads(shown(capsys, "resnet18", "--json"))["model"]
    assert model["depth"] == 18
    assert model["receptive_field"] == [627, 627]  # 435 at the end of layer4, and 6 steps of 32 pixels
    first = model["layers"][0]
    assert (first["layer"], first["activation_bytes"], first["receptive_field"]) == ("conv1", 4 * 64 * 112**2, [7, 7])


def test_options_behind_the_name_are_arguments(capsys):
    model = json.loads(shown(capsys, "alexnet,variant=book,num_classes=10", "--input", "1x224x224", "--json"))["model"]
    assert model["parameters"] == 46_764_746
    assert model["arguments"]["variant"] == "book"


def test_comparison_is_one_table(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    out = shown(capsys, "resnet34", "--compare", "vgg19", "resnet50,variant=paper")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["model", "resnet34", "vgg19", "resnet50,variant=paper"]
    assert max(map(len, lines[:4])) <= 80
    assert "143,667,240" in lines[2]


def test_resnet34_costs_less_than_a_fifth_of_vgg19(capsys):
    small, large = json.loads(shown(capsys, "--compare", "resnet34", "vgg19", "--json"))
    assert 0.18 < small["flops"] / large["flops"] < 0.19  # He et al. 2015, section 3.3: "18% of VGG-19"


def test_an_inception_block_is_cheaper_than_plain_convolutions_of_equal_channels(capsys):
    rows = {row["name"]: row for row in json.loads(shown(capsys, "--compare", *anatomy.blocks(), "--json"))}
    assert {tuple(row["output"]) for row in rows.values()} == {(256, 28, 28)}
    assert rows["inception"]["parameters"] == 163_696
    assert rows["conv3x3"]["parameters"] == 9 * 192 * 256 + 256
    multiply_adds = {name: round(row["flops"] / 2e6) for name, row in rows.items()}
    assert multiply_adds == {"inception": 128, "conv3x3": 347, "conv5x5": 963, "two-conv3x3": 809}


def test_two_3x3_see_as_much_as_one_5x5_for_less(capsys):
    two, one = json.loads(shown(capsys, "--compare", "two-conv3x3", "conv5x5", "--input", "256x28x28", "--json"))
    assert two["receptive_field"] == one["receptive_field"] == [5, 5]
    assert two["flops"] / one["flops"] == 18 / 25  # Szegedy et al. 2015, section 3.1: 28 % saved


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "show: expected NAME, got nothing; write for example: fathom show lenet"),
        (["resnet5"], "unknown model or recipe 'resnet5'; did you mean 'resnet50'"),
        (["resnet50", "--depth", "0"], "--depth: expected a whole number of at least 1"),
        (["resnet50", "--depth", "x"], "--depth"),
        (["resnet50,variant=papr"], "unknown variant 'papr'; did you mean 'paper'"),
        (["resnet50,varant=paper"], "did you mean 'variant'"),
        (["inception_v3", "--input", "3x74x74"], "expected at least 75 pixels a side"),
        (["nin", "--input", "224"], "expected images (batch, 3, height, width)"),
        (["mlp", "--input", "3x5", "--depth", "-1"], "--depth: expected a whole number"),
        (["linear-regression", "--draw", "x/../nowhere/y.svg", "--input", "0"], "--input: expected sizes"),
        (["weight-decay", "--draw", "y.svg"], "--draw: expected with a model"),
        (["--compare", "vgg16", "conv3x4"], "unknown model or block 'conv3x4'; did you mean 'conv3x3'"),
    ],
)
def test_a_wrong_word_is_one_line(words, message, capsys):
    assert main(["show", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "name", ["googlenet", "resnet50", "inception_v3", "densenet121", "transformer_encoder", "lenet", "mlp"]
)
def test_a_diagram_is_svg_whose_cards_name_every_row(name, tmp_path, capsys):
    out = shown(capsys, name, "--draw", str(tmp_path / "net.svg"))
    assert f"diagram: {tmp_path / 'net.svg'}" in out
    root = ElementTree.parse(tmp_path / "net.svg").getroot()
    words = [text.text for text in root.iter(f"{SVG}text")]
    seen = anatomy.look_at(name)
    rows = seen.cost.rows(seen.cost.readable_level())
    assert words[0] == name
    assert all(any(row.name.endswith(word) for word in words) for row in rows)
    width, height = (float(root.get(side)) for side in ("width", "height"))
    for box in root.iter(f"{SVG}rect"):
        if box.get("x"):
            x, y, wide, high = (float(box.get(key)) for key in ("x", "y", "width", "height"))
            assert 0 <= x <= x + wide <= width
            assert 0 <= y <= y + high <= height


def boxes(name):
    """Place and size of every box of a diagram."""
    root = ElementTree.fromstring(diagram(anatomy.look_at(name)))
    keys = ("x", "y", "width", "height")
    return [tuple(float(box.get(key)) for key in keys) for box in root.iter(f"{SVG}rect") if box.get("x")]


@pytest.mark.parametrize("name", ["googlenet", "inception_v3", "inception_v4", "inception_resnet_v2", "resnet152"])
def test_no_two_boxes_of_a_diagram_overlap(name):
    placed = boxes(name)
    for index, (x, y, width, height) in enumerate(placed):
        for left, top, wide, high in placed[index + 1 :]:
            apart = x + width <= left or left + wide <= x or y + height <= top or top + high <= y
            assert apart, (x, y, left, top)


def test_a_block_is_drawn_once_for_each_build(tmp_path):
    drawn = diagram(anatomy.look_at("resnet152"))
    assert re.findall(r"Bottleneck, as [\w.]+", drawn) == ["Bottleneck, as layer1.0", "Bottleneck, as layer1.1"]
