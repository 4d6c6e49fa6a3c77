"""
The Faust app: a batch transport, one round's commit, restore, timers.

A record's way: `transport` polls it, `assignment` gives it to its partition (`take`, `work`), `rounds` folds it into the open round
(`fold_next`, which calls `worker.pipeline.Partition.fold`) and ends the round (`end_round`, `Partition.drain`),
`delivery_exactly_once` or `delivery_at_least_once` makes the round durable and visible, and only then `rounds` writes the store.
`timers` adds due contacts to rounds; `restore` brings the store up to the changelog when a partition is assigned.
"""
