"""The default engine through the service beside pocketsphinx called directly: words wrong, and speed."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ledge.asr.v1 import asr_pb2 as pb
from ledge.asr.v1 import asr_pb2_grpc as rpc
from ledge.audio.v1 import audio_pb2

from services.cli.bench.asr_speech import RATE_HZ, SENTENCES, pcm, silence, spoken, word_errors
from services.cli.bench.report import Row
from services.cli.bench.running import RunningService
from services.kit.client import open_channel

BASELINE = "pocketsphinx called directly"
AROUND_S = 0.5


@dataclass
class Measured:
    words_wrong: int = 0
    elapsed_s: float = 0.0


def default_rows(rounds: int) -> list[Row]:
    """The sentences one after the other, both sides in turn."""
    around = pcm(silence(AROUND_S))
    audio = [around + pcm(samples) + around for samples in spoken(SENTENCES)]
    ours, theirs = Measured(), Measured()
    with RunningService("asr", {"LEDGE_ENGINE": "pocketsphinx", "LEDGE_WORKERS": "1"}) as service:
        asyncio.run(_interleaved(service.address, audio, rounds, ours, theirs))
    words = rounds * sum(len(sentence.split()) for sentence in SENTENCES)
    heard_s = rounds * sum(map(len, audio)) / 2 / RATE_HZ
    slower = 100 * (ours.elapsed_s / theirs.elapsed_s - 1)
    note = f"{words} words of {rounds * len(audio)} sentences by flite"
    return [
        Row("word error rate", ours.words_wrong / words, "", BASELINE, theirs.words_wrong / words, note=note),
        Row(
            "speech a second",
            heard_s / ours.elapsed_s,
            "× real time",
            BASELINE,
            heard_s / theirs.elapsed_s,
            note=f"takes {slower:+.1f} % of its time",
        ),
    ]


async def _interleaved(address: str, audio: Sequence[bytes], rounds: int, ours: Measured, theirs: Measured) -> None:
    # Here, because the other benches are read where no asr engine is installed.
    from pocketsphinx import Decoder

    decoder = Decoder(loglevel="FATAL")

    def directly(samples: bytes) -> str:
        decoder.reinit_feat()
        decoder.start_utt()
        decoder.process_raw(samples, no_search=False, full_utt=True)
        decoder.end_utt()
        heard = decoder.hyp()
        return heard.hypstr if heard is not None else ""

    async with open_channel(address) as channel:
        stub = rpc.AsrServiceStub(channel)
        raw = audio_pb2.RawFormat(sample_rate_hz=RATE_HZ)
        # The first of each takes longer.
        await stub.Transcribe(pb.TranscribeRequest(audio=audio[0], raw=raw))
        directly(audio[0])
        for _ in range(rounds):
            for sentence, samples in zip(SENTENCES, audio, strict=True):
                started_s = time.perf_counter()
                response = await stub.Transcribe(pb.TranscribeRequest(audio=samples, raw=raw))
                ours.elapsed_s += time.perf_counter() - started_s
                ours.words_wrong += word_errors(sentence, response.text)
                started_s = time.perf_counter()
                text = directly(samples)
                theirs.elapsed_s += time.perf_counter() - started_s
                theirs.words_wrong += word_errors(sentence, text)
