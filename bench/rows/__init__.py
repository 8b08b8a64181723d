"""The rows of the table of :mod:`bench.all`: each part takes sizes, measures, and yields wants and comparisons."""
