"""A client in a process of its own that hears and speaks over two streams until it is killed."""

import sys
import threading
from collections.abc import Iterator

import grpc
from riva_compat import asr_pb2, asr_pb2_grpc, tts_pb2, tts_pb2_grpc

from tests.asr.asking import pcm, speech
from tests.riva.asking import RAW


def hearing() -> Iterator[asr_pb2.StreamingRecognizeRequest]:
    settings = asr_pb2.StreamingRecognitionConfig(config=asr_pb2.RecognitionConfig(**RAW), interim_results=True)
    yield asr_pb2.StreamingRecognizeRequest(streaming_config=settings)
    yield asr_pb2.StreamingRecognizeRequest(audio_content=pcm(speech("capital")))
    threading.Event().wait()


def speaking() -> Iterator[tts_pb2.SynthesizeSpeechRequest]:
    yield tts_pb2.SynthesizeSpeechRequest(text="one two three.", encoding=1)
    threading.Event().wait()


def main(address: str) -> None:
    channel = grpc.insecure_channel(address)
    # Named, because a call that nobody holds is cancelled.
    heard = asr_pb2_grpc.RivaSpeechRecognitionStub(channel).StreamingRecognize(hearing())
    spoken = tts_pb2_grpc.RivaSpeechSynthesisStub(channel).SynthesizeOnline(speaking())
    next(heard)
    next(spoken)
    sys.stdout.write("heard and spoken\n")
    sys.stdout.flush()
    threading.Event().wait()


main(sys.argv[1])
