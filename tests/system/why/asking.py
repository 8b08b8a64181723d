"""Asking ``portage-ext why``, and doing literally what it says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.testkit.roots import Root


@dataclass(frozen=True, slots=True)
class Answer:
    """What ``why --json`` printed."""

    root: Root
    value: dict[str, Any]

    def package(self, cpv: str) -> dict[str, Any]:
        return next(one for one in self.value["packages"] if one["cpv"] == cpv)

    def best(self, cpv: str) -> dict[str, Any]:
        """The candidate that the least keeps away."""
        found: dict[str, Any] = self.package(cpv)["candidates"][0]
        return found

    def kinds(self, cpv: str) -> list[str]:
        """Why the closest candidate of ``cpv`` is not taken."""
        return [reason["kind"] for reason in self.best(cpv)["reasons"]]

    def reason(self, cpv: str, kind: str) -> dict[str, Any]:
        return next(reason for reason in self.best(cpv)["reasons"] if reason["kind"] == kind)

    def planned(self, cpv: str) -> set[str]:
        """The binaries in the plan of emerge as the remedy of the closest candidate runs it; a merge would show no more."""
        commands = {
            remedy["command"]
            for reason in self.best(cpv)["reasons"]
            for remedy in reason["remedies"]
            if not remedy["instead"] and remedy["where"] == "here"
        }
        (command,) = commands
        assert command.startswith("emerge "), command
        return self.root.run("sh", "-c", command, EMERGE_DEFAULT_OPTS="--pretend").ok().binaries()

    def follow(self, cpv: str, *, binhost: Root | None = None) -> list[str]:
        """Run every remedy of the closest candidate in a shell, where it says; returns the commands."""
        done = []
        for reason in self.best(cpv)["reasons"]:
            for remedy in reason["remedies"]:
                if remedy["command"] not in done and not remedy["instead"]:
                    place = self.root if remedy["where"] == "here" else binhost
                    assert place is not None, remedy
                    place.run("sh", "-c", remedy["command"]).ok()
                    done.append(remedy["command"])
        assert done, self.best(cpv)
        return done


def why(root: Root, *words: str, **variables: str) -> Answer:
    """Ask, and expect an answer."""
    done = root.run("portage-ext", "why", "--json", *words, **variables)
    assert done.status in (0, 3), str(done)
    return Answer(root, json.loads(done.stdout))
