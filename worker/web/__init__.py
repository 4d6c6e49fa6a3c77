"""Probes, metrics and status over HTTP, on loopback unless an operator says otherwise."""

from worker.web.server import WebServer
from worker.web.status import ModelStatus, PartitionStatus, Status

__all__ = ["ModelStatus", "PartitionStatus", "Status", "WebServer"]
