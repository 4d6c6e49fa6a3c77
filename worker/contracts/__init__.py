"""Bytes to frozen typed structs and back: the one place that knows a wire format. Pure: no clock, no I/O."""
