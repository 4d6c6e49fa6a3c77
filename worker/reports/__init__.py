"""
What a replayed history says about a model: distribution, rules, weeks, another model beside it, what really happened.

Purely from what `replay` came to; as tables (`tables`), as JSON (`document`) and as one HTML page (`page`).
"""
