"""Which store a worker uses."""

from pathlib import Path

from processors.compactor.memory_store import MemoryStore
from processors.compactor.rocks_store import RocksStore
from processors.compactor.store import Store
from schemas.settings import Settings


def open_store(settings: Settings) -> Store:
    """The store that the settings name; workers that share a data directory differ by their instance id.

    Raises:
        StoreError: it cannot be opened.
    """
    if settings.compact.store == "memory":
        return MemoryStore()
    directory = Path(settings.data_dir) / "compactor" / (settings.compact.instance_id or "store")
    return RocksStore(directory, share=settings.compact.processes)
