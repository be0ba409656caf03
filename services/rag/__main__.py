"""`python -m services.rag`: config → peers, readers → service → serve."""

from ledge.rag.v1 import rag_pb2 as pb

from services.kit.errors import InvalidInput
from services.kit.server import run
from services.rag.agent import Agent
from services.rag.answer.asked import Reader
from services.rag.answer.composing import Composer
from services.rag.answer.looking import Looking
from services.rag.answer.model_policy import ModelPolicy
from services.rag.answer.writer import Writer
from services.rag.collection_settings import CollectionSettings, SettingsOfCollections
from services.rag.config import RagConfig
from services.rag.evidence.calibration import SHIPPED, read_calibration
from services.rag.evidence.search import Search
from services.rag.guards.guards import Guards
from services.rag.ingest.ingester import Ingester, Limits
from services.rag.ingest.passage_encoding import PassageEncoder
from services.rag.ingest.readers import Readers
from services.rag.ingest.storing import Storing
from services.rag.library import Library
from services.rag.peers import Peers
from services.rag.service import RagService
from services.rag.words import Words


async def build(config: RagConfig) -> RagService:
    peers = Peers(config)
    readers = Readers(
        config.parsers,
        config.parser_memory_bytes,
        config.max_document_characters,
        config.parser_timeout_s,
        config.sentence_language,
    )
    await readers.prime()
    library = Library(peers)
    storing = Storing(library, PassageEncoder(peers, config.embed_calls), readers, config.embed_tokens)
    limits = Limits(config.max_document_bytes, config.documents_in_flight, config.upload_idle_s)
    return RagService(peers, readers, library, Ingester(storing, limits), _agent(config, peers), _reader(config))


def _agent(config: RagConfig, peers: Peers) -> Agent:
    words = Words(config.sentence_language)
    search = Search(peers, words)
    calibration = read_calibration(config.calibration_file or SHIPPED)
    composer = Composer(peers, words, config.sentence_language)
    return Agent(
        peers,
        search,
        Looking(search, calibration, words),
        Writer(composer, config.sentence_language),
        ModelPolicy(peers, config.answer_policy),
        Guards.of(config, peers),
    )


def _reader(config: RagConfig) -> Reader:
    otherwise = CollectionSettings(
        effort=config.effort, judge=config.judge, guards=config.guards, guard_failure=config.guard_failure
    )
    settings = SettingsOfCollections.read(config.collection_settings_file)
    if config.blocked_topics_file is None and any("topics" in each.guards for each in settings.collections.values()):
        # A guard that is asked for and cannot work must not be missed in silence.
        raise InvalidInput("collections have the guard topics: LEDGE_BLOCKED_TOPICS_FILE must name the file of topics")
    return Reader(settings, otherwise)


if __name__ == "__main__":
    run("rag", RagConfig, pb.DESCRIPTOR, build)
