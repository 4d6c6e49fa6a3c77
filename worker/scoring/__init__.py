"""
Scores, purely: a model, a contact's fold, its latch; no clock, no I/O, no Kafka.

In reading order:

- What a model says: `model`, `operators`, `glob`, `conditions`, `state_conditions`.
- How points are kept and fade: `decay`, `limits`, `once`, `attributes`, `state`.
- One event after the other: `matching`, `inactivity`, `fit`, `fold`, `history`, `contact`.
- From a fold to a score, and to sales: `reading`, `latch`, `qualification`.
- When time alone changes something: `curve`, `due`.
- Why, and what next: `explain`, `next_steps`.
- What lasts: `codec`, `fold_codec`, `trace_codec`, `size`, `footprint`, `carry_over`.
- Model files: `file`, `model_file`, `lint`.
"""
