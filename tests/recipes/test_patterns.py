"""What the recipes of recurrent patterns count, cut and match."""

import math

import pytest
import torch

from fathom import data
from fathom.errors import DataError, InputError
from fathom.models.recurrent_tagger import RecurrentTagger
from fathom.recipes import (
    both_directions,
    deep_recurrence,
    output_recurrence,
    sequence_bottleneck,
    sequence_likelihood,
    unfolding,
    vector_to_sequence,
)
from fathom.recipes.common import rivals
from fathom.recipes.common.matched import matched, parameters


def text_of(letters, vocab, split="train"):
    """A text as `fathom.data` gives it."""
    tokens = torch.tensor([vocab.index(letter) for letter in letters], dtype=torch.uint8)
    train = data.load("time-machine,tokens=50")
    about = {**train.about, "vocab": list(vocab)}
    return data.Dataset(train.card, split, {"x": tokens[:-1], "y": tokens[1:]}, train.used, about)


# --- equal parameters -----------------------------------------------------------------------------------------------


def test_a_matched_size_is_the_nearest():
    make = lambda size: RecurrentTagger(5, 3, hidden_size=size)  # noqa: E731
    counts = [parameters(make(size)) for size in range(1, 40)]
    for wanted in (50, 777, 3000):
        best = min(range(1, 40), key=lambda size: abs(counts[size - 1] - wanted))
        assert matched(make, wanted) == best


def test_matching_draws_nothing():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    matched(lambda size: RecurrentTagger(5, 3, hidden_size=size), 777)
    assert torch.equal(torch.get_rng_state(), before)


def within(nets, share):
    counts = [parameters(net) for net in nets.values()]
    return max(counts) / min(counts) - 1 < share


def test_nets_that_are_compared_have_as_many_parameters():
    vocab = {"vocab": list("abcdefghijklmnopqrstuvwxyz ?")}
    assert within(deep_recurrence.build(deep_recurrence.Config(), vocab), 0.04)
    assert within(both_directions.build(both_directions.Config(), vocab), 0.02)
    assert within(vector_to_sequence.build(vector_to_sequence.Config(), {"columns": 14}), 0.04)
    about = {"alphabet": list(range(15)), "classes": list(range(5))}
    nets = output_recurrence.build(output_recurrence.Config(), about)
    assert within({name: nets[name] for name in ("output", "hidden")}, 0.01)


# --- words ----------------------------------------------------------------------------------------------------------


def test_words_are_what_stands_between_blanks():
    config = sequence_likelihood.Config(longest=3)
    found = sequence_likelihood.words(text_of("ab  a bcab cba b", "?ab c"), config)
    spelled = [sequence_likelihood.decode(found.about, row) for row in found.tensors["x"].tolist()]
    assert spelled == ["ab", "a", "cba"]  # bcab is too long; the last letter is only what comes after the last token
    assert found.about["left_out"] == pytest.approx(1 / 4)
    assert found.about["lengths"] == pytest.approx([2 / 6, 2 / 6, 2 / 6])
    assert found.used.sizes == {"train": 3}


def test_a_text_without_words_is_refused():
    config = sequence_likelihood.Config(longest=1)
    with pytest.raises(DataError, match="got no blank; give another text"):
        sequence_likelihood.words(text_of("abab", "ab"), config)
    with pytest.raises(DataError, match="expected words of at most 1 letters, got none"):
        sequence_likelihood.words(text_of("ab ab ", "?ab "), config)
    with pytest.raises(InputError, match="expected characters, got the unit word"):
        sequence_likelihood.load_splits(sequence_likelihood.Config(data="time-machine,unit=word"))


@pytest.mark.parametrize(
    ("word", "got"), [("", "got 0 letters"), ("time?", "got '[?]'"), ("timetime", "got 8 letters")]
)
def test_a_word_that_has_no_likelihood_is_refused(word, got):
    about = {"symbols": list("abcdefghijklmnopqrstuvwxyz")}
    with pytest.raises(InputError, match=rf"word: expected from 1 to 7 letters of .*, {got}; as in time"):
        sequence_likelihood.encode(about, sequence_likelihood.Config(longest=7), word)


def test_letters_without_blanks_keep_where_they_were():
    config = both_directions.Config(steps=4)
    found = both_directions.unspaced(text_of("ab a bca", "?ab c"), config)
    assert found.tensors["x"].tolist() == [[1, 2, 1, 2]]  # and four that have no letter behind all of them
    assert found.tensors["y"].tolist() == [[0, 1, 1, 0]]


def test_each_net_sees_as_much_of_the_future_as_it_says():
    torch.manual_seed(0)
    config = both_directions.Config(hidden_size=3)
    nets = both_directions.build(config, {"vocab": list("abcd")})
    tokens = torch.randint(4, (1, 20))
    seen = {}
    for name, net in nets.items():
        places = []
        for place in range(20):
            other = tokens.clone()
            other[0, place] = (tokens[0, place] + 1) % 4
            if (net(tokens) - net(other))[0, :, 6].abs().max() > 0:
                places.append(place)
        seen[name] = (places[0], places[-1])
    assert seen == {
        "both": (0, 19),
        "past": (0, 6),
        "future": (6, 19),
        "later1": (0, 7),
        "later2": (0, 8),
        "later4": (0, 10),
        "later8": (0, 14),
    }


def test_snippets_are_of_all_lengths_and_end():
    config = sequence_bottleneck.Config(longest=5, stride=3)
    found = sequence_bottleneck.snippets(text_of("abcabcabcabcabcabcabcabcabc", "abc"), config)
    lengths = (found.tensors["x"] != 3).sum(dim=1)
    assert lengths.bincount(minlength=6).tolist()[0] == 0
    assert set(lengths.tolist()) == {1, 2, 3, 4, 5}
    for row, length in zip(found.tensors["x"].tolist(), lengths.tolist(), strict=True):
        assert row == ([0, 1, 2, 0, 1][:length] + [3] * 6)[:6]


# --- tables and the unfolded graph ----------------------------------------------------------------------------------


def test_the_gradient_of_shared_weights_is_the_sum_over_the_unfolded_steps():
    torch.manual_seed(0)
    net = rivals.reader(unfolding.Config(hidden_size=5), 4, 3, cell="rnn").double()
    x, y = torch.randint(4, (7, 6)), torch.randint(3, (7, 6))
    assert unfolding.gradient_gap(net, x, y) < 1e-12


def test_a_table_counts_strings_and_one_more_of_each():
    train = torch.tensor([[0, 1], [0, 1], [1, 1], [0, 0]])
    test = torch.tensor([[0, 1], [1, 0]])
    one, two = unfolding.table_nats(train, test, 2)
    assert one == pytest.approx(-(math.log(4 / 6) + math.log(2 / 6)) / 2)
    assert two == pytest.approx(-(math.log(3 / 8) + math.log(1 / 8)) / 2)


def test_a_nets_strings_cost_what_the_product_of_its_steps_says():
    torch.manual_seed(0)
    net = rivals.reader(unfolding.Config(hidden_size=5), 4, 3, cell="rnn").double()
    y = torch.randint(3, (1, 5))
    x = torch.nn.functional.pad(y, (1, 0), value=3)[:, :-1]
    found = unfolding.net_nats(net, x, y)
    shares = net(x).softmax(dim=1)[0].gather(0, y)[0].detach()
    assert found == pytest.approx([-math.log(shares[:count].prod()) for count in range(1, 6)])


def test_the_strings_of_a_net_have_a_start_before_them():
    train, _ = unfolding.load_splits(unfolding.Config(steps=3, data="time-machine,tokens=500"))
    x, y = train.tensors["x"], train.tensors["y"]
    assert (x[:, 0] == len(train.about["vocab"])).all()
    assert torch.equal(x[:, 1:], y[:, :-1])


# --- rows of pictures -----------------------------------------------------------------------------------------------


def test_a_thumbnail_is_the_mean_of_its_part():
    config = vector_to_sequence.Config(side=2)
    picture = torch.rand(1, 1, 8, 12)
    found = vector_to_sequence.thumbnails_and_pixels(picture, config)
    assert found.shape == (1, 4 + 4 * 6)
    assert found[0, 1].item() == pytest.approx(picture[0, 0, :4, 6:].mean().item())
    assert found[0, 4].item() == float(picture[0, 0, :2, :2].mean() >= 0.5)


def test_a_row_is_told_from_those_above_it_alone():
    torch.manual_seed(0)
    config = vector_to_sequence.Config(side=2, hidden_size=5)
    nets = vector_to_sequence.build(config, {"columns": 3})
    x = torch.rand(1, 4 + 5 * 3)
    other = x.clone()
    other[0, 4 + 2 * 3] += 1  # a pixel of the third row
    for net in nets.values():
        changed = (net(x) - net(other))[0].abs().amax(dim=(0, 2)) > 0
        assert changed.tolist() == [False, False, False, True, True]


def test_data_of_other_kinds_are_refused():
    with pytest.raises(InputError, match="expected sequences with the answers before each step, got none; give feedb"):
        output_recurrence.load_splits(output_recurrence.Config(data="first-symbol"))
    about = {"vocab": ["<unk>", *"time "], "letters": False, "unit": "char"}
    with pytest.raises(InputError, match="expected at most 3 tokens, got 4; give a shorter one"):
        sequence_bottleneck.encode(about, sequence_bottleneck.Config(longest=3), "time")
