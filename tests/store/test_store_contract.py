"""The contract of the store, held against every kind of database."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, cast, get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from store_writer import EPOCHS, metrics, new_trial, train

from nas.errors import StoreError
from nas.store import LatencyRecord, Store, StudyRecord, TrialRecord, steps
from nas.store.records import ENDS, End, State
from nas.store.tables import trials

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def in_state(store: Store, study_id: int, state: State, content: int = 0) -> TrialRecord:
    """A trial brought to a state by the steps that lead there."""
    trial = store.add_trial(study_id, new_trial(content))
    if state in ("running", "complete", "pruned"):
        store.start(trial.id, "worker-0")
        store.record_epoch(trial.id, 1, metrics(1))
    if state in get_args(End):
        store.end(trial.id, cast(End, state), reason="because")
    return by_id(store, study_id, trial.id)


def by_id(store: Store, study_id: int, trial_id: int) -> TrialRecord:
    (found,) = (trial for trial in store.trials(study_id) if trial.id == trial_id)
    return found


STEPS: dict[str, tuple[Callable[[Store, int], None], tuple[str, ...]]] = {
    "start": (lambda store, id: store.start(id, "w"), ("waiting",)),
    "epoch": (lambda store, id: store.record_epoch(id, 2, metrics(2)), ("running",)),
    "requeue": (lambda store, id: store.requeue(id), ("running",)),
    "retry": (lambda store, id: store.retry(id, "nan"), ("running",)),
    "complete": (lambda store, id: store.end(id, "complete", metrics=metrics(9)), ("running",)),
    "pruned": (lambda store, id: store.end(id, "pruned"), ("running",)),
    "failed": (lambda store, id: store.end(id, "failed", reason="nan"), ("waiting", "running")),
    "infeasible": (lambda store, id: store.end(id, "infeasible", reason="flops"), ("waiting",)),
}


class TestStudies:
    def test_a_study_comes_back_as_it_was_created(self, store: Store) -> None:
        spec = {
            "space": "resnext",
            "objectives": ["accuracy", "flops"],
            "budget": {"trials": 40},
            "note": "é ✓",
        }
        before = datetime.now(UTC)
        created = store.create_study("resnext-small", spec)
        assert store.study("resnext-small") == created
        assert (created.name, created.spec) == ("resnext-small", spec)
        assert before <= created.created_at <= datetime.now(UTC)
        assert created.created_at.utcoffset() == timedelta(0)
        assert not created.finished
        assert created.trials == 0
        assert created.best_accuracy is None

    def test_a_taken_name_says_how_to_go_on(self, store: Store, study: StudyRecord) -> None:
        train(store, study.id, 0)
        with pytest.raises(StoreError, match=r"'first' exists already \(1 trials, not finished.*nas resume first"):
            store.create_study("first", {})
        assert len(store.studies()) == 1

    def test_an_unknown_name_gets_the_nearest(self, store: Store, study: StudyRecord) -> None:
        with pytest.raises(StoreError, match="unknown study 'frist'; did you mean 'first'"):
            store.study("frist")

    def test_an_empty_store_says_so(self, store: Store) -> None:
        assert store.studies() == []
        with pytest.raises(StoreError, match="unknown study 'x'; the store has no studies"):
            store.study("x")

    @pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 256])
    def test_a_name_that_cannot_be_typed_is_refused(self, store: Store, name: str) -> None:
        with pytest.raises(StoreError, match="cannot be used"):
            store.create_study(name, {})

    def test_tallies_count_every_state_and_keep_baselines_apart(self, store: Store, study: StudyRecord) -> None:
        store.create_study("empty", {})
        for content, state in enumerate(("waiting", "running", "pruned", "failed", "infeasible", "infeasible")):
            in_state(store, study.id, cast(State, state), content)
        best = train(store, study.id, 10, accuracy=0.7)
        train(store, study.id, 11, accuracy=0.6)
        train(store, study.id, 12, accuracy=0.9, kind="baseline", name="resnet18")
        store.add_trial(study.id, new_trial(10, state="complete", reused_from=best))
        empty, first = sorted(store.studies(), key=lambda record: record.name)
        assert first.counts == {
            "waiting": 1,
            "running": 1,
            "complete": 4,
            "pruned": 1,
            "failed": 1,
            "infeasible": 2,
        }
        assert (first.trials, first.reused) == (10, 1)
        assert (first.best_accuracy, first.baseline_accuracy) == (0.7, 0.9)
        assert (empty.trials, empty.reused, empty.best_accuracy, empty.baseline_accuracy) == (
            0,
            0,
            None,
            None,
        )

    def test_all_studies_are_one_query(self, store: Store, study: StudyRecord) -> None:
        store.create_study("second", {})
        seen: list[str] = []
        event.listen(store.database.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
        assert len(store.studies()) == 2
        assert len([text for text in seen if text.startswith("SELECT")]) == 1

    def test_finish_and_reopen(self, store: Store, study: StudyRecord) -> None:
        store.finish_study(study.id)
        assert store.study("first").finished
        store.reopen(study.id)
        assert store.study("first") == study
        store.reopen(study.id, {"budget": 80})
        assert store.study("first").spec == {"budget": 80}

    def test_an_unknown_id_is_an_error(self, store: Store, study: StudyRecord) -> None:
        with pytest.raises(StoreError, match="no study with id 99"):
            store.finish_study(99)
        with pytest.raises(StoreError, match="no study with id 99"):
            store.reopen(99)
        with pytest.raises(StoreError, match="no study with id 99"):
            store.add_trial(99, new_trial())
        with pytest.raises(StoreError, match="cannot write"):
            store.add_curve(99, 0, {"entropy": 1.0})


class TestTrials:
    def test_a_trial_comes_back_as_it_was_added(self, store: Store, study: StudyRecord) -> None:
        new = new_trial(7, kind="baseline", name="resnet18", asked=4, seed=2**40, flops=4 * 10**12)
        added = store.add_trial(study.id, new)
        assert store.trials(study.id) == [added]
        assert store.trial("first", 0) == added
        for field in dataclasses.fields(new):
            if field.name not in ("architecture", "recipe"):
                assert getattr(added, field.name) == getattr(new, field.name)
        assert added.cost == {"params": 1_007, "flops": 4 * 10**12, "activations": 2_007, "memory": 8_007}
        assert not added.ended
        assert store.architecture(new.architecture_key) == new.architecture
        assert store.recipe(new.recipe_key) == new.recipe

    def test_the_record_has_the_columns_of_the_table(self) -> None:
        assert [field.name for field in dataclasses.fields(TrialRecord)] == list(trials.c.keys())

    def test_numbers_count_from_zero_in_each_study(self, store: Store, study: StudyRecord) -> None:
        second = store.create_study("second", {})
        for content in range(3):
            assert store.add_trial(study.id, new_trial(content)).number == content
        assert store.add_trial(second.id, new_trial(0)).number == 0

    def test_the_life_of_a_trial(self, store: Store, study: StudyRecord) -> None:
        trial = store.add_trial(study.id, new_trial(asked=0))
        store.start(trial.id, "host-3:0")
        running = store.trial("first", 0)
        assert (running.state, running.worker, running.epochs) == ("running", "host-3:0", 0)
        store.record_epoch(trial.id, 1, metrics(1))
        assert store.trial("first", 0).metrics == metrics(1)
        store.record_epoch(trial.id, 2, metrics(2))
        store.end(trial.id, "complete", told=1)
        ended = store.trial("first", 0)
        assert ended == dataclasses.replace(
            trial,
            state="complete",
            worker="host-3:0",
            metrics=metrics(2),
            val_accuracy=0.2,
            epochs=2,
            told=1,
            started_at=ended.started_at,
            finished_at=ended.finished_at,
        )
        assert ended.ended
        assert ended.started_at is not None
        assert ended.finished_at is not None
        assert ended.created_at <= ended.started_at <= ended.finished_at
        assert ended.finished_at.utcoffset() == timedelta(0)
        assert [(row.epoch, row.val_accuracy, row.seconds) for row in store.epochs(trial.id)] == [
            (1, 0.1, 0.5),
            (2, 0.2, 0.5),
        ]
        assert store.epochs(trial.id)[1].metrics == metrics(2)

    @pytest.mark.parametrize("state", get_args(State))
    def test_only_the_right_steps_are_possible(self, store: Store, study: StudyRecord, state: State) -> None:
        for content, (name, (step, allowed)) in enumerate(STEPS.items()):
            trial = in_state(store, study.id, state, content)
            before = store.epochs(trial.id)
            if state in allowed:
                step(store, trial.id)
                after = by_id(store, study.id, trial.id)
                to = {"start": "running", "epoch": "running", "requeue": "waiting", "retry": "waiting"}
                assert after.state == to.get(name, name)
            else:
                with pytest.raises(StoreError, match=rf"cannot .* trial {trial.number} .*: it is {state}"):
                    step(store, trial.id)
                assert by_id(store, study.id, trial.id) == trial
                assert store.epochs(trial.id) == before

    def test_every_end_is_an_end(self) -> None:
        assert set(ENDS) == set(get_args(State)) - {"waiting", "running"}

    def test_steps_of_no_trial_or_to_no_end_are_errors(self, store: Store, study: StudyRecord) -> None:
        with pytest.raises(StoreError, match="cannot start trial id 5: there is no such trial"):
            store.start(5)
        trial = in_state(store, study.id, "running")
        with pytest.raises(StoreError, match="cannot end as 'waiting'; choose one of: complete"):
            store.end(trial.id, cast(End, "waiting"))

    def test_epochs_only_go_forward(self, store: Store, study: StudyRecord) -> None:
        trial = in_state(store, study.id, "running")
        store.record_epoch(trial.id, 4, metrics(4))
        for epoch in (4, 2):
            with pytest.raises(StoreError, match=rf"record epoch {epoch} of trial 0 .*last epoch 4"):
                store.record_epoch(trial.id, epoch, metrics(epoch))
        with pytest.raises(StoreError, match="count from 1"):
            store.record_epoch(trial.id, 0, {})
        assert [row.epoch for row in store.epochs(trial.id)] == [1, 4]

    def test_a_reason_becomes_one_line(self, store: Store, study: StudyRecord) -> None:
        trial = in_state(store, study.id, "running")
        store.end(trial.id, "failed", reason="CUDA out\nof \0 memory \ud800 " + "x" * 5000)
        reason = store.trial("first", 0).reason
        assert reason is not None
        assert reason.startswith("CUDA out of memory ? xxx")
        assert len(reason) == 2000

    def test_requeue_forgets_the_attempt(self, store: Store, study: StudyRecord) -> None:
        added = store.add_trial(study.id, new_trial(asked=5))
        store.start(added.id, "w")
        store.record_epoch(added.id, 1, metrics(1))
        store.requeue(added.id)
        assert store.trial("first", 0) == added
        assert store.epochs(added.id) == []
        store.start(added.id, "w")
        store.record_epoch(added.id, 1, metrics(1))

    def test_retries_are_counted_and_the_last_traceback_is_kept(self, store: Store, study: StudyRecord) -> None:
        added = store.add_trial(study.id, new_trial(asked=5))
        assert (added.failures, added.traceback) == (0, None)
        for n, end in enumerate(("ValueError: \0 \ud800", "RuntimeError: out of memory\n"), start=1):
            store.start(added.id, "w")
            store.record_epoch(added.id, 1, metrics(1))
            store.retry(added.id, "it\nbroke", "Traceback\n" + "x" * 9000 + end)
            now = store.trial("first", 0)
            assert (now.failures, now.reason, now.traceback and now.traceback[-20:]) == (
                n,
                "it broke",
                ("x" * 20 + end.replace("\0", " ").replace("\ud800", "?").rstrip())[-20:],
            )
            assert now.traceback is not None
            assert len(now.traceback) == 8000
            assert replace(now, failures=0, reason=None, traceback=None) == added
            assert store.epochs(added.id) == []
        store.start(added.id, "w")
        store.requeue(added.id)
        assert store.trial("first", 0) == now, "a killed search is no failure of the trial"
        store.start(added.id, "w")
        store.end(added.id, "failed", reason="nan", traceback="the last")
        assert (store.trial("first", 0).traceback, store.trial("first", 0).failures) == ("the last", 2)

    def test_an_end_without_traceback_keeps_the_one_of_the_retry(self, store: Store, study: StudyRecord) -> None:
        trial = in_state(store, study.id, "running")
        store.retry(trial.id, "broke", "first")
        store.start(trial.id)
        store.end(trial.id, "complete", metrics=metrics(1))
        assert (store.trial("first", 0).traceback, store.trial("first", 0).reason) == ("first", None)

    def test_an_infeasible_child_may_be_undrawn(self, store: Store, study: StudyRecord) -> None:
        undrawn = new_trial(
            graph_key=None,
            params=None,
            flops=None,
            activations=None,
            memory=None,
            state="infeasible",
            reason="stage 4 has no pixels left",
            asked=0,
            told=1,
        )
        added = store.add_trial(study.id, undrawn)
        assert store.trial("first", 0) == added
        assert (added.state, added.told, added.cost) == ("infeasible", 1, {})
        assert added.finished_at is not None
        with pytest.raises(StoreError, match="must be drawn and priced"):
            store.add_trial(study.id, dataclasses.replace(undrawn, state="waiting"))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"state": "running"}, "cannot be added as 'running'"),
            ({"state": "complete"}, "added as 'complete' cannot have reused_from None"),
            ({"reused_from": 1}, "added as 'waiting' cannot have reused_from 1"),
            ({"kind": "chid"}, "unknown trial kind 'chid'; did you mean 'child'"),
            ({"seed": 2**64}, "cannot write"),
            ({"architecture": {"lr": float("nan")}}, "cannot write"),
        ],
    )
    def test_a_trial_that_cannot_be_is_refused_whole(
        self, store: Store, study: StudyRecord, changes: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(StoreError, match=message) as caught:
            store.add_trial(study.id, new_trial(**changes))
        assert "\n" not in str(caught.value)
        assert store.trials(study.id) == []
        with pytest.raises(StoreError, match="no architecture with key"):
            store.architecture(new_trial().architecture_key)

    def test_a_position_of_the_controller_is_taken_once(self, store: Store, study: StudyRecord) -> None:
        first = store.add_trial(study.id, new_trial(0, asked=0))
        second = store.add_trial(study.id, new_trial(1, asked=1))
        with pytest.raises(StoreError, match="another process may be running the same study"):
            store.add_trial(study.id, new_trial(2, asked=1))
        store.end(first.id, "failed", told=2)
        with pytest.raises(StoreError, match="another process may be running the same study"):
            store.end(second.id, "failed", told=2)
        assert store.trial("first", 1) == second
        assert len(store.trials(study.id)) == 2
        other = store.create_study("other", {})
        assert store.add_trial(other.id, new_trial(2, asked=1)).asked == 1

    def test_trials_come_by_number_state_and_kind(self, store: Store, study: StudyRecord) -> None:
        train(store, study.id, 0)
        train(store, study.id, 1, kind="baseline", name="vgg16")
        in_state(store, study.id, "running", 2)
        assert [trial.number for trial in store.trials(study.id)] == [0, 1, 2]
        assert [trial.number for trial in store.trials(study.id, state="complete")] == [0, 1]
        assert [trial.number for trial in store.trials(study.id, kind="child")] == [0, 2]
        assert [trial.name for trial in store.trials(study.id, "complete", "baseline")] == ["vgg16"]

    def test_a_number_that_is_not_there(self, store: Store, study: StudyRecord) -> None:
        with pytest.raises(StoreError, match="study 'first' has no trial 0; it has none yet"):
            store.trial("first", 0)
        store.add_trial(study.id, new_trial())
        with pytest.raises(StoreError, match="study 'first' has no trial 7; it has 0 to 0"):
            store.trial("first", 7)
        with pytest.raises(StoreError, match="unknown study"):
            store.trial("firs", 0)

    def test_documents_that_are_not_there(self, store: Store) -> None:
        with pytest.raises(StoreError, match="no architecture with key 'abc'"):
            store.architecture("abc")
        with pytest.raises(StoreError, match="no recipe with key 'abc'"):
            store.recipe("abc")


class TestKnownResults:
    def find(self, store: Store, content: int, seed: int = 0) -> TrialRecord | None:
        new = new_trial(content)
        assert new.graph_key is not None
        return store.find(new.graph_key, new.evaluator_key, new.recipe_key, seed)

    def test_only_a_complete_trial_of_the_same_keys_is_found(self, store: Store, study: StudyRecord) -> None:
        for content, state in enumerate(("waiting", "running", "pruned", "failed", "infeasible")):
            in_state(store, study.id, cast(State, state), content)
            assert self.find(store, content) is None
        other = store.create_study("other", {})
        trained = train(store, other.id, 0)
        found = self.find(store, 0)
        assert found == by_id(store, other.id, trained)
        assert self.find(store, 0, seed=1) is None
        assert self.find(store, 9) is None
        assert store.find(found.graph_key or "", "cifar10:9", found.recipe_key, 0) is None
        assert store.find(found.graph_key or "", found.evaluator_key, "ffff", 0) is None

    def test_a_reused_trial_has_the_result_and_the_curve_of_its_source(self, store: Store, study: StudyRecord) -> None:
        source = by_id(store, study.id, train(store, study.id, 0))
        other = store.create_study("other", {})
        answer = new_trial(0, state="complete", reused_from=source.id, asked=0, told=1)
        reused = store.add_trial(other.id, answer)
        assert store.trial("other", 0) == reused
        assert (reused.metrics, reused.val_accuracy, reused.epochs) == (metrics(EPOCHS), 0.3, EPOCHS)
        assert (reused.reused_from, reused.told, reused.started_at) == (source.id, 1, None)
        assert store.epochs(reused.id) == store.epochs(source.id)
        assert self.find(store, 0) == source

    def test_only_a_trained_trial_of_the_same_keys_may_answer(self, store: Store, study: StudyRecord) -> None:
        source = train(store, study.id, 0)
        reused = store.add_trial(study.id, new_trial(0, state="complete", reused_from=source))
        pruned = in_state(store, study.id, "pruned", 1)
        for wrong in (reused.id, pruned.id, 999):
            with pytest.raises(StoreError, match=f"trial id {wrong} cannot answer"):
                store.add_trial(study.id, new_trial(0, state="complete", reused_from=wrong))
        with pytest.raises(StoreError, match="its seed is 0, not 1"):
            store.add_trial(study.id, new_trial(0, state="complete", reused_from=source, seed=1))


class TestNumbersAndDocuments:
    def test_nan_and_infinity_become_none(self, store: Store, study: StudyRecord) -> None:
        trial = in_state(store, study.id, "running")
        bad = {"val_accuracy": float("nan"), "val_loss": float("inf"), "seconds": -float("inf"), "lr": 0.1}
        store.record_epoch(trial.id, 2, bad)
        kept = {"val_accuracy": None, "val_loss": None, "seconds": None, "lr": 0.1}
        assert store.epochs(trial.id)[1].metrics == kept
        store.end(trial.id, "complete")
        ended = store.trial("first", 0)
        assert (ended.metrics, ended.val_accuracy) == (kept, None)
        assert store.study("first").best_accuracy is None

    def test_the_end_may_bring_its_own_metrics(self, store: Store, study: StudyRecord) -> None:
        trial = in_state(store, study.id, "running")
        store.end(trial.id, "complete", metrics={"val_accuracy": 0.5, "latency": 2.0})
        ended = store.trial("first", 0)
        assert (ended.metrics, ended.val_accuracy) == ({"val_accuracy": 0.5, "latency": 2.0}, 0.5)

    def test_numbers_of_other_libraries_become_plain(self, store: Store, study: StudyRecord) -> None:
        trial = in_state(store, study.id, "running")
        store.record_epoch(trial.id, 2, {"val_accuracy": cast(float, np.float32(0.5)), "n": cast(float, np.int64(3))})
        assert store.epochs(trial.id)[1].metrics == {"val_accuracy": 0.5, "n": 3}
        with pytest.raises(StoreError, match="metric 'note' is 'good'; metrics must be numbers"):
            store.record_epoch(trial.id, 3, {"note": cast(float, "good")})

    @given(document=st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=4))
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_every_json_document_comes_back(self, store: Store, document: dict[str, Any]) -> None:
        name = f"study {len(store.studies())}"
        study = store.create_study(name, document)
        key = f"{study.id:016x}"
        trial = store.add_trial(
            study.id, new_trial(architecture_key=key, architecture=document, recipe_key=key, recipe=document)
        )
        assert store.study(name).spec == document
        assert store.architecture(trial.architecture_key) == document
        assert store.recipe(trial.recipe_key) == document

    def test_curves_keep_what_was_first_at_a_step(self, store: Store, study: StudyRecord) -> None:
        store.add_curve(study.id, 3, {"entropy": 0.5, "reward": float("nan")})
        store.add_curve(study.id, 1, {"entropy": 1.0})
        store.add_curve(study.id, 3, {"entropy": 9.0})
        assert [(curve.step, curve.values) for curve in store.curves(study.id)] == [
            (1, {"entropy": 1.0}),
            (3, {"entropy": 0.5, "reward": None}),
        ]


class TestUse:
    def test_threads_may_share_a_store(self, store: Store, study: StudyRecord) -> None:
        failures: list[BaseException] = []

        def work(first: int) -> None:
            try:
                for content in range(first, first + 10):
                    train(store, study.id, content)
                    store.studies()
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(100 * index,)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert [trial.number for trial in store.trials(study.id, state="complete")] == list(range(40))

    def test_an_interrupt_leaves_the_step_undone(
        self, store: Store, study: StudyRecord, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trial = in_state(store, study.id, "running")

        def interrupt(*args: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as second_statement:
            second_statement.setattr(steps._INSERT_EPOCH, "run", interrupt)
            with pytest.raises(KeyboardInterrupt):
                store.record_epoch(trial.id, 2, metrics(2))
        assert store.trial("first", 0) == trial
        store.record_epoch(trial.id, 2, metrics(2))

    def test_a_closed_store_says_so(self, store: Store) -> None:
        store.close()
        store.close()
        with pytest.raises(StoreError, match="is closed"):
            store.studies()


class TestSpent:
    def test_what_a_study_cost_is_kept_and_replaced(self, store: Store, study: StudyRecord) -> None:
        assert study.spent is None
        store.spend(study.id, {"seconds": 3.5})
        store.spend(study.id, {"seconds": 4.5, "devices": {"cpu": 1}})
        assert store.study("first").spent == {"seconds": 4.5, "devices": {"cpu": 1}}
        assert store.study("first").spec == study.spec
        with pytest.raises(StoreError, match="no study with id 99"):
            store.spend(99, {})


class TestLatencies:
    HERE: ClassVar[dict[str, Any]] = {
        "machine": "A CPU of 2.4 GHz",
        "device": "cpu",
        "threads": 1,
        "batch": 8,
        "precision": "float32",
        "kind": "block",
    }
    TIMES: ClassVar[dict[str, Any]] = {"median": 0.002, "low": 0.0015, "high": 0.003, "runs": 30}

    def test_a_latency_comes_back_under_its_conditions_only(self, store: Store) -> None:
        before = datetime.now(UTC)
        store.keep_latency(**self.HERE, key="a1", **self.TIMES)
        store.keep_latency(**self.HERE, key="b2", **{**self.TIMES, "median": 0.0025})
        found = store.latencies(**self.HERE)
        assert {key: record.median for key, record in found.items()} == {"a1": 0.002, "b2": 0.0025}
        assert found["a1"] == LatencyRecord(**self.HERE, key="a1", **self.TIMES, measured_at=found["a1"].measured_at)
        assert before <= found["a1"].measured_at <= datetime.now(UTC)
        changes = {
            "machine": "B",
            "device": "cuda",
            "threads": 2,
            "batch": 1,
            "precision": "float16",
            "kind": "network",
        }
        for name, other in changes.items():
            assert store.latencies(**{**self.HERE, name: other}) == {}, name

    def test_a_later_measurement_takes_the_place_of_the_first(self, store: Store) -> None:
        store.keep_latency(**self.HERE, key="a1", **self.TIMES)
        store.keep_latency(**self.HERE, key="a1", **{**self.TIMES, "high": 0.01, "runs": 50})
        (record,) = store.latencies(**self.HERE).values()
        assert (record.high, record.runs) == (0.01, 50)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"kind": "layer"}, "unknown kind of latency 'layer'; choose one of: block, network"),
            ({"low": 0.1}, "cannot be kept; give finite seconds"),
            ({"high": float("inf")}, "cannot be kept"),
            ({"median": float("nan")}, "cannot be kept"),
            ({"low": -1.0}, "cannot be kept"),
            ({"runs": 0}, "cannot be kept"),
        ],
    )
    def test_what_is_no_latency_is_refused(self, store: Store, change: dict[str, Any], message: str) -> None:
        with pytest.raises(StoreError, match=message):
            store.keep_latency(**{**self.HERE, "key": "a1", **self.TIMES, **change})
        assert store.latencies(**self.HERE) == {}
