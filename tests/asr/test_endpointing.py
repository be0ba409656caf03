"""Where utterances begin and end, for any course of likelihoods."""

from hypothesis import given
from hypothesis import strategies as st

from services.asr.endpointing import START_FRAMES, Change, Endpointing, EndpointingSettings
from services.asr.vad import FRAME_S


def changes(likely: list[float], settings: EndpointingSettings) -> list[tuple[int, Change]]:
    endpointing = Endpointing(settings)
    found = [(number, endpointing.hear(one)) for number, one in enumerate(likely)]
    return [(number, change) for number, change in found if change is not Change.NOTHING]


def test_a_click_is_no_speech() -> None:
    assert changes(([0.9] * (START_FRAMES - 1) + [0.0]) * 50, EndpointingSettings()) == []


def test_a_pause_shorter_than_asked_for_ends_nothing() -> None:
    settings = EndpointingSettings(silence_s=0.5)
    short = int(0.5 / FRAME_S) - 1
    ((started, _),) = changes([0.9] * 10 + [0.0] * short + [0.9] * 10, settings)
    assert started == START_FRAMES - 1
    assert [change for _, change in changes([0.9] * 10 + [0.0] * (short + 2), settings)] == [
        Change.STARTED,
        Change.ENDED,
    ]


def test_in_manual_mode_silence_ends_nothing() -> None:
    settings = EndpointingSettings(manual=True, max_utterance_s=1000)
    assert [change for _, change in changes([0.9] * 10 + [0.0] * 5000, settings)] == [Change.STARTED]


@given(st.lists(st.floats(0, 1), max_size=400), st.sampled_from([0.1, 0.5]), st.booleans())
def test_starts_and_ends_take_turns_and_no_utterance_is_too_long(
    likely: list[float], silence_s: float, manual: bool
) -> None:
    settings = EndpointingSettings(silence_s=silence_s, manual=manual, max_utterance_s=3.0)
    found = changes(likely, settings)
    assert all(change is (Change.ENDED if place % 2 else Change.STARTED) for place, (_, change) in enumerate(found))
    for (started, _), (ended, _) in zip(found[::2], found[1::2], strict=False):
        assert (ended - started + START_FRAMES) * FRAME_S <= 3.0 + FRAME_S
