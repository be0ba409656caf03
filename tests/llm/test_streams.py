"""The two pieces of machinery in every stream: chunks that cross from native threads, and stop strings."""

import asyncio
import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from services.kit.stop_strings import StopStrings
from services.llm.engines.handover import Channel, Handover


class End(Exception):
    """What a thread puts last."""


@settings(max_examples=40, deadline=None)
@given(
    calls=st.lists(st.lists(st.binary(max_size=3), max_size=30), min_size=1, max_size=6),
    rests_ms=st.lists(st.sampled_from([0, 0, 0.1, 1]), min_size=1, max_size=5),
)
def test_each_reader_gets_its_own_chunks_all_and_in_order(calls: list[list[bytes]], rests_ms: list[float]) -> None:
    async def play() -> list[list[bytes]]:
        handover = Handover()
        channels = [Channel(handover) for _ in calls]

        def speak(channel: Channel, chunks: list[bytes]) -> None:
            for chunk in chunks:
                channel.put(chunk)
            channel.put(End())

        async def listen(channel: Channel) -> list[bytes]:
            heard: list[bytes] = []
            for turn in range(1000):
                for chunk in await channel.take(rests_ms[turn % len(rests_ms)] / 1000):
                    if isinstance(chunk, Exception):
                        return heard
                    heard.append(chunk)
            raise AssertionError("the end never came")

        pairs = zip(channels, calls, strict=True)
        threads = [threading.Thread(target=speak, args=(channel, chunks)) for channel, chunks in pairs]
        listeners = [asyncio.create_task(listen(channel)) for channel in channels]
        for thread in threads:
            thread.start()
        async with asyncio.timeout(20):
            heard = await asyncio.gather(*listeners)
        for thread in threads:
            thread.join()
        return heard

    assert asyncio.run(play()) == calls


async def test_the_end_does_not_wait_for_a_rest() -> None:
    channel = Channel(Handover())
    resting = asyncio.create_task(channel.take(rest_s=3600))
    thread = threading.Thread(target=channel.put, args=(End(),))
    thread.start()
    async with asyncio.timeout(20):
        (end,) = await resting
    thread.join()
    assert isinstance(end, End)


@given(
    text=st.text("abc", max_size=30), stops=st.lists(st.text("abc", min_size=1, max_size=4), max_size=3), data=st.data()
)
def test_however_a_text_is_cut_up_it_ends_before_the_first_stop_string(
    text: str, stops: list[str], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    filtered = StopStrings(stops)
    out = ""
    for piece in pieces:
        out += filtered.feed(piece)
        assert not any(stop in out for stop in stops)
        if filtered.met:
            break
    else:
        out += filtered.finish()
    ends = [place for stop in stops if (place := text.find(stop)) >= 0]
    assert filtered.met == bool(ends)
    assert text.startswith(out)
    if not ends:
        assert out == text
