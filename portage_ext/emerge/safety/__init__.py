"""What makes a run of emerge safe to take back."""
