"""Every reader of foreign bytes, on bytes that nobody expects: ``make fuzz SECONDS=180``, and a short part in ``make test``.

The bytes are honest ones of each reader with a few changes, made from a number, so that the same come again. Nothing is needed
that the tests do not have: atheris is built for few Pythons, and hypothesis takes several times as long to make an example as a
reader to read it; it is used where structure counts (``test_tarfile``). What was found lies below ``regressions``,
as small as it could be made.

=================  ==========================================================================
``judging``        what counts as a finding: an exception without a name, time, memory
``mutations``      bytes changed as people change them who look for holes
``targets``        a row for each reader of texts; ``packages`` and ``answers`` have the others
``run``            the long part
=================  ==========================================================================
"""
