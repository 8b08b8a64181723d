"""The programs that phase hooks start: one module for each, which parses, calls, and sets the exit status."""
