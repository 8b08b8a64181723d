"""What a command does, for commands and programs: plain parameters in, a value out. It does not parse, print or exit."""
