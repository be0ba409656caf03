"""The profile that a command works with, and the store that its models are in."""

from services.cli.local.config import LocalRunConfig
from services.cli.local.plan import RunPlan, plan_run
from services.kit.models import ModelStore
from services.kit.profiles import Profile


def open_profile(config: LocalRunConfig) -> tuple[Profile, RunPlan, ModelStore]:
    """Raises InvalidInput or NotFound for a profile that is wrong or not there."""
    store = ModelStore.from_environment()
    profile = Profile.load(config.profile, store.catalog)
    return profile, plan_run(profile, config), store
