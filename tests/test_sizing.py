"""The model of what so many people need: it grows with them, its units agree, and its limits are where it says."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from benchmarks import comeback, sizing
from benchmarks.constants import COMMITTED_A_SECOND, DELIVERY_US, JOINED_KB, PACKET_BYTES, PROCESS_MB, STATE_BYTES
from benchmarks.sizing import BUSY, CLASSES, PEOPLE, WEBINAR, Limit, Mix, Need

EACH = [1_000, *PEOPLE]


@pytest.mark.parametrize("mix", [WEBINAR, CLASSES])
@pytest.mark.parametrize("interval", [100, 1_000])
def test_more_people_never_need_less(mix: Mix, interval: int) -> None:
    needs = [Need(people, mix, interval) for people in EACH]
    for few, many in pairwise(needs):
        for name in ("changes", "deliveries", "cores", "processes", "egress", "announced", "transactions"):
            assert getattr(few, name) <= getattr(many, name), name
        assert few.megabytes(JOINED_KB) < many.megabytes(JOINED_KB)
        assert few.storm() <= many.storm()


@pytest.mark.parametrize("people", EACH)
def test_no_process_is_busier_than_it_may_be_and_one_fewer_would_not_do(people: int) -> None:
    need = Need(people)
    assert need.cores <= need.processes * BUSY
    if need.processes > 1:
        assert need.cores_of(need.processes - 2) > (need.processes - 2) * BUSY


def test_units_agree_with_a_sum_by_hand() -> None:
    need = Need(100_000, WEBINAR, 1_000)
    assert need.changes == pytest.approx(55.6, abs=0.1)
    assert need.deliveries == 100_000  # the interval's, though more changes
    assert need.deliveries * DELIVERY_US / 1e6 == pytest.approx(0.99)
    assert need.megabytes(1.0) == pytest.approx(need.processes * PROCESS_MB + 97.66, abs=0.01)
    assert need.egress == 100_000 * (STATE_BYTES + PACKET_BYTES)
    classes = Need(3_600, CLASSES)
    assert classes.changes == pytest.approx(2)
    assert classes.deliveries == pytest.approx(2 * 30 * 2)


def test_slower_counts_need_less_and_the_bus_costs_only_many() -> None:
    fast = Need(100_000)
    assert replace(fast, interval_ms=1_000).cores < fast.cores / 5
    assert Need(1_000).announced == 0
    assert Need(1_000).cores == Need(1_000).alone


def test_a_limit_is_found_where_it_is() -> None:
    assert Limit("", lambda people: people / 12_345, "").people() == pytest.approx(12_345, rel=0.002)
    assert Limit("", lambda people: 0.0, "").people() == 2**30
    found = [float(row[1].replace(",", "")) for row in sizing.breaks()[1:]]
    assert found == sorted(found)


def test_who_comes_back_waits_for_the_delay_the_successor_and_the_queue_whichever_is_last() -> None:
    few = comeback.seconds(100, 5.0, 1.0, cpu=0.0002)
    assert 4.5 < few < 5.2
    assert comeback.seconds(100, 5.0, 30.0, cpu=0.0002) == pytest.approx(30.02)
    assert comeback.seconds(100_000, 5.0, 1.0, cpu=0.0002) == pytest.approx(20, abs=2.5)
    stored = comeback.seconds(10_000, 5.0, 1.0, cpu=0.0002, store=1 / COMMITTED_A_SECOND)
    assert stored == pytest.approx(10_000 / COMMITTED_A_SECOND, abs=6)
    assert comeback.drained(1_000) == comeback.drained(100_000) == pytest.approx(1.9)
    assert comeback.drained(40) == 0
