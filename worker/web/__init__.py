"""Probes, metrics and status over HTTP, on loopback unless an operator says otherwise; contacts for who has the token."""

from worker.web.contacts import ContactPage
from worker.web.server import WebServer
from worker.web.status import ModelStatus, PartitionStatus, Status

__all__ = ["ContactPage", "ModelStatus", "PartitionStatus", "Status", "WebServer"]
