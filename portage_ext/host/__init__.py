"""What Portage says of this system, as values."""
