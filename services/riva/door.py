"""The door for Riva's clients: three services over one set of peers. It translates, and loads no model."""

from collections.abc import Sequence
from typing import Any

from ledge.model.v1 import model_pb2
from riva_compat import asr_pb2_grpc, nmt_pb2_grpc, tts_pb2_grpc

from services.riva.config import RivaConfig, names_of
from services.riva.hearing import Hearing
from services.riva.names import Names
from services.riva.peers import Peers
from services.riva.recognition import Recognition
from services.riva.speaking import Speaking
from services.riva.synthesis import Synthesis
from services.riva.translating import Translating
from services.riva.translation import Translation


class RivaDoor:
    """What the server needs of the door; its handlers share nothing but the peers."""

    def __init__(self, peers: Peers, config: RivaConfig) -> None:
        names = Names(names_of(config.model_aliases), names_of(config.voice_aliases), config.strict_names)
        hearing = Hearing(peers, names, config.max_message_bytes)
        speaking = Speaking(peers, names)
        self._peers = peers
        self._recognition = Recognition(peers, hearing)
        self._synthesis = Synthesis(peers, speaking)
        self._translation = Translation(peers, hearing, speaking, Translating(peers, names))

    def mount(self, server: Any) -> None:
        asr_pb2_grpc.add_RivaSpeechRecognitionServicer_to_server(self._recognition, server)
        tts_pb2_grpc.add_RivaSpeechSynthesisServicer_to_server(self._synthesis, server)
        nmt_pb2_grpc.add_RivaTranslationServicer_to_server(self._translation, server)

    def models(self) -> Sequence[model_pb2.ModelInfo]:
        return []

    async def close(self) -> None:
        await self._peers.close()
