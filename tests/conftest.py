"""Tests run as if nothing were configured, whatever the shell that starts them has set; only where models lie stays."""

import os

KEPT = ("LEDGE_MODELS_DIR", "NIM_CACHE_PATH", "LEDGE_MODELS_CATALOG")

for name in [name for name in os.environ if name.startswith(("LEDGE_", "NIM_")) and name not in KEPT]:
    del os.environ[name]
