import builtins
import re
from dataclasses import replace

import pytest
import torch

from benchmarks import resnet50
from fathom import models


@pytest.fixture
def no_timm(monkeypatch):
    whole = builtins.__import__

    def without(name, *rest, **words):
        if name == "timm":
            raise RuntimeError("operator torchvision::nms\ndoes not exist")
        return whole(name, *rest, **words)

    monkeypatch.setattr(builtins, "__import__", without)


@pytest.mark.slow
def test_the_operations_are_those_of_the_published_count():
    # torchvision's page of resnet50 says 4.09 G multiply-adds forward; backward has them twice, but for the gradient of
    # the pictures, which nobody asks for
    first_layer = 64 * 3 * 7 * 7 * 112 * 112
    assert resnet50.operations(224) / 2 == pytest.approx(3 * 4.09e9 - first_layer, rel=0.003)


@pytest.mark.slow
def test_both_networks_are_one(no_timm):
    name, plain, remark = resnet50.peer()
    assert name == "plain torch.nn"
    assert remark == "timm could not be imported (RuntimeError: operator torchvision::nms does not exist)."
    mine = models.create("resnet50", num_classes=1000)
    resnet50.check(mine, plain)  # which would say that they are not
    plain.layer3[2].conv2.stride = (2, 2)
    with pytest.raises((AssertionError, RuntimeError)):
        resnet50.check(mine, plain)


@pytest.mark.slow
def test_without_a_card_the_page_says_so_before_any_figure(no_timm):
    tiny = replace(resnet50.PROCESSOR, matrices=(64, 128))
    before = torch.backends.cudnn.benchmark
    try:
        page = resnet50.page(tiny, rounds=1)
    finally:
        torch.backends.cudnn.benchmark = before
    said, rows = page.index("No CUDA card was there"), page.index("| fathom |")
    assert said < rows
    assert "timm could not be imported" in page
    rates = re.findall(r"^\| (fathom|plain torch\.nn) \| ([\d,]+) \| (\S+) \| ([\d.]+)% \|", page, re.MULTILINE)
    assert [name for name, *_ in rates] == ["fathom", "plain torch.nn"]
    assert all(float(share) > 0 for *_, share in rates)


def test_the_peak_is_never_below_what_one_product_reaches():
    small = replace(resnet50.PROCESSOR, matrices=(64,))
    assert resnet50.peak(replace(small, matrices=(64, 256)), repeats=3) > resnet50.peak(small, repeats=1) / 10 > 0
