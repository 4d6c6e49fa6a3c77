"""
Cases: stories about one contact, with what a model must make of them, in a file beside the model.

Reading order: `instants` (when something happens, as people say it), `case` (what a case is), `keys` and `file` (the YAML of it),
`outcome` (a story told to the real pipeline), `judging` (what was expected against what was), `report` and `junit` (for people, for
machines). `wording` writes an explanation of a score down as plain lines; `story` takes one contact out of a recorded history.
"""
