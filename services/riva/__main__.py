"""Wires the riva door: config → peers → door → serve."""

from riva_compat import asr_pb2, nmt_pb2, tts_pb2

from services.kit.server import run
from services.riva.config import RivaConfig
from services.riva.door import RivaDoor
from services.riva.peers import connect_peers

CONTRACTS = (asr_pb2.DESCRIPTOR, tts_pb2.DESCRIPTOR, nmt_pb2.DESCRIPTOR)


async def build(config: RivaConfig) -> RivaDoor:
    return RivaDoor(connect_peers(config), config)


if __name__ == "__main__":
    run("riva", RivaConfig, CONTRACTS, build)
