"""What emerge does about packages that would be compiled and should not be: they wait for a binary, or are asked for elsewhere."""
