"""Subtitles are short enough to read, and timed as what they show is said."""

from hypothesis import given
from hypothesis import strategies as st

from services.kit.subtitles import MAX_CHARACTERS, MAX_MS, Cue, cues, srt, vtt

WORDS = st.lists(st.text("abcäé", min_size=1, max_size=12), max_size=200)


@given(WORDS, st.integers(50, 2000))
def test_no_word_is_lost_and_no_cue_too_long(words: list[str], word_ms: int) -> None:
    timed = [Cue(word, place * word_ms, (place + 1) * word_ms) for place, word in enumerate(words)]
    cut = list(cues(Cue(" ".join(words), 0, len(words) * word_ms), timed))
    assert " ".join(cue.text for cue in cut) == " ".join(words)
    for cue in cut:
        assert len(cue.text) <= MAX_CHARACTERS
        assert cue.end_ms - cue.start_ms <= MAX_MS
    assert [(cue.start_ms, cue.end_ms) for cue in cut] == sorted((cue.start_ms, cue.end_ms) for cue in cut)


def test_what_has_no_word_times_stays_whole() -> None:
    whole = Cue("word " * 100, 0, 60_000)
    assert list(cues(whole, [])) == [whole]
    assert list(cues(Cue("", 0, 100), [])) == []


def test_both_forms() -> None:
    told = [Cue("Hello\n there --> <b>", 1_234, 3_661_005), Cue("you", 3_700_000, 3_800_000)]
    assert srt(told) == (
        "1\n00:00:01,234 --> 01:01:01,005\nHello there --> <b>\n\n2\n01:01:40,000 --> 01:03:20,000\nyou\n\n"
    )
    assert vtt(told) == (
        "WEBVTT\n\n00:00:01.234 --> 01:01:01.005\nHello there --&gt; &lt;b&gt;\n\n"
        "01:01:40.000 --> 01:03:20.000\nyou\n\n"
    )
    assert (srt([]), vtt([])) == ("", "WEBVTT\n\n")
