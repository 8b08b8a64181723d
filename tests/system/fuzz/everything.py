"""All readers, and where the bytes lie that once were too much for one of them."""

from __future__ import annotations

from pathlib import Path

from tests.system.fuzz import answers, asking, c_modules, packages, pages, python_index, targets

EVERY = (
    *targets.TARGETS,
    *packages.TARGETS,
    *c_modules.TARGETS,
    *answers.TARGETS,
    *asking.TARGETS,
    *python_index.TARGETS,
    *pages.TARGETS,
)
REGRESSIONS = Path(__file__).parent / "regressions"
