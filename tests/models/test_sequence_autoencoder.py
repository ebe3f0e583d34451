"""What goes through the fixed vector, and that nothing goes past it without attention."""

import torch

from fathom.models.sequence_autoencoder import SequenceAutoencoder

END = 5
ROWS = torch.tensor([[0, 1, 2, 3, END, END], [4, END, END, END, END, END], [3, 3, 1, 0, 2, END]])


def net_of(attention=False):
    torch.manual_seed(0)
    return SequenceAutoencoder(END, 2, 7, attention).double()


def test_a_sequence_is_read_as_if_it_were_alone():
    net = net_of()
    for row in ROWS:
        there = row[row != END]
        alone, _ = net.encoder(torch.eye(END, dtype=torch.float64)[there][None])
        padding = torch.zeros(1, len(row) - len(there), END, dtype=torch.float64)
        after_padding, _ = net.encoder(torch.cat([padding, torch.eye(END, dtype=torch.float64)[there][None]], dim=1))
        context, states, seen = net.encode(row[None])
        torch.testing.assert_close(context, net.context(after_padding[:, -1]), rtol=1e-12, atol=1e-12)
        assert int(seen.sum()) == len(there) == alone.shape[1]
        assert states.shape == (1, 6, 7)


def test_without_attention_the_context_is_all_that_the_decoder_has(monkeypatch):
    for attention in (False, True):
        net = net_of(attention)
        before = net(ROWS)
        fixed = net.encode(ROWS)[0].detach()
        other = net.encode(ROWS.flip(0))
        monkeypatch.setattr(net, "encode", lambda tokens, fixed=fixed, other=other: (fixed, *other[1:]))
        assert torch.allclose(net(ROWS), before, rtol=0, atol=1e-12) != attention


def test_what_it_says_by_itself_is_the_likeliest_given_what_it_said():
    net = net_of(attention=True)
    said = net.reproduce(ROWS)
    context = net.encode(ROWS)
    taught = torch.cat([said, said[:, -1:]], dim=1)[:, :6]
    before = net._one_hot(torch.nn.functional.pad(taught, (1, 0), value=END)[:, :-1])
    assert torch.equal(net._decode(before, None, *context)[0].argmax(2), said)


def test_a_teacher_gives_it_what_came_before_and_nothing_else():
    net = net_of()
    context = net.encode(ROWS)
    changed = ROWS.clone()
    changed[0, 3] = 0
    changed[2, 3] = 4
    one, other = (
        net._decode(net._one_hot(torch.nn.functional.pad(rows, (1, 0), value=END)[:, :-1]), None, *context)[0]
        for rows in (ROWS, changed)
    )
    assert torch.equal(one[:, :4], other[:, :4])
    assert not torch.equal(one[:, 4:], other[:, 4:])
