"""The ledger: every job, its state and each attempt at it, and the questions that are asked of it."""
