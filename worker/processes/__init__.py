"""
Several workers on one host, one process a core, in one consumer group under one supervisor.

In reading order: `cores` how many, `apart` what one process has to itself, `rules` what follows from an end or a signal (pure),
`child` and `process` one process from within and from without, `relay` one log of all, `asking` and `standing` what all of them
say together, `leftovers` state that nobody uses any more, `supervisor` the whole.
"""
