"""The text of an ebuild, made from the metadata of a release; nothing here fetches, writes or runs anything."""
