"""`python -m services.hybrid`: one language model out of a little and a big one."""

from ledge.hybrid.v1 import hybrid_pb2
from ledge.llm.v1 import llm_pb2

from services.hybrid.backend import Backend
from services.hybrid.big import Big
from services.hybrid.bild.answering import BigLittle
from services.hybrid.bild.cost import CostModel
from services.hybrid.budget import Budget
from services.hybrid.choice import Settings
from services.hybrid.config import HybridConfig
from services.hybrid.modes import Mode
from services.hybrid.naming import Naming
from services.hybrid.router import load_router
from services.hybrid.service import HybridService
from services.hybrid.tenants import Tenants
from services.kit.client import connect
from services.kit.server import run


async def build(config: HybridConfig) -> HybridService:
    tenants, router = Tenants.read(config), load_router(config.router_file)
    little = Backend(connect(config.little_address, config, llm_pb2.DESCRIPTOR))
    budget = Budget(config.budget_window_s)
    big = _big(config, budget)
    naming = Naming(config.model, Mode(config.mode), little, big.backend if big else None, budget.window_ends_in_s)
    settings = Settings(
        has_big=big is not None,
        router=router,
        route_threshold=router.threshold if config.route_threshold is None else config.route_threshold,
        cascade_threshold=config.cascade_threshold,
        guide_tokens=config.guide_tokens,
        fallback=config.bild_fallback,
        rollback=config.bild_rollback,
    )
    big_little = None
    if big is not None:
        big_little = BigLittle(big, little, config.model, config.bild_draft_tokens, CostModel(), keep=config.bild_keep)
    return HybridService(little, big, naming, tenants, settings, big_little)


def _big(config: HybridConfig, budget: Budget) -> Big | None:
    if config.big_address is None:
        return None
    shown = config.model_copy(
        update={
            "peer_api_key": config.big_api_key or config.peer_api_key,
            "tls_ca_file": config.big_tls_ca_file or config.tls_ca_file,
        }
    )
    backend = Backend(connect(config.big_address, shown, llm_pb2.DESCRIPTOR, dispensable=True))
    return Big(backend, budget, config.big_first_token_s, config.big_max_tokens)


if __name__ == "__main__":
    run("hybrid", HybridConfig, (hybrid_pb2.DESCRIPTOR, llm_pb2.DESCRIPTOR), build)
