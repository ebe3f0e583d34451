"""Numbers in English words and in French ones, generated: a language pair of any size whose translations are certain.

    three hundred and ninety-one        trois cent quatre-vingt-onze

English as it is said in Britain, with `and` before tens and ones; French as in France, spelled as before 1990: hyphens
below a hundred only, `et un` and `et onze`, `quatre-vingts` and `cents` with an s where nothing follows them but a
million or a milliard, `mille` never.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fathom.data.dataset import Card
from fathom.data.options import PAIR_OPTIONS, integer
from fathom.errors import InputError
from fathom.records import DataUsed

if TYPE_CHECKING:
    from fathom.data.pairs import PairDataset, Texts

PAIRS, MOST = 11_000, 999_999
LIMIT = 10**12 - 1  # up to here, names are told
CARD = Card(
    name="number-words",
    title="Numbers to a million in English and in French words",
    example="a number in English words and in French ones, each with the end symbol",
    splits={"train": 9_890, "test": 1_110},
    licence="generated; Apache-2.0 as this package",
    task="translation",
)
CARDS = (CARD,)
OPTIONS = {
    **PAIR_OPTIONS,
    "most": integer(1),  # the largest number
    "seed": integer(0),
}
ENGLISH = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
FRENCH = (
    *("zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze", "douze"),
    *("treize", "quatorze", "quinze", "seize", "dix-sept", "dix-huit", "dix-neuf"),
)
DIZAINES = ("", "", "vingt", "trente", "quarante", "cinquante", "soixante", "soixante", "quatre-vingt", "quatre-vingt")
SCALES = ((10**9, "billion", "milliard"), (10**6, "million", "million"), (1000, "thousand", "mille"))


def read(card: Card, split: str, options: dict[str, Any]) -> PairDataset:
    """One split of `pairs` numbers from 0 to `most`, those of few digits and of many alike; as of `pairs.dataset`."""
    from fathom.data import pairs

    used = DataUsed(name=card.name, origin="generated")
    return pairs.dataset(card, split, lambda: _texts(options), used, options)


def _texts(options: dict[str, Any]) -> Texts:
    found = drawn(options.get("pairs") or PAIRS, options.get("most", MOST), options.get("seed", 0))
    return [english(number) for number in found], [french(number) for number in found]


def drawn(count: int, most: int, seed: int = 0) -> list[int]:
    """Different numbers from 0 to `most` in random order; their logarithms are even, as long as there are enough.

    Raises:
        InputError: there are not so many, or `most` has no name.
    """
    import torch

    from fathom import seeding

    if most > LIMIT:
        raise InputError(f"number-words: most: expected at most {LIMIT:,}, got {most:,}; larger ones have no name here")
    if count > most + 1:
        raise InputError(f"number-words: expected at most {most + 1:,} numbers from 0 to {most:,}, got {count:,} pairs")
    random = seeding.generator(seed, count, most)
    if 4 * count > most:
        return torch.randperm(most + 1, generator=random)[:count].tolist()
    found: dict[int, None] = {}
    while len(found) < count:
        logarithms = torch.rand(count, generator=random, dtype=torch.float64)
        found |= dict.fromkeys(((most + 2) ** logarithms - 1).long().clamp(max=most).tolist())
    order = torch.randperm(len(found), generator=random)[:count].tolist()
    numbers = list(found)
    return [numbers[place] for place in order]


def english(number: int) -> str:
    """A number from 0 to `LIMIT` in English words.

    >>> english(1_001), english(342_000)
    ('one thousand and one', 'three hundred and forty-two thousand')
    """
    if number < 20:
        return ENGLISH[number]
    if number < 100:
        return TENS[number // 10] + (f"-{ENGLISH[number % 10]}" if number % 10 else "")
    size, name = next(((size, name) for size, name, _ in SCALES if number >= size), (100, "hundred"))
    words, rest = f"{english(number // size)} {name}", number % size
    joint = " and " if 0 < rest < 100 else " "
    return words + (joint + english(rest) if rest else "")


def french(number: int, last: bool = True) -> str:
    """A number from 0 to `LIMIT` in French words.

    Args:
        last: nothing follows but a noun, so that `vingts` and `cents` may take their s.

    >>> french(80), french(80_000), french(291), french(200_000_000)
    ('quatre-vingts', 'quatre-vingt mille', 'deux cent quatre-vingt-onze', 'deux cents millions')
    """
    if number < 100:
        return _below_hundred(number, last)
    if number < 1000:
        hundreds, rest = divmod(number, 100)
        words = "cent" if hundreds == 1 else f"{FRENCH[hundreds]} cent"
        plural = "s" if last and hundreds > 1 and not rest else ""
        return words + (f" {french(rest, last)}" if rest else plural)
    size, name = next((size, name) for size, _, name in SCALES if number >= size)
    front, rest = divmod(number, size)
    if name == "mille":
        words = "mille" if front == 1 else f"{french(front, last=False)} mille"
    else:
        words = f"{french(front)} {name}{'s' if front > 1 else ''}"
    return words + (f" {french(rest, last)}" if rest else "")


def _below_hundred(number: int, last: bool) -> str:
    if number < 20:
        return FRENCH[number]
    tens = number // 10
    ones = number - 10 * (tens - 1 if tens in (7, 9) else tens)  # 71 is sixty and eleven
    if not ones:
        return DIZAINES[tens] + ("s" if tens == 8 and last else "")
    joint = " et " if ones in (1, 11) and tens < 8 else "-"
    return DIZAINES[tens] + joint + FRENCH[ones]
