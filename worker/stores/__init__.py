"""Where contacts are kept between rounds: bytes by partition and key, in batches; never scores, never Kafka."""

from worker.stores.base import ContactStore, Due, DueChange
from worker.stores.opening import open_store

__all__ = ["ContactStore", "Due", "DueChange", "open_store"]
