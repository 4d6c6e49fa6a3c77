"""
Points proposed from history: events and an outcome in, an ordinary model file out.

In reading order: `timelines` (events by contact), `looks` (who is judged when, and who won), `candidates` and `features` (what a rule
could reward), `regression` (the only module that knows scikit-learn), `scorecard` (coefficients to whole points), `writing` (the model
file with its evidence), `running` (the written model through the engine), `threshold`, `judging` and `intervals` (how good it is on a
later slice), `proposal` (all of it in order).
"""
