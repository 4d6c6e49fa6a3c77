"""The headers of a Kafka record: names may repeat, and a value may be null."""

from __future__ import annotations

from collections.abc import Sequence

Header = tuple[str, bytes | None]
Headers = Sequence[Header]
