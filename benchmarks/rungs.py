"""LeNet's loss on rungs torch, scratch and numpy, from the same initial weights: `python -m benchmarks.rungs`.

Trains on the sample of Fashion-MNIST that comes with fathom, draws the three curves and their distance from torch's
into `docs/pictures/rungs.png`, and prints the greatest differences.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fathom import recipes
from fathom.plot.style import COLOURS, figure, label_ends, whole_numbers

RUNGS = {"torch": ("#A9CBE2", 10.0), "scratch": (COLOURS[1], 4.5), "numpy": ("#222222", 1.3)}  # colour, width in points
SPLITS = {"train": "-", "test": (0, (4, 2.2))}  # the style of its lines
Curves = Mapping[str, np.ndarray]  # (epochs,) by `train_loss` and `test_loss`


def curves(rung: str, epochs: int, seed: int) -> dict[str, np.ndarray]:
    """LeNet's losses in nats by epoch; the same seed gives every rung the same weights and batches."""
    recipe = recipes.load("lenet")
    settings = {"optimizer": "adam", "lr": 0.005, "batch_size": 64, "data": "fashion-mnist-sample", "device": "cpu"}
    result = recipe.run(recipe.Config(**settings, epochs=epochs, seed=seed, rung=rung))
    return {f"{split}_loss": np.array([record[f"{split}_loss"] for record in result.history]) for split in SPLITS}


def draw(path: Path, results: Mapping[str, Curves]) -> None:
    """The curves over each other, the thinner on the thicker, beside their distance from torch's on a log axis."""
    with figure(path, (9.6, 4.0), 1, 2) as (page, grid):
        losses, distances = grid[0]
        losses.set(title="Loss of LeNet on three rungs", xlabel="epoch", ylabel="nats")
        distances.set(title="Distance from torch", xlabel="epoch", ylabel="nats", yscale="log")
        ends = []
        for rung, result in results.items():
            colour, width = RUNGS[rung]
            for split, style in SPLITS.items():
                loss = result[f"{split}_loss"]
                epochs = np.arange(1, len(loss) + 1)
                losses.plot(epochs, loss, color=colour, linewidth=width, label=rung if split == "train" else None)
                if rung != "torch":
                    distance = abs(loss - results["torch"][f"{split}_loss"])
                    distances.plot(epochs, distance, color=colour, linestyle=style, marker="o", markersize=3.5)
                    ends.append((f"{rung}, {split}", colour, distance[-1]))
        for axes in grid[0]:
            axes.grid(axis="y")
            whole_numbers(axes.xaxis)
        losses.legend(loc="upper right", fontsize=9)
        for split in SPLITS:
            first = results["torch"][f"{split}_loss"][0]
            losses.annotate(split, (1, first), xytext=(11, 3), textcoords="offset points", fontsize=9)
        page.canvas.draw()  # gives the axes their final height, which decides how close two labels may stand
        label_ends(distances, ends, epochs[-1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rungs", description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures/rungs.png"))
    arguments = parser.parse_args()
    results = {}
    for rung in RUNGS:
        results[rung] = curves(rung, arguments.epochs, arguments.seed)
        last = {name: f"{losses[-1]:.6f}" for name, losses in results[rung].items()}
        print(f"{rung}: after {arguments.epochs} epochs {last}", flush=True)
    for rung in ("scratch", "numpy"):
        for name, losses in results[rung].items():
            print(f"{rung}, {name}: at most {abs(losses - results['torch'][name]).max():.1e} from torch's")
    draw(arguments.out, results)
    print(arguments.out)


if __name__ == "__main__":
    main()
