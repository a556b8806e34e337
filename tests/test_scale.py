"""The model of costs, and the page that is made with it."""

import json

import pytest

from tools.scale import CORES, COSTS, HASHED, PAGE, PRICE, SHARED, format_bytes, format_hours, plan, write_page


def test_cores_limit_a_costly_stage_and_are_shared_evenly():
    one, ten = (plan(3600.0, 1.0, 2.0, 320.0, nodes) for nodes in (1, 10))
    assert one.limit == ten.limit == "cores" and one.hours == pytest.approx(320 / CORES)
    assert ten.hours == pytest.approx(one.hours / 10) and one.price == ten.price == pytest.approx(320 * PRICE)
    assert one.stored == 640


def test_storage_limits_a_cheap_stage_whatever_the_nodes():
    plans = [plan(0.001, SHARED, SHARED, 1800.0, nodes) for nodes in (1, 100)]
    assert {found.limit for found in plans} == {"shared storage"}
    assert [found.hours for found in plans] == pytest.approx([1.0, 1.0])


def test_joining_is_added_and_named_where_it_takes_longest():
    found = plan(1.0, 0.0, HASHED, 3600.0, 1000, joined=True)
    assert found.limit.startswith("joining") and found.hours == pytest.approx(1 + HASHED / SHARED)


def test_units():
    assert [format_hours(h) for h in (0.001, 0.5, 3, 72)] == ["< 1 min", "30 min", "3.0 h", "3.0 days"]
    assert [format_bytes(n) for n in (1e3, 2.5e6, 3e15)] == ["1 kB", "2.5 MB", "3 PB"]


def test_the_page_states_what_was_measured_and_computed():
    stage = {"core_seconds": 86.4, "bytes": 1e6, "hours": 2.5}
    costs = {
        "stages": {"corpus": stage | {"core_seconds": 0.0}, "encode": stage},
        "memory_mb": [800.0, 810.0], "peak_mb": 900.0, "load": 1.0, "cpu": "a processor", "versions": {"torch": "2.13"},
    }  # fmt: skip
    page = write_page(costs)
    assert "| `encode` | 2.50 | 86.4 | 1,000 | 1 MB |" in page and "shards of 1.25 h: 800, 810 MB" in page
    computed = plan(86.4, 1e6, 1e6, 1_000_000, 1)
    assert f"| `encode` | {format_hours(computed.hours)} | " in page.partition("### 1,000,000")[2]


def test_the_page_is_that_of_the_measured_costs():
    assert PAGE.read_text(encoding="utf-8") == write_page(json.loads(COSTS.read_text(encoding="utf-8")))
