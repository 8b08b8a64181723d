"""The shortcuts around Portage's ``use_reduce`` never change its answer; compared inside an environment with Portage."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tests.system.index import sandbox

SCRIPT = """
import json, sys
from portage.dep import Atom, paren_enclose, use_reduce
from portage.exception import InvalidDependString
from portage_ext.host.depend import DependEvaluator
evaluator = DependEvaluator()
other = []
for key, value, use in json.load(open(sys.argv[1])):
    use = frozenset(use)
    try:
        theirs = paren_enclose(use_reduce(value, uselist=use, token_class=Atom if key.endswith("DEPEND") else None))
    except InvalidDependString as error:
        theirs = "invalid"
    for again in range(2):
        try:
            ours = evaluator(key, value, use)
        except ValueError:
            ours = "invalid"
        if ours != theirs:
            other.append((key, value, sorted(use), ours, theirs))
print(json.dumps(other[:5]))
"""
TOKENS = (
    "a/b", ">=a/b-1", "a/b[x]", "a/b[x?]", "a/b[!x=]", "a/b[-y(+)]", "a/b:0/1=", "!!a/b", "(", ")", "||", "x?", "!x?", "y?",
    "broken", "GPL-2", "->", "x-y?", "a/b[x,y?]", "=a/b-1*", "é?", "(a/b", "a/b)", "MIT",
)  # fmt: skip


def test_every_value_is_evaluated_as_portage_does(work: Path) -> None:
    chance = random.Random(7)
    cases = []
    for _ in range(20_000):
        value = " ".join(chance.choice(TOKENS) for _ in range(chance.randrange(1, 7)))
        use = [flag for flag in ("x", "y", "x-y") if chance.random() < 0.5]
        cases.append((chance.choice(["DEPEND", "RDEPEND", "LICENSE", "RESTRICT"]), value, use))
    for inner in ("a/b", "a/b c/d", "|| ( a/b c/d )", "x? ( a/b )"):
        for outer in ("|| ( {} )", "x? ( {} )", "!x? ( {} )", "( {} )", "|| ( e/f {} )", "|| ( x? ( {} ) e/f )"):
            cases += [("DEPEND", outer.format(inner), use) for use in ([], ["x"])]
    root = sandbox.make_root(work)
    file = work / "cases.json"
    file.write_text(json.dumps(cases))
    assert json.loads(root.run("python3", "-c", SCRIPT, str(file)).ok().stdout) == []


def test_an_atom_is_accepted_and_written_as_by_portage(work: Path) -> None:
    chance = random.Random(11)
    parts = (
        ("", "", "=", ">=", "<=", "<", ">", "~", "!", "!!", "=="),
        ("a", "a-b", "a1", "a.b", "-a", "A", "a_b", "a--b", "1a", "virtual"),
        ("/",),
        ("b", "b-c", "b-1", "b1", "b-1c", "b_", "b+", "1b", "B-x1", "b-", "b--c", "b-r1", "b-c-1-d", "b-1-2"),
        ("", "-1", "-1.2.3", "-1.", "-1a", "-1_p2", "-1-r1", "-01", "-1*", "-1.2_alpha", "-20261127", "-r1", "-1-1"),
        ("", "", ":0", ":=", ":0=", ":0/1", ":0/1=", ":*", ":", ":/1", ":-1", ":a.b", ":0/", "::x", ":0::x", ":a+", ":_"),
    )
    atoms = {"".join(chance.choice(part) for part in parts) for _ in range(40_000)}
    root = sandbox.make_root(work)
    file = work / "cases.json"
    file.write_text(json.dumps([("RDEPEND", atom, []) for atom in sorted(atoms)]))
    assert json.loads(root.run("python3", "-c", SCRIPT, str(file)).ok().stdout) == []
