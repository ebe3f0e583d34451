"""`fathom list`: what there is to train."""

from collections.abc import Sequence

from fathom import recipes
from fathom.cli.parser import Parser
from fathom.cli.printing import faint, print_json, published_text, table
from fathom.records import Published


def main(argv: Sequence[str]) -> int:
    """Print all recipes, read from their sources without importing them."""
    parser = Parser("list", "Recipes: book section or paper, data, published figure.", ["fathom list"])
    words = parser.parse_args(argv)
    found = [recipes.summary(name) for name in recipes.names()]
    if words.json:
        print_json(found)
        return 0
    rows = [
        (
            entry["name"],
            entry.get("SECTION", ""),
            entry.get("DATA", ""),
            published_text(Published(**figure) for figure in entry.get("PUBLISHED", ())),
        )
        for entry in found
    ]
    print(table(("recipe", "section", "data", "published"), rows))
    if not words.quiet:
        print(faint("\nfathom show NAME tells more of one; fathom train NAME runs it"))
    return 0
