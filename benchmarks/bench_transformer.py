"""The Transformer: its training step beside the barest code, decoding with a cache beside without, and `generate`.

Training: batches of 64 pairs of 11 and 13 tokens, 2 + 2 blocks of 256 features, 4 heads, 1,024 units, a vocabulary of
6,000, dropout 0.1, Adam, clipping. `bare`: the same net as two functions of a list of tensors, with torch's kernels and
nothing else, in the plain loop of an expert. `nn.Transformer`: torch's own layers in that loop, without masks of
padding, as all pairs are equally long; they drop from the attention's weights and between the linear maps, too.

Decoding: 3 + 3 blocks of 256 features, 4 heads, a vocabulary of 8,000, random weights, no sequence ends before.
`without a cache` sends all that was said through the decoder at each step: 128 tokens, 8 sources. `transformers`: a
BART of the same size by its own `generate`, 1 and 32 sources of 17 tokens, 32 tokens each, greedily and with a beam of
4; with 32 both spend most of their time in the same products of matrices.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.bench_decoding import SOURCE_STEPS, SOURCES, STEPS, VOCAB, WIDTH, bart, generated
from benchmarks.harness import Comparison, compare
from fathom import decoding, models
from fathom.data.pairs import BOS, EOS, PAD
from fathom.models.transformer import Transformer
from fathom.recipes.common.translation import TokenLoss
from fathom.train import supervised

BATCH, SOURCE, TARGET, TOKENS = 64, 11, 13, 6000
FEATURES, HEADS, UNITS, BLOCKS, DROPOUT = 256, 4, 1024, 2, 0.1
LONG, FEW = 128, 8


# --- training -------------------------------------------------------------------------------------------------------


def batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    source, target = (torch.randint(EOS + 1, TOKENS, (BATCH, steps), generator=random) for steps in (SOURCE, TARGET))
    given = torch.cat([torch.full((BATCH, 1), BOS), target[:, :-1]], 1)
    return source, torch.full((BATCH,), SOURCE), given, target


def net() -> Any:
    torch.manual_seed(0)
    return models.create(
        "transformer",
        source_vocab_size=TOKENS,
        target_vocab_size=TOKENS,
        d_model=FEATURES,
        num_heads=HEADS,
        num_layers=BLOCKS,
        d_ff=UNITS,
        dropout=DROPOUT,
    )


def ours() -> Callable[[], object]:
    model, examples = net(), batch()
    loss = TokenLoss("torch")
    rule = torch.optim.Adam(model.parameters(), lr=1e-4)
    step = supervised(model, loss, rule, clip=1.0, measures={"nats": loss.nats, "tokens": loss.tokens})
    return lambda: step(examples)


def looped(parameters: list[Tensor], logits: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], float]:
    """The plain loop around a function of source and given."""
    source, _, given, target = batch()
    rule = torch.optim.Adam(parameters, lr=1e-4)

    def step() -> float:
        rule.zero_grad()
        loss = functional.cross_entropy(logits(source, given).flatten(0, 1), target.flatten(), ignore_index=PAD)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        rule.step()
        return loss.item()

    return step


def heads(x: Tensor, weight: Tensor, bias: Tensor, parts: int) -> tuple[Tensor, ...]:
    y = functional.linear(x, weight, bias)
    return y.view(*y.shape[:2], parts, HEADS, -1).transpose(1, 3).unbind(2)


def joined(q: Tensor, k: Tensor, v: Tensor, weight: Tensor, bias: Tensor, causal: bool = False) -> Tensor:
    y = functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return functional.linear(y.transpose(1, 2).flatten(2), weight, bias)


def bare() -> Callable[[], float]:
    state = {name: tensor.detach().clone().requires_grad_() for name, tensor in net().named_parameters()}
    table = torch.as_tensor(net().positions.table)

    def of(name: str) -> tuple[Tensor, Tensor]:
        return state[f"{name}.weight"], state[f"{name}.bias"]

    def add(x: Tensor, y: Tensor, name: str) -> Tensor:
        return functional.layer_norm(x + functional.dropout(y, DROPOUT), (FEATURES,), *of(f"{name}.norm"))

    def feed(x: Tensor, name: str) -> Tensor:
        y = functional.linear(x, *of(f"{name}.feed_forward.linear1")).relu()
        return add(x, functional.linear(y, *of(f"{name}.feed_forward.linear2")), f"{name}.add_feed_forward")

    def attend(x: Tensor, name: str, causal: bool) -> Tensor:
        q, k, v = heads(x, *of(f"{name}.attention.qkv"), 3)
        return add(x, joined(q, k, v, *of(f"{name}.attention.out"), causal), f"{name}.add_attention")

    def embed(name: str, tokens: Tensor) -> Tensor:
        x = functional.embedding(tokens, state[f"{name}.weight"]) * FEATURES**0.5 + table[: tokens.shape[1]]
        return functional.dropout(x, DROPOUT)

    def logits(source: Tensor, given: Tensor) -> Tensor:
        memory, x = embed("source_embedding", source), embed("embedding", given)
        for number in range(BLOCKS):
            memory = feed(attend(memory, f"encoder.{number}", False), f"encoder.{number}")
        for number in range(BLOCKS):
            name = f"decoder.{number}"
            x = attend(x, name, True)
            (q,) = heads(x, *of(f"{name}.cross.query"), 1)
            k, v = heads(memory, *of(f"{name}.cross.keys_values"), 2)
            x = feed(add(x, joined(q, k, v, *of(f"{name}.cross.out")), f"{name}.add_cross"), name)
        return functional.linear(x, state["embedding.weight"])

    return looped(list(state.values()), logits)


def torchs() -> Callable[[], float]:
    torch.manual_seed(0)
    body = nn.Transformer(FEATURES, HEADS, BLOCKS, BLOCKS, UNITS, DROPOUT, batch_first=True)
    tables, table = nn.ModuleList(nn.Embedding(TOKENS, FEATURES) for _ in range(2)), net().positions.table
    ahead = nn.Transformer.generate_square_subsequent_mask(TARGET)

    def embed(number: int, tokens: Tensor) -> Tensor:
        x = tables[number](tokens) * FEATURES**0.5 + table[: tokens.shape[1]]
        return functional.dropout(x, DROPOUT)

    def logits(source: Tensor, given: Tensor) -> Tensor:
        y = body(embed(0, source), embed(1, given), tgt_mask=ahead, tgt_is_causal=True)
        return functional.linear(y, tables[1].weight)

    return looped([*body.parameters(), *tables.parameters()], logits)


# --- decoding -------------------------------------------------------------------------------------------------------


def decoder() -> Transformer:
    """Of the size of `bench_decoding.bart`."""
    torch.manual_seed(0)
    model = models.create(
        "transformer",
        source_vocab_size=VOCAB,
        target_vocab_size=VOCAB,
        d_model=256,
        num_heads=4,
        num_layers=3,
        d_ff=1024,
        shared=True,
        positions="learned",
        max_steps=LONG + 2,
    )
    assert isinstance(model, Transformer)
    return model.eval()


def endless(step: Any) -> Any:
    """A step that never ends a sequence."""

    def stepped(tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        logits, state = step(tokens, state)
        logits[:, EOS] = -torch.inf
        return logits, state

    return stepped


def greedily(model: Transformer, source: Tensor, length: int, cached: bool = True) -> Callable[[], Tensor]:
    lengths, first = torch.full((len(source),), source.shape[1]), torch.full((len(source), 1), BOS)

    def anew(tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        said = torch.cat([state["said"], tokens], 1)
        logits, _ = model.decode(said, state["fresh"])
        return logits[:, -1], {**state, "said": said}

    def search() -> Tensor:
        with torch.inference_mode():
            state = model.encode(source, lengths)
            if cached:
                return decoding.generate(endless(model.step), first, length, state=state)
            return decoding.generate(endless(anew), first, length, state={"fresh": state, "said": first[:, :0]})

    return search


def beamed(model: Transformer, source: Tensor) -> Callable[[], Tensor]:
    lengths, first = torch.full((len(source),), source.shape[1]), torch.full((len(source), 1), BOS)

    def search() -> Tensor:
        with torch.inference_mode():
            state, step = model.encode(source, lengths), endless(model.step)
            return decoding.beam(step, first, state, end=EOS, length=STEPS, width=WIDTH, alpha=0.0).tokens[:, 0]

    return search


def run(rounds: int) -> list[Comparison]:
    """The training step, the cache, and both searches."""
    title = f"a step of training, {BATCH} pairs"
    comparisons = [compare(title, ("fathom", ours()), {"bare": bare(), "nn.Transformer": torchs()}, rounds)]
    model, theirs = decoder(), bart()
    source = torch.randint(EOS + 1, VOCAB, (SOURCES, SOURCE_STEPS), generator=torch.Generator().manual_seed(1))
    few = source[:FEW]
    cached, anew = greedily(model, few, LONG), greedily(model, few, LONG, cached=False)
    same = "the same tokens" if torch.equal(cached(), anew()) else "not the same tokens"
    title = f"{LONG} tokens greedily, {FEW} sources ({same})"
    comparisons.append(compare(title, ("fathom", cached), {"without a cache": anew}, rounds))
    sizes = [sum(parameter.numel() for parameter in each.parameters()) / 1e6 for each in (model, theirs)]
    size = f"{sizes[0]:.2f} M and {sizes[1]:.2f} M parameters"
    for count in (1, SOURCES):
        some, many = source[:count], f"{count} sources" if count > 1 else "1 source"
        peers = {"transformers": generated(theirs, some, 1)}
        title = f"{STEPS} tokens greedily, {many}, {size}"
        comparisons.append(compare(title, ("fathom", greedily(model, some, STEPS)), peers, rounds))
        peers = {"transformers": generated(theirs, some)}
        title = f"{STEPS} tokens, beam of {WIDTH}, {many}, {size}"
        comparisons.append(compare(title, ("fathom", beamed(model, some)), peers, rounds))
    return comparisons
