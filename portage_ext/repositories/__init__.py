"""Ebuild repositories that a sync makes: packages picked from an overlay, ebuilds made from what others release."""
