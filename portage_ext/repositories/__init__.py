"""Ebuild repositories that a sync makes: packages picked from an overlay, and ebuilds made from published releases."""
