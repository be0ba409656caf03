"""The load of the cluster's tests, of its kind `writing`: each call takes a document in."""

from tests.cluster.programs.load import Load
from tests.gateway.suite import Suite


async def test_each_call_writes_something_new(documents: Suite) -> None:
    async with documents.http() as http:
        load = Load(http, None, retry_s=0)
        for _ in range(3):
            await load.call("writing")
        listed = (await http.get("/v1/documents")).json()["documents"]
    assert load.failures == []
    rounds = [each["document_name"] for each in listed if each["document_name"].startswith("round-")]
    assert len(rounds) == 3
