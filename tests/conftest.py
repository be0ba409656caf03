"""Tests run as if nothing were configured, whatever the shell that starts them has set; only where models lie stays."""

import os
import signal

KEPT = ("LEDGE_MODELS_DIR", "NIM_CACHE_PATH", "LEDGE_MODELS_CATALOG")

for name in [name for name in os.environ if name.startswith(("LEDGE_", "NIM_")) and name not in KEPT]:
    del os.environ[name]

# In the background of a script interrupts are ignored, and what the tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
