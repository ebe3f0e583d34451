"""Translation: the step of training beside the book's way, and beam search beside transformers' `generate`.

Training: an epoch of 600 pairs at the book's size (batches of 64, two layers of 32 units, dropout 0.1, Adam, clipping).
`the book's way` pads every sentence to 10 places and computes all of them, projects the keys anew at every step, joins
context and token before one product, and weighs each place's loss with a mask. The pairs are the first 600 of
`eng-fra` where they are to be had, else number words.

Search: beams of 4 over 32 sources of 17 tokens, 32 tokens each, a vocabulary of 8,000, random weights; no sequence ends
before. `one net`: a BART of transformers, 3 + 3 layers of 256 features, searched by its own `generate` and by
`fathom.decoding.beam`, which calls the same decoder with the same cache: both find the same sequences. `nets of one
size`: that BART by `generate`, and `bahdanau` with as many parameters by ours.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.harness import Comparison, compare
from fathom import data, decoding, models
from fathom.data.pairs import BOS, EOS, PAD
from fathom.recipes.common import translation
from fathom.recipes.seq2seq import DATA, Config
from fathom.train import Progress, fit, supervised

UNITS, LAYERS, PLACES, BATCH = 32, 2, 10, 64
SOURCES, SOURCE_STEPS, STEPS, WIDTH, VOCAB = 32, 17, 32, 4, 8000


# --- training -------------------------------------------------------------------------------------------------------


class PlainEncoder(nn.Module):
    """Embedding and GRU, the padding read too."""

    def __init__(self, vocab: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab, UNITS)
        self.rnn = nn.GRU(UNITS, UNITS, LAYERS, dropout=0.1)

    def forward(self, source: Tensor) -> tuple[Tensor, Tensor]:
        return self.rnn(self.embedding(source).permute(1, 0, 2))


class PlainDecoder(nn.Module):
    """The state as context of every token."""

    def __init__(self, vocab: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab, UNITS)
        self.rnn = nn.GRU(2 * UNITS, UNITS, LAYERS, dropout=0.1)
        self.dense = nn.Linear(UNITS, vocab)

    def forward(self, given: Tensor, outputs: Tensor, state: Tensor, lengths: Tensor) -> Tensor:
        x = self.embedding(given).permute(1, 0, 2)
        context = state[-1].repeat(len(x), 1, 1)
        x, _ = self.rnn(torch.cat([x, context], 2), state)
        return self.dense(x).permute(1, 0, 2)


class AttentiveDecoder(PlainDecoder):
    """Additive attention at each step, written out."""

    def __init__(self, vocab: int) -> None:
        super().__init__(vocab)
        self.keys, self.queries = nn.Linear(UNITS, UNITS, bias=False), nn.Linear(UNITS, UNITS, bias=False)
        self.score, self.dropout = nn.Linear(UNITS, 1, bias=False), nn.Dropout(0.1)

    def forward(self, given: Tensor, outputs: Tensor, state: Tensor, lengths: Tensor) -> Tensor:
        keys, said = outputs.permute(1, 0, 2), []
        for x in self.embedding(given).permute(1, 0, 2):
            sums = self.queries(state[-1].unsqueeze(1)).unsqueeze(2) + self.keys(keys).unsqueeze(1)
            scores = self.score(torch.tanh(sums)).squeeze(-1)
            flat = scores.reshape(-1, scores.shape[-1]).clone()
            places = torch.arange(flat.shape[1], device=flat.device)[None]
            flat[~(places < lengths.repeat_interleave(scores.shape[1])[:, None])] = -1e6
            weights = nn.functional.softmax(flat.reshape(scores.shape), dim=-1)
            context = torch.bmm(self.dropout(weights), keys)
            x = torch.cat([context, x.unsqueeze(1)], dim=-1)
            x, state = self.rnn(x.permute(1, 0, 2), state)
            said.append(x)
        return self.dense(torch.cat(said, dim=0)).permute(1, 0, 2)


def the_books_way(pairs: Any, attention: bool) -> Callable[[], object]:
    tensors = pairs.tensors
    x, y = (pad(tensors[name].long(), (0, PLACES - tensors[name].shape[1]), value=PAD) for name in ("x", "y"))
    batches = DataLoader(TensorDataset(x, tensors["x_length"], y, tensors["y_length"]), BATCH, shuffle=True)
    encoder = PlainEncoder(len(translation.coder(pairs.about, "source")))
    decoder = (AttentiveDecoder if attention else PlainDecoder)(len(translation.coder(pairs.about, "target")))
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.005)

    def epoch() -> float:
        total, tokens = 0.0, 0
        for source, source_length, target, target_length in batches:
            optimizer.zero_grad()
            given = torch.cat([torch.full((len(target), 1), BOS), target[:, :-1]], 1)
            logits = decoder(given, *encoder(source), source_length)
            weights = torch.ones_like(target)
            weights[~(torch.arange(PLACES)[None] < target_length[:, None])] = 0
            losses = cross_entropy(logits.permute(0, 2, 1), target, reduction="none")
            loss = (losses * weights).mean(dim=1)
            loss.sum().backward()
            norm = torch.sqrt(sum(torch.sum(parameter.grad**2) for parameter in parameters))
            if norm > 1:
                for parameter in parameters:
                    parameter.grad[:] *= 1 / norm
            optimizer.step()
            with torch.no_grad():
                total += loss.sum().item()
                tokens += int(target_length.sum())
        return total / tokens

    return epoch


def ours(pairs: Any, name: str) -> Callable[[], object]:
    config = Config()
    task = translation.task(translation.recurrent(name), config, pairs, None)
    model = task.build()
    optimizer = torch.optim.Adam(model.parameters(), lr=config.lr)
    step = supervised(model, task.loss, optimizer, clip=config.clip, measures=task.measures)
    batches = translation.batches(config, pairs, True, torch.device("cpu"))
    return lambda: fit(step, batches, epochs=1, state={"progress": Progress()})


# --- search ---------------------------------------------------------------------------------------------------------


def bart() -> Any:
    """A small BART with random weights that never ends a sequence."""
    from transformers import BartConfig, BartForConditionalGeneration

    torch.manual_seed(0)
    sizes = {f"{part}_{what}": size for part in ("encoder", "decoder") for what, size in SIZES.items()}
    config = BartConfig(
        vocab_size=VOCAB,
        d_model=256,
        max_position_embeddings=64,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        decoder_start_token_id=BOS,
        forced_eos_token_id=None,
        init_std=0.2,
        **sizes,
    )
    model = BartForConditionalGeneration(config).eval()
    model.final_logits_bias[0, EOS] = -1e9
    return model


SIZES = {"layers": 3, "attention_heads": 4, "ffn_dim": 1024}


def generated(model: Any, source: Tensor, width: int = WIDTH) -> Callable[[], Tensor]:
    options = {"num_beams": width, "max_new_tokens": STEPS, "length_penalty": 0.0, "do_sample": False}
    here = torch.ones_like(source)

    def search() -> Tensor:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return model.generate(source, attention_mask=here, **options)[:, 1:]

    return search


def behind_ours(model: Any, source: Tensor) -> Callable[[], Tensor]:
    """The same decoder and cache as a step function; its state says in which order the rows of the cache are wanted."""
    from transformers import DynamicCache, EncoderDecoderCache

    def search() -> Tensor:
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        with torch.inference_mode():
            encoded = model.get_encoder()(source)[0]

            def step(tokens: Tensor, state: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
                for layer in cache.self_attention_cache.layers:
                    layer.keys, layer.values = (
                        part.index_select(0, state["order"]) for part in (layer.keys, layer.values)
                    )
                if len(tokens) != SOURCES and cache.cross_attention_cache.layers[0].keys.shape[0] == SOURCES:
                    for layer in cache.cross_attention_cache.layers:
                        layer.keys, layer.values = (
                            part.repeat_interleave(WIDTH, 0) for part in (layer.keys, layer.values)
                        )
                output = model(
                    encoder_outputs=(state["source"][0],),
                    decoder_input_ids=tokens,
                    past_key_values=cache,
                    use_cache=True,
                )
                return output.logits[:, -1], {**state, "order": torch.arange(len(tokens))}

            state = {"order": torch.arange(SOURCES), "source": decoding.Fixed([encoded])}
            first = torch.full((SOURCES, 1), BOS)
            return decoding.beam(step, first, state, end=EOS, length=STEPS, width=WIDTH, alpha=0.0).tokens[:, 0]

    return search


def of_one_size(parameters: int, source: Tensor) -> tuple[Callable[[], Tensor], int]:
    """A net with attention of about so many parameters, searched with our beam, and how many it has."""
    sizes = range(64, 1024, 8)

    def net(hidden: int) -> Any:
        return models.create(
            "bahdanau",
            source_vocab_size=VOCAB,
            target_vocab_size=VOCAB,
            embedding_size=hidden // 2,
            hidden_size=hidden,
            num_layers=2,
        )

    def count(hidden: int) -> int:
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in net(hidden).parameters())

    hidden = min(sizes, key=lambda size: abs(count(size) - parameters))
    torch.manual_seed(0)
    model = net(hidden).eval()
    with torch.no_grad():
        model.output.bias[EOS] = -1e9
    lengths, first = torch.full((SOURCES,), SOURCE_STEPS), torch.full((SOURCES, 1), BOS)

    def search() -> Tensor:
        with torch.inference_mode():
            state = model.encode(source, lengths)
            return decoding.beam(model.step, first, state, end=EOS, length=STEPS, width=WIDTH, alpha=0.0).tokens[:, 0]

    return search, count(hidden)


def run(rounds: int) -> list[Comparison]:
    """Both trainings, then both searches."""
    try:
        pairs, _ = translation.load_splits(DATA)
    except data.store.UnavailableError:
        pairs, _ = translation.load_splits("number-words,pairs=600,steps=10,test=0")
    comparisons = []
    for name in ("seq2seq", "bahdanau"):
        peers = {"the book's way": the_books_way(pairs, name == "bahdanau")}
        title = f"{name}, an epoch of {len(pairs)} pairs"
        comparisons.append(compare(title, ("fathom", ours(pairs, name)), peers, rounds))
    model = bart()
    source = torch.randint(EOS + 1, VOCAB, (SOURCES, SOURCE_STEPS), generator=torch.Generator().manual_seed(1))
    theirs, behind = generated(model, source), behind_ours(model, source)
    same = float((theirs() == behind()).all(dim=1).float().mean())
    size = sum(parameter.numel() for parameter in model.parameters())
    net, count = of_one_size(size, source)
    peers = {"transformers": theirs}
    title = f"beam of {WIDTH}, one net ({100 * same:.0f} % of the sequences are the same)"
    comparisons.append(compare(title, ("fathom", behind), peers, rounds))
    title = f"beam of {WIDTH}, nets of one size ({size / 1e6:.2f} M and {count / 1e6:.2f} M parameters)"
    comparisons.append(compare(title, ("fathom", net), peers, rounds))
    return comparisons
