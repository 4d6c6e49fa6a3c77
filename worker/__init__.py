"""
Lead scoring on Kafka: interactions in, "lead became sales-ready" out.

In reading order:

- `errors`: the tree of what can go wrong, each with a stable code, and who has to act.
- `contracts`: bytes <-> frozen typed structs; the one place that knows a wire format.
- `scoring`: what a score is, purely: model, conditions, attributes, decay, limits, fold, qualification, due instants, explanation.
- `pipeline`: a partition's records + stored values + models -> new values, outputs, dead letters; purely.
- `models`: the scoring models that come with the worker, and their cases.
- `lines`: a recorded history as lines, from files or streams, packed or not.
- `export`: scores and transitions as the two files in which a scoring can be compared with another.
- `replay`: a recorded history through the very pipeline that runs live.
- `cases`: stories about one contact, and what a model must make of them; the wording of explanations.
- `reports`: what a replayed history says about a model: distribution, rules, another model beside it, what was really won.
- `fitting`: points proposed from history, as an ordinary model file with its evidence.
- `settings`: where and how to run, read from the environment.
- `metrics`: the catalogue of what is counted.
- `logs`: one formatter, for programs or for people.
- `clock`: the only place that reads a clock.
- `memory`: how the garbage collector is set.
- `stores`: where contacts are kept, in batches: RocksDB, Redis, memory; one contract for all.
- `kafka`: how brokers are spoken to: security, topics, permissions, and what aiokafka keeps to itself.
- `stream`: the Faust app: transport, one round's commit, restore, timers; the only package that knows Faust, but for the store's adapter.
- `processes`: several workers on one host under one supervisor, one process a core.
- `operations`: what the operator's commands do with brokers, beside running workers.
- `web`: probes, metrics, status, and one contact's score.
- `demo`: an embedded broker and simulated traffic.
- `cli`: the command `leadscore`, one module a noun, or a verb of `model`.
"""

__version__ = "0.1.0"
