"""How an engine of llm is set up where a bench starts it: as the default profile has it, where it has it."""

from services.kit.models import ModelStore
from services.kit.profiles import DEFAULT_PROFILE, Profile


def engine_settings(engine: str) -> dict[str, str]:
    """Environment of the service; threads that spin while they wait would measure the neighbours."""
    profile = Profile.load(DEFAULT_PROFILE, ModelStore.from_environment().catalog)
    found = profile.services.get("llm")
    if found is None or found.engine != engine:
        return {"LEDGE_ENGINE": engine}
    return {"LEDGE_ENGINE": engine, **({"LEDGE_MODEL": found.model} if found.model else {}), **found.env}
