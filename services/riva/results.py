"""Packs what `asr` heard as Riva's results."""

from ledge.asr.v1 import asr_pb2
from riva_compat import asr_pb2 as riva

CHANNEL = 1
"""Channels are heard together."""


def offline_result(utterance: asr_pb2.Utterance, duration_ms: int) -> riva.SpeechRecognitionResult:
    return riva.SpeechRecognitionResult(
        alternatives=[_alternative(utterance)], channel_tag=CHANNEL, audio_processed=duration_ms / 1000
    )


def streaming_result(event: asr_pb2.TranscribeStreamResponse) -> riva.StreamingRecognitionResult | None:
    """None for what Riva's clients are not told: that speech began or ended."""
    heard_s = event.heard_ms / 1000
    match event.WhichOneof("event"):
        case "partial":
            text = event.partial.text
            return riva.StreamingRecognitionResult(
                alternatives=[riva.SpeechRecognitionAlternative(transcript=text)],
                stability=min(1.0, event.partial.stable_characters / max(1, len(text))),
                channel_tag=CHANNEL,
                audio_processed=heard_s,
            )
        case "final":
            return riva.StreamingRecognitionResult(
                alternatives=[_alternative(event.final)], is_final=True, channel_tag=CHANNEL, audio_processed=heard_s
            )
        case _:
            return None


def _alternative(utterance: asr_pb2.Utterance) -> riva.SpeechRecognitionAlternative:
    language = [utterance.language] if utterance.language else []
    return riva.SpeechRecognitionAlternative(
        # Clients join results as they are.
        transcript=f"{utterance.text} " if utterance.text else "",
        confidence=utterance.confidence,
        words=[_word(word, utterance.language) for word in utterance.words],
        language_code=language,
    )


def _word(word: asr_pb2.Word, language: str) -> riva.WordInfo:
    return riva.WordInfo(
        start_time=word.start_ms,
        end_time=word.end_ms,
        word=word.text,
        confidence=word.confidence,
        language_code=language,
    )
