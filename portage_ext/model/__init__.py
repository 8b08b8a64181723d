"""Values that every stage shares; standard library only."""
