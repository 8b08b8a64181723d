"""JSON documents that come from another host or an earlier run: one format each, within a size."""

from __future__ import annotations

import json
from typing import Any


def table(data: bytes, form: str, most: int) -> dict[str, Any]:
    """The JSON table in ``data``, at most ``most`` bytes, whose key ``format`` must be ``form``.

    Raises ValueError, whose text is a clause that says what is wrong.
    """
    if len(data) > most:
        raise ValueError(f"it is larger than {most} bytes")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not valid JSON ({error})") from error
    if not isinstance(document, dict) or document.get("format") != form:
        raise ValueError(f"its format is not {form}; use a newer portage-ext")
    return document
