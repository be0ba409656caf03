"""What NVIDIA's client puts on the wire: every service, message and enum of its descriptors, by full name."""

import json
import sys

from google.protobuf import descriptor_pb2
from riva.client.proto import riva_asr_pb2, riva_audio_pb2, riva_common_pb2, riva_nmt_pb2, riva_tts_pb2

told = {}
for module in (riva_audio_pb2, riva_common_pb2, riva_asr_pb2, riva_tts_pb2, riva_nmt_pb2):
    file = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)
    told[file.name] = file.SerializeToString().hex()
json.dump(told, sys.stdout)
