"""Fixtures: a publishing host and its web server, as the tests of publishing have them."""

from tests.system.publish.conftest import host, web

__all__ = ["host", "web"]
