"""The daily update as one command: steps whose results are kept, so that the next run goes on where the last one stopped."""
