"""Which windows are decoded next, which together, and which not at all."""

import asyncio

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.asr.engine import SAMPLE_RATE_HZ, Hypothesis
from services.asr.whisper.window import (
    LONGEST_S,
    LONGEST_SPEECH_SAMPLES,
    Asked,
    Kind,
    Window,
    cut_place,
    window_length_s,
)
from services.asr.whisper.window_queue import WindowQueue

NOBODY: "asyncio.Future[Hypothesis | None]" = None  # type: ignore[assignment]  # the queue leaves results alone
KINDS = st.sampled_from(Kind)


def window(kind: Kind, deadline_s: float = 0.0, window_s: int = 10, hotwords: int = 0, beam_size: int = 1) -> Window:
    asked = Asked(hotword_tokens=[1] * hotwords)
    return Window(np.zeros(16_000, np.float32), window_s, asked, kind, deadline_s, NOBODY, beam_size)


def queue_of(*windows: Window) -> WindowQueue:
    queue = WindowQueue()
    for place, one in enumerate(windows):
        one.since_s = place
        queue.add(one)
    return queue


def test_finals_overtake_early_ones_and_those_partials() -> None:
    partial, early, final = window(Kind.PARTIAL, 1), window(Kind.EARLY, 2), window(Kind.FINAL, 3)
    queue = queue_of(partial, early, final)
    assert [queue.take(8) for _ in range(4)] == [[final], [early], [partial], []]


def test_of_finals_the_earliest_deadline_comes_first() -> None:
    late, soon = window(Kind.FINAL, 9), window(Kind.FINAL, 1)
    assert queue_of(late, soon).take(1) == [soon]


def test_partials_come_in_the_order_in_which_they_were_asked_for_however_often_they_are_renewed() -> None:
    first, second = window(Kind.PARTIAL, 1), window(Kind.PARTIAL, 2)
    queue = queue_of(first, second)
    heard = np.ones(32_000, np.float32)
    assert queue.renew(first, heard, 10, 99)
    assert queue.take(1) == [first]
    assert first.samples is heard
    assert not queue.renew(first, heard, 10, 100)


def test_what_is_alike_is_decoded_together_and_nothing_else() -> None:
    finals = [window(Kind.FINAL, place) for place in range(3)]
    others = [
        window(Kind.FINAL, window_s=20),
        window(Kind.FINAL, hotwords=2),
        window(Kind.FINAL, beam_size=5),
        window(Kind.EARLY),
        window(Kind.PARTIAL),
    ]
    queue = queue_of(*finals, *others)
    finals[0].deadline_s = -1
    assert queue.take(8) == finals
    assert len(queue) == len(others)


def test_a_batch_is_no_larger_than_it_may_be_and_is_shared_among_the_free_workers() -> None:
    finals = [window(Kind.FINAL, place) for place in range(20)]
    queue = queue_of(*finals)
    assert queue.take(8) == finals[:8]
    assert queue.take(8, shares=2) == finals[8:14]


def test_stale_partials_are_dropped_and_nothing_else_is() -> None:
    stale, fresh, final = window(Kind.PARTIAL, 1), window(Kind.PARTIAL, 3), window(Kind.FINAL, 0)
    queue = queue_of(stale, fresh, final)
    assert queue.drop_stale(2.0) == [stale]
    assert len(queue) == 2


def test_partials_can_be_left_waiting() -> None:
    queue = queue_of(window(Kind.PARTIAL))
    assert queue.take(8, partials=False) == []
    assert len(queue) == 1


@given(st.lists(st.tuples(KINDS, st.integers(0, 5), st.sampled_from([10, 20, 30])), max_size=40), st.integers(1, 8))
def test_every_window_is_taken_once_and_no_more_urgent_one_of_its_bucket_after_it(
    wanted: list[tuple[Kind, int, int]], most: int
) -> None:
    windows = [window(kind, deadline_s, window_s) for kind, deadline_s, window_s in wanted]
    queue = queue_of(*windows)
    taken: list[Window] = []
    while batch := queue.take(most):
        assert len({(one.bucket, one.kind) for one in batch}) == 1
        taken += batch
    assert sorted(map(id, taken)) == sorted(map(id, windows))
    assert [one.kind for one in taken] == sorted(one.kind for one in taken)


@given(st.integers(0, LONGEST_SPEECH_SAMPLES), st.integers(2, 30))
def test_a_window_holds_its_speech_and_is_none_that_ctranslate2_takes_for_features(samples: int, step_s: int) -> None:
    length_s = window_length_s(samples, step_s)
    assert samples <= length_s * SAMPLE_RATE_HZ
    assert step_s <= length_s <= LONGEST_S
    assert length_s * 100 not in (159, 160, 255, 256)


def test_speech_that_is_too_long_is_cut_where_it_is_quietest() -> None:
    samples = np.ones(LONGEST_SPEECH_SAMPLES + 1, np.float32)
    samples[27 * SAMPLE_RATE_HZ : 27 * SAMPLE_RATE_HZ + 4000] = 0.01
    assert 27.0 <= cut_place(samples) / SAMPLE_RATE_HZ <= 27.25
