"""The pictures of a contest that have no label, by the name of its data."""

from typing import Any

from fathom.data import cards, contest_folder, options, store
from fathom.data.contest_folder import Entries
from fathom.data.loading import parse
from fathom.data.options import expanded
from fathom.errors import InputError


def load_entries(name: str, **defaults: Any) -> Entries:
    """What the contest `name` wants predicted.

    Args:
        name, defaults: as `fathom.data.load` takes them.

    Raises:
        InputError: the data are no contest, and as `fathom.data.load`.
        DataError: a file or folder is missing or damaged.

    Where the sample of a registered set stands in for its labelled pictures, it does so here.
    """
    spec = parse(name)
    if spec.kind == "contest":
        chosen = options.resolve(spec.kind, contest_folder.OPTIONS, spec.options, defaults)
        return contest_folder.entries(name, expanded(spec.target), chosen)
    module: Any = None if spec.kind else cards.module(spec.target)
    if not hasattr(module, "entries"):
        raise InputError(
            f"{name}: expected a contest, with pictures to predict, got data without; give contest:DIR or cifar10-tiny"
        )
    card = cards.card(spec.target)
    try:
        found: Entries = module.entries(card, options.resolve(card.name, module.OPTIONS, spec.options, defaults))
        return found
    except store.UnavailableError:
        if not card.sample:
            raise
    stand_in = ",".join([card.sample, *(f"{key}={value}" for key, value in spec.options.items())])
    return load_entries(stand_in, **defaults)
