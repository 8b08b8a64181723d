"""What fetching shows: packages are fetched on trial, and the output of the fetchcommand becomes reasons."""
