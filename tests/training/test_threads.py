"""Tasks in threads: results in their order, and none started further ahead than asked."""

from __future__ import annotations

import functools
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from vaebench.errors import InputError
from vaebench.training.threads import in_order


def test_results_come_in_order_and_none_is_begun_too_early():
    begun, free = [], threading.Event()

    def task(number):
        begun.append(number)
        assert free.wait(10)
        return number**2

    with ThreadPoolExecutor(3) as executor:
        results = in_order(executor, (functools.partial(task, number) for number in itertools.count()), ahead=2)
        free.set()
        assert [next(results) for _ in range(3)] == [0, 1, 4]
    assert sorted(begun) == [0, 1, 2, 3, 4]


def test_the_error_of_a_task_is_raised_where_its_result_is_asked_for():
    def failing():
        raise InputError("no such thing")

    with ThreadPoolExecutor(1) as executor:
        results = in_order(executor, [lambda: 1, failing], ahead=5)
        assert next(results) == 1
        with pytest.raises(InputError, match="no such thing"):
            next(results)


def test_no_tasks_have_no_results():
    with ThreadPoolExecutor(1) as executor:
        assert list(in_order(executor, [], ahead=2)) == []
