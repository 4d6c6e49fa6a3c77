"""
Reading a model file: text to a tree with places, tree to a checked model, every problem of the file in one report.

Reading order: `tree` (strict YAML), `findings`, `fields` (the machine that walks a section's table of keys), `values`,
then one module a part of the file: `field_tests`, `event_when`, `state_when`, `awards`, `rules`, `idleness`, `sales`.
`model_keys` is the top; `reference` writes the tables down for people.
"""
