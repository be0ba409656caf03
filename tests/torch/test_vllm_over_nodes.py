"""What the sample for several nodes tells vLLM, read by the parser of the vLLM that is installed."""

import pytest
import yaml

from tests.processes import ROOT

# What vLLM imports is deprecated here and there.
pytestmark = [pytest.mark.torch, pytest.mark.timeout(200), pytest.mark.filterwarnings("ignore::DeprecationWarning")]
NODES = 2


@pytest.mark.parametrize(("template", "rank"), [("leaderTemplate", 0), ("workerTemplate", 1)])
def test_vllm_takes_the_arguments_of_leader_and_worker(template: str, rank: int) -> None:
    pytest.importorskip("vllm")
    from vllm.entrypoints.cli.serve import ServeSubcommand
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    manifest = next(yaml.safe_load_all((ROOT / "helm/samples/vllm-leaderworkerset.yaml").read_text()))
    container = manifest["spec"]["leaderWorkerTemplate"][template]["spec"]["containers"][0]
    # As the kubelet fills them in, from what LeaderWorkerSet sets.
    told = {"$(LWS_GROUP_SIZE)": str(NODES), "$(LWS_WORKER_INDEX)": str(rank), "$(LWS_LEADER_ADDRESS)": "vllm-0.vllm"}
    arguments = [container["command"][1], *container["args"]]
    for variable, value in told.items():
        arguments = [each.replace(variable, value) for each in arguments]

    parser = FlexibleArgumentParser()
    ServeSubcommand().subparser_init(parser.add_subparsers(dest="command"))
    read = parser.parse_args(arguments)
    assert (read.nnodes, read.node_rank, read.master_addr) == (NODES, rank, "vllm-0.vllm")
    assert read.tensor_parallel_size * read.pipeline_parallel_size % NODES == 0
    assert read.headless == (rank > 0)
