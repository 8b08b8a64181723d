"""Commands: parse, call, exit code. One module a command; exit codes are made here and nowhere else."""
