"""The verifying fetchcommand: transports, mirrors, resume, limits."""
