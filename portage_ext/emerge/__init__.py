"""What runs inside emerge: the seam, the parts that hook into it, and what each of them does there."""
