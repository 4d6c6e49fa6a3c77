"""A test of the tests: break one rule of scoring after another, and expect them to go red."""
