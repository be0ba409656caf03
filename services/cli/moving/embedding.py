"""Whether vectors and the model that encodes questions belong together: else answers would be found by chance."""

from collections.abc import Sequence
from typing import Any

from ledge.embedding.v1 import embedding_pb2
from ledge.retrieval.v1 import retrieval_pb2 as pb

from services.kit.errors import InvalidInput, NotReady
from services.rag.document_record import DocumentRecord, from_point, revision
from services.rag.encoding import encoding


async def served_model(embedding: Any) -> tuple[str, int]:
    """Id of the model that `embedding` runs, and the length of its vectors."""
    models = (await embedding.ListModels(embedding_pb2.ListModelsRequest())).models
    if not models:
        raise NotReady("the embedding service serves no model")
    return models[0].id, models[0].dimensions


def check_records(points: Sequence[pb.Point], model: str) -> None:
    """Raises InvalidInput where none of some documents was taken in with this model: a revision is a hash of that, too.

    A document's revision holds the media type that was declared, its record the one that was found: of one that was
    declared as something else nothing can be told.
    """
    records = [record for point in points if (record := from_point(point)).complete]
    if records and not any(_is_of(record, encoding(model)) for record in records):
        raise InvalidInput(
            f"{records[0].name!r} and all others looked at were taken in with another embedding model than {model}, "
            "which runs here, or by another release: ingest the collection again, then move it"
        )


def _is_of(record: DocumentRecord, encoding: str) -> bool:
    declared = ("", record.media_type)
    return record.revision in {revision(record.sha256, record.metadata, type_, encoding) for type_ in declared}
