"""One process of flite: `python -m services.tts.flite_process` speaks clauses until its input ends.

Asked with {"voice": …, "stretch": …} and the text in ASCII, it answers {"words": [[text, start_s, end_s], …]} and
16-bit samples.
"""

import ctypes
from ctypes import c_char_p, c_float, c_int, c_short, c_void_p
from typing import Any

from services.kit.worker_calls import serve_calls

# Debian's ABI of flite 2.2: a voice is (name, features, …), a wave is (type, rate, samples, channels, data).
SONAME = "libflite{}.so.1"
FIRST_SEGMENT, LAST_SEGMENT = (
    b"R:SylStructure.daughter1.daughter1.R:Segment",
    (b"R:SylStructure.daughtern.daughtern.R:Segment"),
)


class _Wave(ctypes.Structure):
    _fields_ = (
        ("type", c_char_p),
        ("sample_rate", c_int),
        ("num_samples", c_int),
        ("num_channels", c_int),
        ("samples", ctypes.POINTER(c_short)),
    )


class _Voice(ctypes.Structure):
    _fields_ = (("name", c_char_p), ("features", c_void_p))


class Speaker:
    """flite's C interface; not thread-safe."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None)
        self._flite = ctypes.CDLL(SONAME.format(""), ctypes.RTLD_GLOBAL)
        for name, result, arguments in (
            ("flite_init", c_int, ()),
            ("flite_synth_text", c_void_p, (c_char_p, c_void_p)),
            ("utt_wave", ctypes.POINTER(_Wave), (c_void_p,)),
            ("utt_relation", c_void_p, (c_void_p, c_char_p)),
            ("relation_head", c_void_p, (c_void_p,)),
            ("item_next", c_void_p, (c_void_p,)),
            ("ffeature_string", c_char_p, (c_void_p, c_char_p)),
            ("ffeature_float", c_float, (c_void_p, c_char_p)),
            ("feat_set_float", None, (c_void_p, c_char_p, c_float)),
            ("get_param_float", c_float, (c_void_p, c_char_p, c_float)),
            ("delete_utterance", None, (c_void_p,)),
        ):
            function = getattr(self._flite, name)
            function.restype, function.argtypes = result, arguments
        self._flite.flite_init()
        self._voices: dict[str, tuple[int, float]] = {}

    def speak(self, text: bytes, voice: str, stretch: float) -> tuple[list[tuple[str, float, float]], bytes]:
        """The words with their times in seconds, and 16-bit samples."""
        pointer, own_stretch = self._voice(voice)
        features = ctypes.cast(pointer, ctypes.POINTER(_Voice)).contents.features
        self._flite.feat_set_float(features, b"duration_stretch", own_stretch * stretch)
        # The voices' breath is random: seeded, a text sounds the same whoever speaks it, and whenever.
        self._libc.srand(1)
        utterance = self._flite.flite_synth_text(text, pointer)
        if not utterance:
            raise RuntimeError("flite made nothing of the text")
        try:
            wave = self._flite.utt_wave(utterance).contents
            return self._words(utterance), ctypes.string_at(wave.samples, 2 * wave.num_samples * wave.num_channels)
        finally:
            self._flite.delete_utterance(utterance)

    def _voice(self, name: str) -> tuple[int, float]:
        """A voice, and how much it stretches by itself."""
        if name not in self._voices:
            library = ctypes.CDLL(SONAME.format(f"_cmu_us_{name}"))
            register: Any = getattr(library, f"register_cmu_us_{name}")
            register.restype, register.argtypes = c_void_p, (c_char_p,)
            pointer = register(None)
            features = ctypes.cast(pointer, ctypes.POINTER(_Voice)).contents.features
            stretch = self._flite.get_param_float(features, b"duration_stretch", 1.0)
            self._voices[name] = (pointer, stretch)
        return self._voices[name]

    def _words(self, utterance: int) -> list[tuple[str, float, float]]:
        words = []
        item = self._flite.relation_head(self._flite.utt_relation(utterance, b"Word"))
        while item:
            name = self._flite.ffeature_string(item, b"name").decode(errors="replace")
            start_s = self._flite.ffeature_float(item, FIRST_SEGMENT + b".p.end")
            words.append((name, start_s, self._flite.ffeature_float(item, LAST_SEGMENT + b".end")))
            item = self._flite.item_next(item)
        return words


if __name__ == "__main__":
    speaker = Speaker()

    def handle(header: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        words, audio = speaker.speak(payload, header["voice"], header["stretch"])
        return {"words": words}, audio

    serve_calls(handle)
