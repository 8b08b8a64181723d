"""The files of another host that a build for it needs: which ones may leave it, how they are listed, and how they are sent."""
