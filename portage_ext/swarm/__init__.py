"""Many machines that build: a coordinator on Buildbot, builders that dial in, and which job goes where."""
