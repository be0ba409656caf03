"""Answers in the language of the person: where documents are of another, question and answer are translated.

question ──translated──► documents ──sentences──translated──► answer, its marks of citations behind each sentence
"""

import logging
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

import grpc
from ledge.translation.v1 import translation_pb2

from services.voice.answering.pieces import Done, Piece, Question, SpokenIn, Text
from services.voice.conversation import turns_of
from services.voice.peers import Peers
from services.voice.speaking.voices import primary

log = logging.getLogger("ledge.voice")
_MARK = re.compile(r"\s*\[\d+\]")
_SENTENCE = re.compile(r".+?[.!?…][\"”')\]]*(?:\s*\[\d+\])*(?=\s)|.+?\n", re.S)
_MARKS_TO_COME = re.compile(r"(?:\s*\[\d+\])*\s*(?:\[\d*)?")
LONGEST_SENTENCE_CHARACTERS = 2000
Ask = Callable[[str], AsyncGenerator[Piece, None]]


async def in_language(peers: Peers, question: Question, of_documents: str, ask: Ask) -> AsyncGenerator[Piece, None]:
    """The pieces of the answer.

    Args:
        ask: answers a question in the documents' language; empty: the last turn as it stands.
    """
    language = question.language
    if not language or primary(language) == of_documents:
        # Nobody speaks the language of documents worse than that of a voice that was asked for.
        async with aclosing(ask("")) as pieces:
            yield SpokenIn(language)
            async for piece in pieces:
                yield piece
        return
    turns = turns_of(list(question.items))
    asked = turns[-1].text if turns else ""
    try:
        there, back = await _has_pairs(peers, language, of_documents)
        translated = await _translated(peers, asked, language, of_documents) if there and back else ""
    except grpc.aio.AioRpcError as error:
        log.warning("a question cannot be translated", extra={"code": error.code().name})
        translated = ""
    if not translated:
        async with aclosing(ask("")) as pieces:
            yield SpokenIn(of_documents)
            async for piece in pieces:
                yield _without(piece, "translation")
        return
    yield SpokenIn(language, translated_from=of_documents)
    sentences = Sentences()
    degraded = False
    async with aclosing(ask(translated)) as pieces:
        async for piece in pieces:
            whole = sentences.add(piece.text) if isinstance(piece, Text) else []
            if isinstance(piece, Done):
                whole = sentences.finish()
            for sentence in whole:
                text, failed = await _sentence_in(peers, sentence, of_documents, language)
                degraded = degraded or failed
                yield Text(text)
            if not isinstance(piece, Text):
                yield _without(piece, "translation") if degraded else piece


class Sentences:
    """Cuts text that is still being written into sentences, with the marks behind them."""

    def __init__(self) -> None:
        self._text = ""

    def add(self, text: str) -> list[str]:
        self._text += text
        whole = []
        while (found := _SENTENCE.match(self._text)) is not None or len(self._text) > LONGEST_SENTENCE_CHARACTERS:
            end = found.end() if found is not None else LONGEST_SENTENCE_CHARACTERS
            # Marks may follow that are not here yet.
            if found is not None and _MARKS_TO_COME.fullmatch(self._text, end):
                break
            whole.append(self._text[:end])
            self._text = self._text[end:]
        return whole

    def finish(self) -> list[str]:
        text, self._text = self._text, ""
        return [text] if text.strip() else []


async def _sentence_in(peers: Peers, sentence: str, source: str, target: str) -> tuple[str, bool]:
    """The sentence in another language, and whether that failed: then it stays as it is."""
    before = sentence[: len(sentence) - len(sentence.lstrip())]
    marks = "".join(mark.strip() for mark in _MARK.findall(sentence))
    try:
        text = await _translated(peers, _MARK.sub("", sentence).strip(), source, target)
    except grpc.aio.AioRpcError as error:
        log.warning("an answer cannot be translated", extra={"code": error.code().name})
        return sentence, True
    return before + text + (f" {marks}" if marks else ""), False


async def _has_pairs(peers: Peers, language: str, of_documents: str) -> tuple[bool, bool]:
    if not peers.has_translation:
        return False, False
    pairs = {(primary(pair.source_language), primary(pair.target_language)) for pair in (await peers.pairs.get()).pairs}
    return (primary(language), of_documents) in pairs, (of_documents, primary(language)) in pairs


async def _translated(peers: Peers, text: str, source: str, target: str) -> str:
    if not text.strip():
        return text
    request = translation_pb2.TranslateRequest(
        texts=[text], source_language=primary(source), target_language=primary(target)
    )
    response = await peers.translation.Translate(request)
    return str(response.translations[0].text)


def _without(piece: Piece, what: str) -> Piece:
    return replace(piece, degraded=(*piece.degraded, what)) if isinstance(piece, Done) else piece
