"""Builds on many machines: a coordinator that uses Buildbot, builders that connect to it, and the scheduling of jobs."""
