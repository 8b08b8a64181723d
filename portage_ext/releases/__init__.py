"""A published tree: releases that never change, channels that point at them, gates, mirrors."""
