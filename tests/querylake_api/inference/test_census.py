"""Which request fields callers send is counted: names, never values."""

from __future__ import annotations

from querylake_api.inference.census import MAX_FIELDS, OTHER, FieldCensus
from querylake_api.observability.families import Counter
from querylake_api_testing.running import RunningApi

ROUTE = "/v1/chat/completions"


def census() -> tuple[FieldCensus, Counter]:
    counter = Counter("fields", "", ("route", "model", "field"))
    return FieldCensus(counter), counter


async def test_the_fields_of_requests_are_counted_by_route_and_model(api: RunningApi) -> None:
    chat = {"model": "default", "messages": [], "temperature": 0.25}
    for more in ({}, {"guided_json": {"secret": "value"}}):
        assert (await api.post(ROUTE, {**chat, **more})).status_code == 200
    answer = await api.client.get("/admin/contract", headers=api.headers(api.admin_key))
    assert answer.status_code == 200
    found = {each["field"]: each["requests"] for each in answer.json()["fields"]}
    assert found == {"model": 2, "messages": 2, "temperature": 2, "guided_json": 1}
    assert {each["route"] for each in answer.json()["fields"]} == {ROUTE}
    assert "secret" not in answer.text
    assert "0.25" not in answer.text
    # Callers choose the names: too many series for Prometheus.
    assert "guided_json" not in (await api.client.get("/metrics")).text


def test_names_that_callers_invent_take_no_room() -> None:
    counted, counter = census()
    for number in range(MAX_FIELDS + 50):
        counted.note(ROUTE, "m", [f"field_{number}"])
    counted.note(ROUTE, "m", ["field_0", "not a name", "x" * 65, "", "ä"])
    assert len(counter.current()) == MAX_FIELDS + 1
    assert counter.values[(ROUTE, "m", "field_0")] == 2
    assert counter.values[(ROUTE, "m", OTHER)] == 54


def test_it_goes_on_from_what_was_counted_before() -> None:
    counted, counter = census()
    counter.values[(ROUTE, "m", "seed")] = 7.0
    counted.note(ROUTE, "m", {"seed": 1})
    assert counter.current() == {(ROUTE, "m", "seed"): 8.0}
