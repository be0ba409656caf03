"""Lets `translation` translate what Riva's clients ask for, in the languages and with the terms as they write them."""

from collections.abc import Iterable, Sequence

from ledge.translation.v1 import translation_pb2

from services.riva.names import Names, Warnings
from services.riva.peers import Peers

TERM_MARK = "##"
"""Between a term and its translation."""


class Translating:
    """Shared by all calls; holds nothing of them."""

    def __init__(self, peers: Peers, names: Names) -> None:
        self._peers = peers
        self._names = names

    async def texts(
        self,
        texts: Sequence[str],
        source: str,
        target: str,
        model: str,
        phrases: Iterable[str],
        warnings: Warnings,
    ) -> list[str]:
        """One translation for each text, in order."""
        listed = await self._peers.pairs.get()
        request = translation_pb2.TranslateRequest(
            model=self._names.model(model, {pair.model for pair in listed.pairs}, warnings),
            texts=texts,
            source_language=_known(source, {pair.source_language for pair in listed.pairs}),
            target_language=_known(target, {pair.target_language for pair in listed.pairs}),
            protected_terms=protected_terms(phrases),
        )
        response = await self._peers.translation.Translate(request)
        return [translation.text for translation in response.translations]


def protected_terms(phrases: Iterable[str]) -> list[translation_pb2.ProtectedTerm]:
    """The terms of `dnt_phrases`: NVIDIA's client joins all of a request's into one string, with commas between."""
    terms = []
    for phrase in phrases:
        for entry in phrase.split(","):
            term, _, translation = entry.partition(TERM_MARK)
            if term.strip():
                terms.append(translation_pb2.ProtectedTerm(term=term.strip(), translation=translation.strip()))
    return terms


def _known(asked: str, languages: Iterable[str]) -> str:
    """The language that is meant: "es-US" is "es" where there is but one Spanish. Else as it was asked for."""
    by_tag = {language.lower(): language for language in languages}
    tag = asked.replace("_", "-").lower()
    if tag in by_tag or not tag:
        return by_tag.get(tag, asked)
    primary = tag.partition("-")[0]
    fitting = [language for other, language in sorted(by_tag.items()) if other.partition("-")[0] == primary]
    return fitting[0] if fitting else asked
