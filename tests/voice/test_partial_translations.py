"""Partial translations: one at a time, the latest wins, and nothing is told after the end."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from ledge.asr.v1 import asr_pb2
from ledge.voice.v1 import voice_pb2 as pb

from services.voice.interpreting.partial_translations import PartialTranslations, agreed_characters


class Translator:
    """Translates by turning capitals, when it is let to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.at_work = 0
        self.free = asyncio.Semaphore(0)

    async def __call__(self, text: str) -> str:
        self.asked.append(text)
        self.at_work += 1
        assert self.at_work == 1
        try:
            await self.free.acquire()
        finally:
            self.at_work -= 1
        return text.swapcase()


def partial(text: str, stable: str) -> asr_pb2.Partial:
    assert text.startswith(stable)
    return asr_pb2.Partial(text=text, stable_characters=len(stable))


async def settled() -> None:
    """Until all that can run has run."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_latest_is_translated_and_what_came_between_is_not() -> None:
    translate, told = Translator(), list[pb.TranslatedSpeech]()
    async with asyncio.TaskGroup() as group:
        partials = PartialTranslations(group, translate, told.append)
        for text in ("a b", "a b c", "a b c d", "a b c d e"):
            partials.hear(pb.TranslatedSpeech(index=7), partial(text, text[:-2]))
            await settled()
        translate.free.release()
        translate.free.release()
        await settled()
    assert translate.asked == ["a", "a b c d"]
    assert [(one.index, one.source_text, one.text) for one in told] == [(7, "a b", "A"), (7, "a b c d e", "A B C D")]
    assert [one.stable_characters for one in told] == [0, 1]


async def test_what_stays_stable_is_not_translated_again() -> None:
    translate, told = Translator(), list[pb.TranslatedSpeech]()
    async with asyncio.TaskGroup() as group:
        partials = PartialTranslations(group, translate, told.append)
        translate.free.release()
        for text in ("a b", "a c", "a d"):
            partials.hear(pb.TranslatedSpeech(), partial(text, "a"))
            await settled()
    assert translate.asked == ["a"]
    assert [(one.source_text, one.text) for one in told] == [("a b", "A"), ("a c", "A"), ("a d", "A")]


async def test_nothing_of_an_utterance_is_told_after_its_end() -> None:
    translate, told = Translator(), list[pb.TranslatedSpeech]()
    async with asyncio.TaskGroup() as group:
        partials = PartialTranslations(group, translate, told.append)
        partials.hear(pb.TranslatedSpeech(index=0), partial("a b", "a"))
        await settled()
        partials.end()
        partials.hear(pb.TranslatedSpeech(index=1), partial("c d", "c"))
        translate.free.release()
        await settled()
    assert [(one.index, one.text) for one in told] == [(1, "C")]


words = st.lists(st.sampled_from(["a", "b", "cc"]), max_size=6).map(" ".join)


@given(before=words, now=words)
def test_what_agrees_is_a_beginning_of_both_in_whole_words(before: str, now: str) -> None:
    agreed = agreed_characters(before, now)
    assert before[:agreed] == now[:agreed]
    assert now[agreed : agreed + 1] in ("", " ") or agreed == 0
    assert before[agreed : agreed + 1] in ("", " ") or agreed == 0
