import torch

from fathom import data


def parts(dataset, features):
    """Keys, classes and questions."""
    rows = dataset.tensors["x"][:, :-features].unflatten(1, (-1, features + 10))
    return rows[..., :features], rows[..., features:], dataset.tensors["x"][:, -features:]


def test_the_answer_is_the_class_of_the_item_that_is_asked_for():
    dataset = data.load("lookup,items=5,features=3,examples=211")
    keys, classes, _ = parts(dataset, 3)
    assert keys.shape == (211, 5, 3)
    assert classes.sum(-1).eq(1).all()
    asked = dataset.tensors["asked"]
    assert torch.equal(classes[torch.arange(211), asked].argmax(-1), dataset.tensors["y"])
    torch.testing.assert_close(keys.norm(dim=-1), torch.full((211, 5), 3**0.5))


def test_without_noise_one_rotation_takes_every_key_to_its_question_in_both_splits():
    train, test = (data.load("lookup,items=5,features=3,noise=0,examples=211", split) for split in ("train", "test"))

    def asked(dataset):
        keys, _, questions = parts(dataset, 3)
        return keys[torch.arange(211), dataset.tensors["asked"]], questions

    turn = torch.linalg.lstsq(*asked(train)).solution
    torch.testing.assert_close(turn @ turn.mT, torch.eye(3), rtol=0, atol=1e-5)
    keys, questions = asked(test)
    torch.testing.assert_close(keys @ turn, questions, rtol=0, atol=1e-4)


def test_each_feature_of_a_question_has_variance_1_whatever_the_noise():
    for noise in (0.0, 0.5, 2.0):
        questions = parts(data.load(f"lookup,noise={noise},examples=5003"), 8)[2]
        assert (questions.var(dim=0) - 1).abs().max() < 0.1
