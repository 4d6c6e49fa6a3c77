"""The command line, one module a noun; it parses, calls one function, prints and exits."""
