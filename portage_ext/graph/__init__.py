"""The merge list as a graph: its values, what of it is shown in so many lines and columns, and the pictures. Pure.

Both sides draw with it: the footer inside emerge, and ``portage-ext watch`` and ``graph`` outside.
"""
