"""The merge list as a graph: its values, what is shown of it in so many lines and columns, pictures. Pure, but for the footer.

Both sides draw with it: the footer inside emerge, and ``portage-ext watch`` and ``graph`` outside.
"""
