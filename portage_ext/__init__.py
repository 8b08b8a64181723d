"""portage-ext: binary packages for Portage that are chosen, ordered, published and trusted.

This module is imported inside every emerge, so it imports nothing itself.
"""

__version__ = "0.1.0"
