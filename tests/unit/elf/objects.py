"""Real objects, made by the compiler of this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path


def compile_c(output: Path, source: str, *flags: str) -> Path:
    """Compile ``source`` to ``output`` with ``flags``."""
    output.parent.mkdir(parents=True, exist_ok=True)
    command = ["gcc", "-x", "c", "-", "-x", "none", "-o", str(output), *flags]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return output


def library(output: Path, nodes: Iterable[str], *flags: str, soname: str | None = None, source: str = "") -> Path:
    """A shared library that defines ``nodes``, each with the function ``f_<number>``."""
    nodes = list(nodes)
    output.parent.mkdir(parents=True, exist_ok=True)
    script = output.with_suffix(".map")
    script.write_text(
        "".join(f"{node} {{ global: f_{number}; }};\n" for number, node in enumerate(nodes)) or "{ global: *; };\n"
    )
    functions = "".join(f"int f_{number}(void) {{ return {number}; }}\n" for number in range(max(len(nodes), 1)))
    link = [f"-Wl,--version-script={script}"] if nodes else []
    compile_c(output, functions + source, "-shared", "-fPIC", f"-Wl,-soname,{soname or output.name}", *link, *flags)
    script.unlink()
    return output


def program(output: Path, used: Iterable[int], *flags: str) -> Path:
    """A program that calls the functions ``f_<number>``; with none it calls nothing."""
    numbers = list(used)
    declared = "".join(f"extern int f_{n}(void);\n" for n in numbers)
    return compile_c(
        output, declared + "int main(void) { return " + " + ".join([f"f_{n}()" for n in numbers] or ["0"]) + "; }\n", *flags
    )
