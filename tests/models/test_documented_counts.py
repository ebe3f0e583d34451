import re
from pathlib import Path

from tests.models.counting import parameters

from fathom import models

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")


def test_the_counts_in_the_table_of_models_are_right():
    counted = {}
    for names, counts in re.findall(r"^\| (`[a-z][^|]*) \| ([^|]*) \|", PAGE, re.MULTILINE):
        words = re.findall(r"`(\w+)`", names)
        numbers = [int(count.replace(",", "")) for count in re.findall(r"\b[\d,]+\b", re.sub(r"\(.*\)", "", counts))]
        assert len(numbers) in (0, len(words)), names
        counted.update(zip(words, numbers or [None] * len(words), strict=True))
    assert set(counted) <= set(models.names())
    for name, number in counted.items():
        assert number is None or number == parameters(name), name
