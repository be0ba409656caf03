"""Model files: what there is to have (`catalog`), what is here (`store`), how it gets here (`fetch`, `bundle`).

```python
folder = ModelStore.from_environment().require("all-minilm-l6-v2")     # blocks; in a service: asyncio.to_thread
```
"""

from services.kit.models.bundle import bundle, import_bundle
from services.kit.models.catalog import Catalog, CatalogEntry, ModelFile
from services.kit.models.config import ModelStoreConfig
from services.kit.models.fetch import Network
from services.kit.models.progress import Progress, Watch
from services.kit.models.store import ModelStatus, ModelStore

__all__ = [
    "Catalog",
    "CatalogEntry",
    "ModelFile",
    "ModelStatus",
    "ModelStore",
    "ModelStoreConfig",
    "Network",
    "Progress",
    "Watch",
    "bundle",
    "import_bundle",
]
