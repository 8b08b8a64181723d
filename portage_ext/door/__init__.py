"""The service side of asking: who may ask for what, the requests that stand, and the jobs that they become."""
