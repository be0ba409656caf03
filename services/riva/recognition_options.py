"""Reads Riva's `RecognitionConfig` as options of `ledge.asr.v1`: honoured, warned of, or refused, never lost."""

import math

from ledge.asr.v1 import asr_pb2
from riva_compat import asr_pb2 as riva

from services.kit.errors import InvalidInput
from services.riva.names import Names, Warnings

ANY_LANGUAGE = "multi"
"""Riva's name for the language of a model that detects it."""
ENGLISH = "en"


def recognition_of(
    config: riva.RecognitionConfig, served: asr_pb2.ListModelsResponse, names: Names, warnings: Warnings
) -> asr_pb2.Recognition:
    """What to listen for.

    Raises:
        InvalidInput: something is asked for that would change the transcript and that no engine does.
        NotFound: the model, where names are strict.
    """
    _refuse(config)
    model = names.model(config.model, [model.info.id for model in served.models], warnings)
    told = asr_pb2.Recognition(
        model=model,
        language="" if config.language_code.lower() == ANY_LANGUAGE else config.language_code,
        task=_task(config.custom_configuration.get("task", ""), config.custom_configuration.get("target_language", "")),
        word_times=config.enable_word_time_offsets,
    )
    phrases = [phrase for context in config.speech_contexts if context.boost >= 0 for phrase in context.phrases]
    if phrases:
        if all(served_model.hotwords for served_model in served.models if model in ("", served_model.info.id)):
            told.hotwords.extend(phrases)
        else:
            warnings.add("speech_contexts are not heeded: the model takes no hotwords")
    return told


def endpointing_of(config: riva.RecognitionConfig) -> asr_pb2.Endpointing:
    """Where an utterance ends. `stop_history` is its silence; Riva's other numbers are of another detector's frames."""
    endpointing = asr_pb2.Endpointing()
    if config.endpointing_config.stop_history > 0:
        endpointing.silence_ms = config.endpointing_config.stop_history
    onset = config.custom_configuration.get("neural_vad.onset", "")
    if onset:
        endpointing.threshold = _number("neural_vad.onset", onset)
    return endpointing


def _refuse(config: riva.RecognitionConfig) -> None:
    if config.profanity_filter:
        raise InvalidInput("profanity_filter: transcripts are not filtered here; leave it away")
    if config.diarization_config.enable_speaker_diarization:
        raise InvalidInput("diarization_config: speakers are not told apart here; leave it away")
    if config.enable_separate_recognition_per_channel and config.audio_channel_count > 1:
        raise InvalidInput("enable_separate_recognition_per_channel: channels are heard together; send each by itself")


def _task(task: str, target_language: str) -> "asr_pb2.Recognition.Task":
    if task in ("", "transcribe"):
        return asr_pb2.Recognition.TRANSCRIBE
    if task != "translate":
        raise InvalidInput(f"custom_configuration: no task is called {task[:96]!r}; there is transcribe and translate")
    if target_language.partition("-")[0].lower() not in ("", ENGLISH):
        raise InvalidInput("custom_configuration: models translate what they hear to English only; see RivaTranslation")
    return asr_pb2.Recognition.TRANSLATE


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InvalidInput(f"custom_configuration: {name} is a number")
    return number
