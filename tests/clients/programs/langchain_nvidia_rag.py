"""langchain-nvidia-ai-endpoints as a client of the RAG blueprint; what it gave is written as JSON."""

import asyncio
import json
import os
import sys

from langchain_nvidia_ai_endpoints import NVIDIARAGRetriever
from langchain_nvidia_ai_endpoints.retrievers import NVIDIARAGServerError, NVIDIARAGValidationError

retriever = NVIDIARAGRetriever(base_url=os.environ["URL"], collection_names=["default"], k=1)
(found,) = retriever.invoke("the gate of the reservoir")
(again,) = asyncio.run(retriever.ainvoke("the gate of the reservoir"))
errors = []
for settings in ({"collection_names": ["nowhere"]}, {"filter_expr": 'a == "b"'}):
    try:
        NVIDIARAGRetriever(base_url=os.environ["URL"], **settings).invoke("x")
    except (NVIDIARAGServerError, NVIDIARAGValidationError) as error:
        errors.append([type(error).__name__, error.body])
same = found.page_content == again.page_content
json.dump({"text": found.page_content, "metadata": found.metadata, "same": same, "errors": errors}, sys.stdout)
