"""The pages of a channel for people: static files in each release, which the index header PAGES and so its Release bind."""
