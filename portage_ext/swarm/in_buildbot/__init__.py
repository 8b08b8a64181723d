"""What Buildbot runs, by its own Python: configuration of its master and of its worker. Nothing of ours imports it."""
