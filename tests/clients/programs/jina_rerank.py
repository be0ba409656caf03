"""Clients of Jina's reranking, LlamaIndex's and Haystack's; what they gave is written as JSON."""

import json
import os
import sys

from haystack import Document
from haystack.utils import Secret
from haystack_integrations.components.rankers.jina import JinaRanker
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.postprocessor.jinaai_rerank import JinaRerank

SERVER = {"base_url": f"{os.environ['URL']}/v1", "api_key": os.environ["KEY"]}
TEXTS = ["the gate is opened in spring", "the pump house holds three pumps", "a pump"]
QUERY = "pumps of the pump house"
nodes = [NodeWithScore(node=TextNode(text=text), score=0.0) for text in TEXTS]


def ranked(**settings: str) -> list[list[object]]:
    reranker = JinaRerank(top_n=2, **{"model": "all-minilm-l6-v2", **SERVER, **settings})
    return [[node.text, node.score] for node in reranker.postprocess_nodes(nodes, query_str=QUERY)]


haystack = JinaRanker(
    model="all-minilm-l6-v2",
    api_key=Secret.from_token(SERVER["api_key"]),
    top_k=2,
    base_url=f"{SERVER['base_url']}/rerank",
)
refusals = []
for settings in ({"model": "no-such-model"}, {"api_key": "wrong"}):
    try:
        ranked(**settings)
    except RuntimeError as error:
        refusals.append(str(error))
told = {
    "ranked": ranked(),
    "alias": ranked(model="jina-reranker-v2-base-multilingual"),
    "haystack": [
        [document.content, document.score]
        for document in haystack.run(query=QUERY, documents=[Document(content=text) for text in TEXTS])["documents"]
    ],
    "refusals": refusals,
}
json.dump(told, sys.stdout)
