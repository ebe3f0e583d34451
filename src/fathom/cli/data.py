"""`fathom data`: which data sets there are, and their files on this machine."""

from collections.abc import Sequence
from dataclasses import asdict

from fathom.cli.parser import Parser
from fathom.cli.printing import faint, print_json, quiet_data, stdout_for_json, table
from fathom.data import cards
from fathom.data.dataset import Card
from fathom.errors import InputError
from fathom.registry import unknown

DOES = """What there is, and where:
  list              all data sets, or the card of those named
  get NAME ...      download what is not here yet, with checksum
  verify NAME ...   compute the checksums of the files again
  path NAME         the folder that holds the files"""
ACTIONS = ("list", "get", "verify", "path")


def main(argv: Sequence[str]) -> int:
    """Do one of the four actions."""
    parser = Parser("data", DOES, ["fathom data list", "fathom data get fashion-mnist"])
    parser.add_argument("action", metavar="ACTION", help="list, get, verify or path")
    parser.add_argument("names", metavar="NAME", nargs="*", help="data sets")
    words = parser.parse_args(argv)
    if words.action not in ACTIONS:
        raise unknown("action of fathom data", words.action, ACTIONS)
    for name in words.names:
        cards.card(name)
    if words.action == "list":
        return _list(words.names, words.json, words.quiet)
    if not words.names:
        raise InputError(f"data {words.action}: expected a data set's name, got nothing; see fathom data list")
    with stdout_for_json(words.json), quiet_data(words.quiet):
        found = {name: _find(words.action, name) for name in words.names}
    if words.json:
        print_json(found)
    else:
        _print(words.action, found)
    return 0


def _find(action: str, name: str) -> dict[str, object]:
    from fathom.data import loading

    if action == "path":
        return {"path": str(loading.path(name))}
    files = loading.get(name) if action == "get" else loading.verify(name)
    return {"files": [{"path": str(file.path), "origin": file.origin, "sha256": file.sha256} for file in files]}


def _print(action: str, found: dict[str, dict[str, object]]) -> None:
    for name, answer in found.items():
        if action == "path":
            print(answer["path"])
            continue
        files = answer["files"]
        assert isinstance(files, list)
        for file in files:
            print(f"{name}: good: {file['path']} ({file['origin']})")
        if not files:
            print(f"{name}: is generated when it is loaded; it has no files")


def _list(names: Sequence[str], as_json: bool, quiet: bool) -> int:
    found = [cards.card(name) for name in names or cards.names()]
    if as_json:
        plain = [{**asdict(card), "splits": dict(card.splits)} for card in found]
        print_json(plain if names else {"sets": plain, "own": cards.kinds()})
    elif names:
        print("\n\n".join(_card(card) for card in found))
    else:
        rows = [
            (card.name, *(f"{card.splits.get(split, 0):,}" for split in ("train", "test")), card.title)
            for card in found
        ]
        print(table(("name", "train", "test", "title"), rows, right=(1, 2)))
        print("\nyour own, as --data KIND:PATH")
        for form in cards.kinds().values():
            print(f"  {form}")
        if not quiet:
            print(faint("\nfathom data list NAME tells more of one"))
    return 0


def _card(card: Card) -> str:
    size = sum(file.size for file in card.files)
    files = f"{len(card.files)}, {size / 1e6:.1f} MB" if card.files else card.by_hand or "none: it is generated"
    facts = {
        "title": card.title,
        "example": card.example,
        "splits": ", ".join(f"{count:,} {split}" for split, count in card.splits.items()),
        "classes": ", ".join(card.classes),
        "licence": card.licence,
        "homepage": card.homepage,
        "files": files,
        "sample": card.sample,
    }
    return "\n".join([card.name, *(f"  {name:9} {fact}" for name, fact in facts.items() if fact)])
