"""Which signatures are trusted: OpenPGP verdicts, keyrings, and the state machine of Releases. The only I/O is running gpg."""
