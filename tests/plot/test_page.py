import re
from html.parser import HTMLParser

from fathom.plot import Row, html, markdown
from fathom.plot.charts import lines
from fathom.plot.page import figures
from fathom.records import DataUsed, Published, Result

PUBLISHED = (Published(metric="test_accuracy", value=0.779, split="test images", source="the book"),)
RESULT = Result(
    recipe="lenet",
    config={},
    metrics={"test_accuracy": 0.8125, "test_loss": 0.5},
    published=PUBLISHED,
    data=(DataUsed(name="sample <1>", origin="sample"),),
    notes=("other settings: a | b",),
    folder="runs/lenet",
    seconds=61,
)


def rows(tmp_path):
    picture = lines(tmp_path / "curves.png", {"loss": [2.0, 1.0]})
    return [
        Row(name="lenet", title="LeNet & co", published=PUBLISHED, result=RESULT, pictures=(picture,)),
        Row(name="mlp", title="MLP", published=PUBLISHED),
    ]


def test_ours_stands_beside_the_published_figure():
    first, second = figures(RESULT, PUBLISHED)
    assert (first["metric"], first["ours"], first["published"]) == ("test_accuracy", 0.8125, 0.779)
    assert (second["metric"], second["published"]) == ("test_loss", None)


def test_the_page_needs_nothing_from_elsewhere(tmp_path):
    page = html(rows(tmp_path))
    assert not re.search(r"(src|href)=[\"'](?!data:image/png;base64,|#)", page)
    assert "http" not in page
    assert "url(" not in page
    assert "data:image/png;base64," in page


def test_the_page_is_closed_properly_and_escapes_what_it_is_given(tmp_path):
    open_tags = []

    class Check(HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "img"):
                open_tags.append(tag)

        def handle_endtag(self, tag):
            assert open_tags.pop() == tag

    page = html(rows(tmp_path), ["runs/<bad> is damaged"])
    Check().feed(page)
    assert open_tags == []
    assert "sample &lt;1&gt;" in page
    assert "runs/&lt;bad&gt;" in page


def test_recipes_that_were_never_run_are_listed_as_such(tmp_path):
    assert "1 of 2 recipes" in html(rows(tmp_path))
    assert "not run yet" in html(rows(tmp_path))
    assert re.search(r"\| mlp \|.*not run yet \|", markdown(rows(tmp_path)))


def test_the_markdown_table_has_as_many_cells_in_each_line(tmp_path):
    table = [line for line in markdown(rows(tmp_path)).splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1
    assert any("0.8125" in line and "0.779" in line for line in table)
