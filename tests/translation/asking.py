"""How the tests ask for translations."""

from typing import Any

from ledge.translation.v1 import translation_pb2 as pb


async def translated(stub: Any, *texts: str, source: str = "en", target: str = "es", **fields: Any) -> list[str]:
    request = pb.TranslateRequest(texts=texts, source_language=source, target_language=target, **fields)
    return [translation.text for translation in (await stub.Translate(request)).translations]
