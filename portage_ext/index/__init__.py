"""The Packages index: parse, emit, incremental update."""
