"""
Lead scoring on Kafka: interactions in, "lead became sales-ready" out.

In reading order:

- `contracts`: bytes <-> frozen typed structs; the one place that knows a wire format.
- `scoring`: what a score is, purely: model, conditions, decay, limits, fold, qualification, due instants, explanation.
- `pipeline`: a partition's records + stored values + models -> new values, outputs, dead letters; purely.
- `stores`: where contacts are kept, in batches: RocksDB, memory; one contract for all.
- `stream`: the only package that knows Faust and aiokafka: transport, one round's commit, restore, timers, topics.
- `models`: the scoring models that come with the worker.
- `demo`: an embedded broker and simulated traffic.
- `web`: probes, metrics and status.
- `settings`: where and how to run, read from the environment.
- `cli`: the command `leadscore`, one module a noun.
"""

__version__ = "0.1.0"
