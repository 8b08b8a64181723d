"""What ELF objects need from each other, down to symbol versions, and what the loader of a root would find for them."""
