"""The GLEP 78 container: bounded reading, identity, signing without recompression."""
