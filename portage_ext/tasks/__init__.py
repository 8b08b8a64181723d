"""The work of each command, for commands and programs: plain parameters in, a value out. No parsing, printing or exiting."""
