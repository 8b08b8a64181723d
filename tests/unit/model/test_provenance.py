"""A statement is read as it was written; what is no statement, or is beyond bounds, is a named error."""

from __future__ import annotations

import json

import pytest

from portage_ext import limits
from portage_ext.errors.provenance import InvalidProvenanceError
from portage_ext.model.provenance import PREDICATE, STATEMENT, Record, Statement, record, statement

RECORD = Record(
    cpv="app-misc/hello-1.0",
    repository="tiny",
    commit="0" * 40,
    job="f" * 64,
    ebuild={"blake2b": "ab"},
    variables={"CFLAGS": "-O2", "USE": "foo"},
    eclasses={"toolchain-funcs": {"blake2b": "cd"}},
    distfiles={"hello-1.0.tar.gz": {"blake2b": "ef", "sha512": "01"}},
    dependencies={"dev-libs/libtiny-1.0": {"slot": "0/1", "build_id": "2"}},
)
SUBJECT = Statement(
    "app-misc/hello/hello-1.0-1.gpkg.tar", {"blake2b": "23"}, "app-misc/hello-1.0", "1", "1700000000", "build", RECORD
)


def test_a_record_and_a_statement_are_read_as_they_were_written() -> None:
    assert record(RECORD.emit(), "x") == RECORD
    assert statement(SUBJECT.emit(), "x") == SUBJECT
    bare = Statement(SUBJECT.path, SUBJECT.digest, SUBJECT.cpv, "", "", "", None)
    assert statement(bare.emit(), "x") == bare


def test_a_statement_is_in_the_format_of_in_toto_and_slsa() -> None:
    values = json.loads(SUBJECT.emit())
    assert (values["_type"], values["predicateType"]) == (STATEMENT, PREDICATE)
    assert values["subject"] == [{"name": SUBJECT.path, "digest": {"blake2b": "23"}}]
    assert values["predicate"].keys() == {"buildDefinition", "runDetails"}
    definition = values["predicate"]["buildDefinition"]
    assert definition.keys() == {"buildType", "externalParameters", "internalParameters", "resolvedDependencies"}
    assert values["predicate"]["runDetails"]["builder"] == {"id": "urn:portage-ext:builder:build"}
    assert {one["name"] for one in definition["resolvedDependencies"]} == {
        "app-misc/hello-1.0.ebuild", "toolchain-funcs", "hello-1.0.tar.gz", "dev-libs/libtiny-1.0",
    }  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{}",
        b'{"_type":"x"}',
        SUBJECT.emit().replace(STATEMENT.encode(), b"https://in-toto.io/Statement/v9"),
        SUBJECT.emit().replace(b"urn:portage-ext:ebuild:v1", b"urn:other:v1"),
        SUBJECT.emit().replace(b'"subject":[', b'"subject":[1,'),
        SUBJECT.emit().replace(b'"blake2b":"23"', b'"blake2b":23'),
        SUBJECT.emit().replace(b'"sha512":"01"', b'"sha512":"\\u001b[2J"'),
        b"[" * 100_000,
        b" " * (limits.PROVENANCE_LINE + 1),
    ],
)
def test_what_is_no_statement_is_a_named_error(line: bytes) -> None:
    with pytest.raises(InvalidProvenanceError):
        statement(line, "x")


def test_more_inputs_than_the_bound_are_refused() -> None:
    many = {str(number): {} for number in range(limits.PROVENANCE_INPUTS + 1)}
    text = json.dumps({**json.loads(RECORD.emit()), "eclasses": many})
    with pytest.raises(InvalidProvenanceError, match="eclasses is no table within bounds"):
        record(text, "x")
