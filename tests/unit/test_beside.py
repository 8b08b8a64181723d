"""Work in threads ends before its caller goes on, and its exceptions reach the caller."""

from __future__ import annotations

import threading

import pytest

from portage_ext.beside import beside


@pytest.mark.parametrize("wanted", [True, False])
def test_the_result_is_that_of_the_work(*, wanted: bool) -> None:
    with beside(threading.get_ident, wanted) as result:
        assert (result() != threading.get_ident()) is wanted


@pytest.mark.parametrize("wanted", [True, False])
def test_an_exception_is_raised_where_the_result_is_asked_for(*, wanted: bool) -> None:
    with beside(lambda: 1 // 0, wanted) as result, pytest.raises(ZeroDivisionError):
        result()


def test_the_work_has_ended_when_the_caller_fails() -> None:
    begun, done = threading.Event(), []

    def work() -> None:
        begun.wait()
        done.append(1)

    def fails() -> None:
        with beside(work):
            begun.set()
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert done == [1]
