"""What the parsers of all commands take, asked in a Python that has Portage."""

from __future__ import annotations

import functools
import json
import subprocess

from tests.testkit import environments

_ASK = """
import json
from portage_ext.cli import completion, main
print(json.dumps([[one.path, [option.names for option in one.options]] for one in completion.described(main.whole_parser())]))
"""


@functools.cache
def options() -> dict[tuple[str, ...], frozenset[str]]:
    """Words of a command, such as ``("trust", "add")``, to the names of its options; -h left out."""
    command = [str(environments.environment().python), "-P", "-c", _ASK]
    answer = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    found = {tuple(path): frozenset(name for names in every for name in names) for path, every in answer}
    return {path: names - {"-h", "--help"} for path, names in found.items()}
