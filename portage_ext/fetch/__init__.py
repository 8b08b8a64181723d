"""The fetchcommand that verifies what it fetches: transports, mirrors, resumed transfers, limits."""
