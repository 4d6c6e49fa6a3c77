"""Scores, purely: a model, a contact's fold, its latch; no clock, no I/O, no Kafka."""
