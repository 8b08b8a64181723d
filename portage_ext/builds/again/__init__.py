"""Published packages are built again in their recorded environment, to see whether they are reproducible."""
