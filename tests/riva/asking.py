"""Short ways to call the door as Riva's clients do."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

from riva_compat import asr_pb2 as pb

from tests.asr.asking import RATE_HZ, file_of, pcm, silence, speech

WAV = file_of(speech("capital"))
"""Two seconds of speech; the scripted engine hears a numeral in each half second of it."""
RAW = {"encoding": 1, "sample_rate_hertz": RATE_HZ}
"""LINEAR_PCM."""
TWO_UTTERANCES = pcm(speech("capital")) + pcm(silence(1.5)) + pcm(speech("window")) + pcm(silence(0.2))


def pieces(audio: bytes, piece_bytes: int = 3200) -> list[bytes]:
    return [audio[start : start + piece_bytes] for start in range(0, len(audio), piece_bytes)]


async def requests(
    audio: Iterable[bytes], interim: bool = False, **config: Any
) -> AsyncIterator[pb.StreamingRecognizeRequest]:
    settings = pb.StreamingRecognitionConfig(config=pb.RecognitionConfig(**config), interim_results=interim)
    yield pb.StreamingRecognizeRequest(streaming_config=settings)
    for piece in audio:
        yield pb.StreamingRecognizeRequest(audio_content=piece)


async def results(
    stub: Any, audio: Iterable[bytes], interim: bool = False, **config: Any
) -> list[pb.StreamingRecognitionResult]:
    call = stub.StreamingRecognize(requests(audio, interim, **config))
    return [result async for response in call for result in response.results]


def text_of(results: Iterable[Any]) -> str:
    """As clients join it: finals, as they are."""
    return "".join(result.alternatives[0].transcript for result in results)
