"""Contenders take turns in one process; what is reported is a ratio of medians, if a control says it may be."""

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

CONTROL_SPREAD = 1.1  # two copies of one contender may differ by so much, or nothing is reported


@dataclass(frozen=True)
class Timing:
    """Seconds of each measured run of one contender."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def measure(contenders: Mapping[str, Callable[[], object]], rounds: int = 7, seed: int = 0) -> dict[str, Timing]:
    """Time each contender `rounds` times, in an order shuffled anew each round, each after one unmeasured run.

    The garbage collector is off while a contender runs.
    """
    order, seconds = list(contenders), {name: [] for name in contenders}
    shuffle = random.Random(seed).shuffle
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            contenders[name]()
            gc.collect()
            gc.disable()
            start = time.perf_counter()
            contenders[name]()
            seconds[name].append(time.perf_counter() - start)
            gc.enable()
    return {name: Timing(name, tuple(values)) for name, values in seconds.items()}


@dataclass(frozen=True)
class Comparison:
    """One contender against the rest, with what an A/A control says about the machine's noise."""

    title: str
    ours: Timing
    control: Timing
    peers: tuple[Timing, ...]

    @property
    def noise(self) -> float:
        """Ratio of the medians of two copies of the same contender, at least 1."""
        ratio = self.ours.median / self.control.median
        return max(ratio, 1 / ratio)

    def ratio(self, peer: Timing) -> float:
        """Median over rounds of the peer's time divided by ours: above 1, ours is faster."""
        mine = [(a + b) / 2 for a, b in zip(self.ours.seconds, self.control.seconds, strict=True)]
        return statistics.median(theirs / ours for theirs, ours in zip(peer.seconds, mine, strict=True))

    def verdict(self, peer: Timing) -> str:
        """The ratio in words; `equal` within the control's spread, nothing when the machine was too noisy."""
        if self.noise > CONTROL_SPREAD:
            return f"not reported (control {self.noise:.2f})"
        ratio = self.ratio(peer)
        if max(ratio, 1 / ratio) <= max(self.noise, 1.02):
            return f"equal ({ratio:.2f})"
        return f"{ratio:.2f}× faster" if ratio > 1 else f"{1 / ratio:.2f}× slower"

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Table rows: title, contender, median in ms, ours against it, control."""
        lines = [(self.title, self.ours.name, f"{self.ours.median * 1e3:.1f}", "", f"{self.noise:.3f}")]
        lines += [(self.title, peer.name, f"{peer.median * 1e3:.1f}", self.verdict(peer), "") for peer in self.peers]
        return lines


def compare(
    title: str,
    ours: tuple[str, Callable[[], object]],
    peers: Mapping[str, Callable[[], object]],
    rounds: int = 7,
) -> Comparison:
    """Measure `ours`, a second copy of it as control, and the peers, in turns."""
    name, function = ours
    timings = measure({name: function, "control": function, **peers}, rounds)
    return Comparison(title, timings[name], timings["control"], tuple(timings[peer] for peer in peers))


def table(comparisons: list[Comparison]) -> str:
    """A Markdown table of all comparisons."""
    lines = ["| what | contender | median ms | fathom against it | A/A control |", "| --- | --- | ---: | --- | ---: |"]
    lines += ["| " + " | ".join(row) + " |" for comparison in comparisons for row in comparison.rows()]
    return "\n".join(lines)
