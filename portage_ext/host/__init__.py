"""The only door to Portage's internals."""
