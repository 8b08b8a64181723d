"""The pages of a channel for people: static files in each release, authenticated by the index header PAGES and the Release."""
