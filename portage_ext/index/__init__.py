"""The package index (``Packages``) is parsed and written here, and updated without compressing unchanged parts again."""
