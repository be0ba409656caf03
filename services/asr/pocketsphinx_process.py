"""One decoder of pocketsphinx: `python -m services.asr.pocketsphinx_process` until its input ends.

    {"do": "start", "mean": …}  begins an utterance, and drops one that is open
    {"do": "feed"} + samples    16-bit, 16 kHz → {"text": what was heard so far}
    {"do": "finish"}            → {"text": …, "words": [[text, start_s, end_s, confidence], …], "mean": …}
    {"do": "mean"} + samples    → {"mean": of this beginning}, for a start anew; drops the utterance that is open
    {"do": "whole"} + samples   hears an utterance that is there from start to end, and answers as to finish

`mean` tells how a channel sounds. A whole utterance is heard by its own, which is the most accurate; one that is heard
while it is spoken needs that of an earlier utterance of the same stream, or of its own beginning, and is heard badly
without.
"""

from typing import Any

from pocketsphinx import Decoder

from services.kit.worker_calls import serve_calls

FRAMES_PER_S = 100


class Listener:
    """pocketsphinx with the English model of its wheel; not thread-safe."""

    def __init__(self) -> None:
        self._decoder = Decoder(loglevel="FATAL")
        self._open = False

    def handle(self, header: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        match header["do"]:
            case "start":
                self._start(header["mean"])
                return {}, b""
            case "feed":
                self._decoder.process_raw(payload, no_search=False, full_utt=False)
                return {"text": self._text()}, b""
            case "finish":
                return self._finish(), b""
            case "mean":
                self._start("")
                self._decoder.process_raw(payload, no_search=True, full_utt=True)
                return {"mean": self._finish()["mean"]}, b""
            case "whole":
                self._start("")
                self._decoder.process_raw(payload, no_search=False, full_utt=True)
                return self._finish(), b""
            case unknown:
                raise ValueError(unknown)

    def _start(self, mean: str) -> None:
        if self._open:
            self._decoder.end_utt()
        # The decoder's own mean drifts with what it hears; no stream must sound different for who was heard before.
        self._decoder.reinit_feat()
        if mean:
            self._decoder.set_cmn(mean)
        self._decoder.start_utt()
        self._open = True

    def _finish(self) -> dict[str, Any]:
        self._decoder.end_utt()
        self._open = False
        return {"text": self._text(), "words": self._words(), "mean": self._decoder.get_cmn(True)}

    def _text(self) -> str:
        heard = self._decoder.hyp()
        return heard.hypstr if heard is not None else ""

    def _words(self) -> list[tuple[str, float, float, float]]:
        words = []
        for segment in self._decoder.seg() or ():
            # Silence, noises and the marks of the utterance's ends are no words; "(2)" tells a pronunciation.
            if segment.word[0] in "<[+":
                continue
            start_s, end_s = segment.start_frame / FRAMES_PER_S, (segment.end_frame + 1) / FRAMES_PER_S
            words.append((segment.word.partition("(")[0], start_s, end_s, min(1.0, max(0.0, segment.prob))))
        return words


if __name__ == "__main__":
    serve_calls(Listener().handle)
