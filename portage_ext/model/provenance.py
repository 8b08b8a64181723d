"""What was recorded when a package was built, and the statement about it: in-toto Statement v1 with SLSA Provenance v1.

Both are JSON. The record is in the package (build-info/PROVENANCE), so the signature of the package covers it. A statement adds
the digest of the package file, which is known only after signing; a release has one on each line of provenance.jsonl. Readers
take known keys with values within bounds, and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from portage_ext import limits
from portage_ext.errors.provenance import InvalidProvenanceError

KEY: Final = "PROVENANCE"
"""The name of the record in a package."""
HOST: Final = "BUILD_HOST"
"""The name of the file beside it that has the host name of the build."""
HOST_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,255}")
"""A host name that is repeated in a statement; a package is foreign input."""
JOB: Final = "PORTAGE_EXT_JOB"
"""The variable that tells a build which job of `portage-ext build` it is."""
FORMAT: Final = 1
STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "https://slsa.dev/provenance/v1"
BUILD_TYPE: Final = "urn:portage-ext:ebuild:v1"
Texts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Record:
    """What decided a build. Digests are in lower-case hex, by name of the algorithm in lower case.

    ``ebuild`` and each of ``eclasses`` (by name) and ``distfiles`` (by file name; as the Manifest has them) are digests;
    ``dependencies`` are the installed packages of DEPEND and BDEPEND by CPV, with ``slot`` and ``build_id``. ``commit`` and
    ``job`` (the key of a job of `portage-ext build`) are empty if there is none.
    """

    cpv: str
    repository: str
    commit: str
    job: str
    ebuild: Texts
    variables: Texts = field(default_factory=dict)
    eclasses: Mapping[str, Texts] = field(default_factory=dict)
    distfiles: Mapping[str, Texts] = field(default_factory=dict)
    dependencies: Mapping[str, Texts] = field(default_factory=dict)

    def emit(self) -> str:
        """One line of JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True, separators=(",", ":"))


def record(text: str, where: str) -> Record:
    """Parse what :meth:`Record.emit` wrote. Raises InvalidProvenanceError."""
    values = _document(text, where)
    known = {one.name for one in fields(Record)}
    if values.pop("format", None) != FORMAT or values.keys() != known:
        raise InvalidProvenanceError(where, f"it is no record of format {FORMAT}")
    names = ("cpv", "repository", "commit", "job")
    if not all(isinstance(values[name], str) and values[name].isprintable() for name in names):
        raise InvalidProvenanceError(where, "a value has another type")
    return Record(
        **{name: values[name] for name in names},
        ebuild=_texts(values["ebuild"], "ebuild", where),
        variables=_texts(values["variables"], "variables", where),
        eclasses=_tables(values["eclasses"], "eclasses", where),
        distfiles=_tables(values["distfiles"], "distfiles", where),
        dependencies=_tables(values["dependencies"], "dependencies", where),
    )


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement about one package file: its path in the release, its digests, the host that built it, and the record; None if
    none was made."""

    path: str
    digest: Texts
    cpv: str
    build_id: str
    build_time: str
    builder: str
    record: Record | None

    def _subject(self) -> list[dict[str, Any]]:
        return [{"name": self.path, "digest": dict(self.digest)}]

    def subject(self) -> bytes:
        """The end of :meth:`emit`, which says what the statement is about."""
        return json.dumps({"subject": self._subject()}, sort_keys=True, separators=(",", ":")).encode()[1:]

    def emit(self) -> bytes:
        """The statement as one line of JSON."""
        made = self.record
        external: dict[str, Any] = {"package": self.cpv, "build_id": self.build_id, "build_time": self.build_time}
        definition: dict[str, Any] = {"buildType": BUILD_TYPE, "externalParameters": external, "resolvedDependencies": []}
        details: dict[str, Any] = {"builder": {"id": f"urn:portage-ext:builder:{self.builder}"}}
        if made is not None:
            external |= {"repository": made.repository}
            definition["internalParameters"] = {"environment": made.job, **made.variables}
            definition["resolvedDependencies"] = [
                {"name": f"{made.cpv}.ebuild", "uri": f"urn:portage-ext:ebuild:{made.repository}", "digest": dict(made.ebuild)}
                | ({"annotations": {"commit": made.commit}} if made.commit else {}),
                *({"name": name, "uri": "urn:portage-ext:eclass", "digest": dict(one)} for name, one in made.eclasses.items()),
                *(
                    {"name": name, "uri": "urn:portage-ext:distfile", "digest": dict(one)}
                    for name, one in made.distfiles.items()
                ),
                *(
                    {"name": name, "uri": "urn:portage-ext:package", "annotations": dict(one)}
                    for name, one in made.dependencies.items()
                ),
            ]
        document = {
            "_type": STATEMENT,
            "subject": self._subject(),
            "predicateType": PREDICATE,
            "predicate": {"buildDefinition": definition, "runDetails": details},
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def statement(line: bytes, where: str) -> Statement:
    """Parse what :meth:`Statement.emit` wrote. Raises InvalidProvenanceError."""
    if len(line) > limits.PROVENANCE_LINE:
        raise InvalidProvenanceError(where, f"a statement has more than {limits.PROVENANCE_LINE} bytes")
    values = _document(line.decode("utf-8", "replace"), where)
    if values.get("_type") != STATEMENT or values.get("predicateType") != PREDICATE:
        raise InvalidProvenanceError(where, "it is no in-toto statement with SLSA provenance")
    try:
        (subject,) = values["subject"]
        definition = values["predicate"]["buildDefinition"]
        builder = values["predicate"]["runDetails"]["builder"]["id"].rpartition("urn:portage-ext:builder:")[2]
        if definition["buildType"] != BUILD_TYPE:
            raise InvalidProvenanceError(where, f"its build type is not {BUILD_TYPE}")
        external, internal = definition["externalParameters"], definition.get("internalParameters")
        inputs = [(one["uri"], one["name"], one) for one in definition["resolvedDependencies"]]
        found = Statement(
            str(subject["name"]),
            _texts(subject["digest"], "subject", where),
            str(external["package"]),
            str(external["build_id"]),
            str(external["build_time"]),
            builder,
            None if internal is None else _record(external, internal, inputs, where),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidProvenanceError(where, f"it lacks a part of a statement ({type(error).__name__}: {error})") from error
    return found


def _record(external: Any, internal: Any, inputs: list[tuple[str, str, Any]], where: str) -> Record:
    variables = {str(key): str(value) for key, value in internal.items() if key != "environment"}
    (ebuild,) = [one for uri, _, one in inputs if uri.startswith("urn:portage-ext:ebuild:")]
    values = {
        "format": FORMAT,
        "cpv": external["package"],
        "repository": external["repository"],
        "commit": ebuild.get("annotations", {}).get("commit", ""),
        "job": internal["environment"],
        "ebuild": ebuild["digest"],
        "variables": variables,
        "eclasses": {name: one["digest"] for uri, name, one in inputs if uri == "urn:portage-ext:eclass"},
        "distfiles": {name: one["digest"] for uri, name, one in inputs if uri == "urn:portage-ext:distfile"},
        "dependencies": {name: one["annotations"] for uri, name, one in inputs if uri == "urn:portage-ext:package"},
    }
    return record(json.dumps(values), where)


def _document(text: str, where: str) -> dict[str, Any]:
    if len(text) > limits.PROVENANCE_LINE:
        raise InvalidProvenanceError(where, f"it has more than {limits.PROVENANCE_LINE} bytes")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidProvenanceError(where, f"it is no JSON ({error})") from error
    if not isinstance(values, dict):
        raise InvalidProvenanceError(where, "it is no table")
    return values


def _texts(value: object, name: str, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > limits.PROVENANCE_INPUTS:
        raise InvalidProvenanceError(where, f"{name} is no table within bounds")
    if not all(isinstance(text, str) and (key + text).isprintable() for key, text in value.items()):
        raise InvalidProvenanceError(where, f"{name} has a value that is no printable text")
    return {str(key): str(text) for key, text in value.items()}


def _tables(value: object, name: str, where: str) -> dict[str, dict[str, str]]:
    if not isinstance(value, dict) or len(value) > limits.PROVENANCE_INPUTS:
        raise InvalidProvenanceError(where, f"{name} is no table within bounds")
    return {key: _texts(one, f"{name}: {key}"[:80], where) for key, one in value.items()}
