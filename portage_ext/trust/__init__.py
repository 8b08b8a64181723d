"""Who is believed: OpenPGP verdicts, keyrings, the Release state machine. No I/O but gpg itself."""
