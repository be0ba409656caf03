"""NVIDIA's client over TLS, with a key and without one."""

import json
import os
import sys

import grpc
import riva.client
from riva.client.proto import riva_tts_pb2

told = {}
for name, metadata in (("key", [["authorization", f"Bearer {os.environ['KEY']}"]]), ("no key", [])):
    auth = riva.client.Auth(ssl_root_cert=os.environ["CA"], uri=os.environ["ADDRESS"], metadata_args=metadata)
    stub = riva.client.SpeechSynthesisService(auth).stub
    try:
        request = riva_tts_pb2.RivaSynthesisConfigRequest()
        told[name] = len(stub.GetRivaSynthesisConfig(request, metadata=auth.get_auth_metadata()).model_config)
    except grpc.RpcError as error:
        told[name] = error.code().name
json.dump(told, sys.stdout)
