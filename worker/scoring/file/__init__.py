"""
Reading a model file: text to a tree with places, tree to a checked model, every problem of the file in one report.

Reading order: `tree` (strict YAML; `syntax` for what is none, `lookalikes` for names), `findings`, `fields` (the machine that walks a
section's table of keys), `values`, `durations`, then one module a part of the file: `attribute_paths`, `field_tests`, `event_when`,
`state_when`, `awards`, `fading`, `rules`, `idleness`, `sales`. `model_keys` is the top. `reference` and `json_schema` write the tables
down, for people and for editors; `review` doubts what loads; `explanations` says what each finding means.
"""
