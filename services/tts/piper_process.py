"""One process of Piper: `python -m services.tts.piper_process DIRECTORY THREADS` speaks clauses until its input ends.

Asked with {"voice": …, "speaker": …, "rate": …} and the text in UTF-8, it answers {"words": [[text, start_s, end_s],
…]} and float32 samples. Piper is GPL-3: only this module imports it, and only this process runs it.
"""

import contextlib
import json
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from piper import PiperVoice, SynthesisConfig
from piper.config import PiperConfig
from piper.patch_voice_with_alignment import add_alignment_output

from services.kit.worker_calls import serve_calls
from services.tts.phoneme_words import PhonemeTime, word_times

Words = list[tuple[str, float, float]]


class Speaker:
    """The voices of one directory, all loaded; not thread-safe."""

    def __init__(self, directory: Path, threads: int) -> None:
        self._voices = {path.stem: _load(path, threads) for path in sorted(directory.rglob("*.onnx"))}

    def speak(self, text: str, voice_name: str, speaker: int | None, rate: float) -> tuple[Words, bytes]:
        """The words with their times in seconds, where the voice tells them, and the samples."""
        voice = self._voices[voice_name]
        settings = SynthesisConfig(
            speaker_id=speaker,
            length_scale=voice.config.length_scale / rate,
            # It would bring each sentence to the same peak, so that loudness jumps from clause to clause.
            normalize_audio=False,
        )
        pieces, times, aligned = [np.zeros(0, np.float32)], list[PhonemeTime](), True
        begun = 0
        # A sentence each; none where the text holds nothing that Piper can say.
        for chunk in voice.synthesize(text, settings, include_alignments=True):
            pieces.append(chunk.audio_float_array.reshape(-1))
            aligned = aligned and chunk.phoneme_alignments is not None
            end = begun
            for one in chunk.phoneme_alignments or ():
                start, end = end, end + int(one.num_samples)
                times.append(PhonemeTime(one.phoneme, start / chunk.sample_rate, end / chunk.sample_rate))
            begun += len(pieces[-1])
        words: Words = []
        if aligned:
            words = word_times(text, times, lambda word: list(chain.from_iterable(voice.phonemize(word))))
        return words, np.concatenate(pieces).astype("<f4").tobytes()


def _load(path: Path, threads: int) -> PiperVoice:
    """Runs on so many threads, and with the lengths of its phonemes as an output where the voice has them."""
    config = json.loads(path.with_name(f"{path.name}.json").read_text())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model: onnx.ModelProto = onnx.load(str(path))
    # A voice that has no such lengths, or tells them already, runs as it is.
    with contextlib.suppress(ValueError):
        add_alignment_output(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return PiperVoice(session, PiperConfig.from_dict(config))


if __name__ == "__main__":
    speaker = Speaker(Path(sys.argv[1]), int(sys.argv[2]))

    def handle(header: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        words, audio = speaker.speak(payload.decode(), header["voice"], header["speaker"], header["rate"])
        return {"words": words}, audio

    serve_calls(handle)
