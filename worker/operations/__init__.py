"""
What the operator's commands do with brokers, beside running workers: read, count, send again, move on; each a client for a moment.

One noun a module: `group_lag`, `dead_letters` and their replay, `position_change`, what is held of one contact
(`contact_state`, `contact_export`, `contact_erase`), `dump`, `send`, and `topic_lines`, a topic read as a history.
"""
