import pytest
import torch

from fathom import models
from fathom.errors import InputError
from fathom.train import Progress
from fathom.train.scheduled_sampling import ScheduledSampling

SIZES = {"source_vocab_size": 13, "target_vocab_size": 11, "embedding_size": 3, "hidden_size": 5, "dropout": 0.0}
LENGTHS = torch.tensor([7, 3, 5])


@pytest.fixture(params=["seq2seq", "bahdanau"])
def model(request):
    torch.manual_seed(0)
    return models.create(request.param, **SIZES).double()


def batch():
    torch.manual_seed(1)
    return torch.randint(13, (3, 7)), LENGTHS, torch.randint(11, (3, 5))


def at(sampling, step):
    sampling.step(Progress(step=step, epochs=2, steps_per_epoch=50))
    return sampling


def test_the_share_of_right_tokens_falls_linearly(model):
    sampling = ScheduledSampling(model, teacher=0.2)
    assert [round(at(sampling, step).share, 3) for step in (0, 25, 50, 100, 200)] == [1.0, 0.8, 0.6, 0.2, 0.2]


def test_with_right_tokens_alone_it_is_the_model_under_a_teacher(model):
    expected = model(*batch())
    torch.testing.assert_close(ScheduledSampling(model, 1.0)(*batch()), expected)
    sampling = at(ScheduledSampling(model, 0.0), 100)
    torch.testing.assert_close(sampling.eval()(*batch()), expected)
    sampling.train().share = 1 - 1e-12  # through the loop, but no coin falls on the model's own token
    torch.testing.assert_close(sampling(*batch()), expected)


def test_with_its_own_tokens_alone_the_target_changes_nothing_but_the_first(model):
    sampling = at(ScheduledSampling(model, 0.0), 100)
    source, lengths, given = batch()
    said = []
    for tokens in (given, torch.cat([given[:, :1], 10 - given[:, 1:]], dim=1)):
        torch.manual_seed(2)
        said.append(sampling(source, lengths, tokens))
    assert torch.equal(*said)
    assert not torch.allclose(said[0], model(source, lengths, given))


def test_the_gradient_is_that_of_the_tokens_it_was_given(model):
    source, lengths, given = batch()
    sampling = at(ScheduledSampling(model, 0.0), 100)
    seen = [given[:, 0]]
    choose = sampling._choose
    sampling._choose = lambda right, logits: seen.append(choose(right, logits)) or seen[-1]
    gradients = []
    for say in (sampling, lambda *inputs: model(source, lengths, torch.stack(seen, dim=1))):
        gradients.append(torch.autograd.grad(say(source, lengths, given).sin().sum(), list(model.parameters())))
    torch.testing.assert_close(*gradients)


def test_its_place_in_the_schedule_is_saved(model):
    other = ScheduledSampling(model, 0.5)
    other.load_state_dict(at(ScheduledSampling(model, 0.5), 30).state_dict())
    assert other.share == 0.85


def test_a_share_that_can_not_be_is_said(model):
    with pytest.raises(InputError, match=r"teacher: expected a share from 0 to 1, got 1.5"):
        ScheduledSampling(model, 1.5)
