"""flite says sentences, pocketsphinx hears them: what the word error rate is, and that it stays so."""

import grpc
import numpy as np
from ledge.asr.v1 import asr_pb2_grpc as asr_rpc
from ledge.audio.v1 import audio_pb2
from ledge.tts.v1 import tts_pb2 as tts_pb
from ledge.tts.v1 import tts_pb2_grpc as tts_rpc

from services.cli.bench.asr_speech import SENTENCES, word_errors
from tests.asr.asking import events, file_of, finals, transcribe
from tests.processes import service
from tests.tts.conftest import need_flite

HIGHEST_RATE = 0.05
"""Measured: 1 word of 71 (0.014) for files and streams alike, as by pocketsphinx called directly on flite's files."""


async def test_what_flite_says_is_heard() -> None:
    need_flite()
    with service("tts", LEDGE_ENGINE="flite") as tts, service("asr", LEDGE_ENGINE="pocketsphinx") as asr:
        async with grpc.aio.insecure_channel(tts.address) as speaker, grpc.aio.insecure_channel(asr.address) as hearer:
            speak, hear = tts_rpc.TtsServiceStub(speaker), asr_rpc.AsrServiceStub(hearer)
            errors = streamed_errors = 0
            for sentence in SENTENCES:
                request = tts_pb.SynthesizeRequest(
                    speech=tts_pb.Speech(voice="rms", sample_rate_hz=16_000), input=tts_pb.Input(text=f"{sentence}.")
                )
                audio = (await speak.Synthesize(request)).audio
                samples = np.frombuffer(audio, "<i2").astype(np.float32) / np.float32(32768)
                errors += word_errors(sentence, (await transcribe(hear, file_of(samples))).text)
                heard = finals(await events(hear, audio, format=audio_pb2.RawFormat(sample_rate_hz=16_000)))
                streamed_errors += word_errors(sentence, " ".join(final.text for final in heard))
    words = sum(len(sentence.split()) for sentence in SENTENCES)
    assert errors / words <= HIGHEST_RATE, f"word error rate {errors / words:.3f}"
    assert streamed_errors / words <= HIGHEST_RATE, f"streamed word error rate {streamed_errors / words:.3f}"
