"""Which pair of languages, and so which model, a request means."""

from collections.abc import Sequence

from services.kit.errors import InvalidInput, NotFound
from services.translation.engine import Pair

TOLD_PAIRS = 12
"""Of an engine that has hundreds, in an error."""


class Pairs:
    """The pairs of an engine, found by languages in BCP-47: as they are, else by their first part."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.all = pairs
        self._found: dict[tuple[str, str, str], Pair] = {}
        for model in ("", *dict.fromkeys(pair.model for pair in pairs)):
            for pair in pairs:
                if model in ("", pair.model):
                    self._found.setdefault((model, pair.source.lower(), pair.target.lower()), pair)

    def sources(self, target: str, model: str) -> set[str]:
        """The languages, by their first part, from which there is a way to the target."""
        targets = _names(target)
        return {primary(source) for named, source, to in self._found if named == model and to in targets}

    def find(self, source: str, target: str, model: str) -> Pair:
        """Raises NotFound, which says which there are."""
        for source_name in _names(source):
            for target_name in _names(target):
                if pair := self._found.get((model, source_name, target_name)):
                    return pair
        there = [f"{pair.source}-{pair.target}" for pair in self.all if model in ("", pair.model)]
        more = f" and {len(there) - TOLD_PAIRS} more" if len(there) > TOLD_PAIRS else ""
        raise NotFound(f"no model has {source}-{target}; there is {', '.join(there[:TOLD_PAIRS])}{more}")


def primary(language: str) -> str:
    """The language of a tag, without region and script."""
    return language.partition("-")[0].lower()


def checked_language(tag: str, field: str) -> str:
    """Raises InvalidInput for what no tag looks like."""
    parts = tag.replace("_", "-").split("-")
    if len(tag) > 35 or not all(part.isascii() and part.isalnum() and len(part) <= 8 for part in parts):
        raise InvalidInput(f"{field} is {tag[:40]!r}, which is no language of BCP-47 such as en or pt-BR")
    return "-".join(parts)


def _names(language: str) -> Sequence[str]:
    """As it is, then its first part."""
    return tuple(dict.fromkeys((language.lower(), primary(language))))
