"""What ELF objects need from each other, down to the symbol version, and what a root's loader would find for them."""
