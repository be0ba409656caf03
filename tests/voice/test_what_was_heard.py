"""Property tests of what an interruption leaves: of the history what was heard, of what is to be sent nothing old."""

import asyncio
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from ledge.voice.v1 import voice_pb2 as pb

from services.voice.conversation import SLACK_MS, Conversation, text_of
from services.voice.conversing.outbox import MAX_WAITING_BYTES, Outbox
from services.voice.speaking.spoken_words import SpokenWords
from tests.voice.virtual_time import run

ITEM = "item_answer"
WORDS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=9), max_size=20
)


@st.composite
def spoken(draw: st.DrawFn) -> SpokenWords:
    """An answer with the times of its words, of some of them, or of none; spoken in other words here and there."""
    words = draw(WORDS)
    known = draw(st.lists(st.sampled_from(words), max_size=20)) if words else []
    gaps_ms = draw(st.lists(st.integers(0, 800), min_size=len(known), max_size=len(known)))
    answer = SpokenWords(" ".join(words), is_whole=draw(st.booleans()))
    at_ms = 0
    for word, gap_ms in zip(known, gaps_ms, strict=True):
        answer.add_word(draw(st.sampled_from([word, word.upper(), "forty"])), at_ms)
        at_ms += gap_ms
    answer.length_ms = at_ms + draw(st.integers(0, 900))
    return answer


@given(spoken(), st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_of_an_answer_that_is_cut_whole_words_from_its_beginning_are_kept(
    answer: SpokenWords, shares: list[float]
) -> None:
    conversation = Conversation(max_items=8, max_characters=10_000)
    content = [pb.Content(output_audio_transcript=answer.text)]
    conversation.add(pb.Item(id=ITEM, message=pb.Message(role=pb.Item.ASSISTANT, content=content)))
    conversation.keep_spoken(ITEM, answer)
    cut_at = sorted(round(share * (answer.length_ms + SLACK_MS)) for share in shares)
    before = ""
    for heard_ms in cut_at:
        is_less = conversation.truncate(ITEM, 0, heard_ms)
        kept = text_of(conversation.get(ITEM))
        assert answer.text.startswith(kept)
        assert not kept or answer.text[len(kept) : len(kept) + 1] in ("", " "), "words are whole"
        assert kept.startswith(before), "who heard for longer heard no less"
        assert is_less == (kept != answer.text)
        before = kept


def audio_of(response_id: str) -> Callable[[pb.ConverseResponse], bool]:
    return lambda event: bool(event.audio_delta.response_id == response_id)


TOLD = st.one_of(
    st.tuples(st.just("audio"), st.integers(1, 4)),
    st.tuples(st.just("text"), st.integers(1, 4)),
    st.tuples(st.just("drop"), st.integers(1, 4)),
    st.tuples(st.just("take"), st.integers(1, 4)),
)


@given(st.lists(TOLD, max_size=40))
def test_audio_of_an_answer_that_was_dropped_is_not_sent_and_all_else_is_in_order(told: list[tuple[str, int]]) -> None:
    run(_sent_in_order(told))


async def _sent_in_order(told: list[tuple[str, int]]) -> None:
    outbox = Outbox(patience_s=1, give_up=lambda: None)
    sent = outbox.events()
    expected: list[pb.ConverseResponse] = []

    async def take(count: int) -> None:
        for _ in range(count):
            assert await anext(sent) == expected.pop(0)

    for number, (what, of) in enumerate(told):
        match what:
            case "audio" | "text":
                fields = {"response_id": f"resp_{of}", "item_id": str(number)}
                audio = pb.AudioDelta(audio=bytes(MAX_WAITING_BYTES // 40), **fields)
                event = (
                    pb.ConverseResponse(audio_delta=audio)
                    if what == "audio"
                    else pb.ConverseResponse(transcript_delta=pb.TextDelta(text="so", **fields))
                )
                await outbox.put(event)
                expected.append(event)
            case "drop":
                is_stale = audio_of(f"resp_{of}")
                outbox.drop(is_stale)
                expected = [event for event in expected if not is_stale(event)]
            case "take":
                await take(min(of, len(expected)))
    await take(len(expected))
    # What was dropped takes no room: as much goes in as at first.
    async with asyncio.timeout(0.5):
        for _ in range(40):
            await outbox.put(pb.ConverseResponse(audio_delta=pb.AudioDelta(audio=bytes(MAX_WAITING_BYTES // 41))))
    outbox.close()
