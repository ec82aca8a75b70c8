"""From a user's words to a search that can run: names become objects, and what does not exist is said at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

from nas import arguments
from nas import baselines as baseline_choice
from nas.controllers import CONTROLLERS
from nas.controllers import make as make_controller
from nas.controllers.problem import Problem
from nas.data import DataSpec
from nas.errors import ControllerError, ExecutorError, StudyError, unknown
from nas.evaluators import CallableEvaluator, Evaluator, TrainingEvaluator
from nas.executors import EXECUTORS, Terminated
from nas.executors import make as make_executor
from nas.executors.resources import Share
from nas.gpu_share import share_of
from nas.latency.blocks import Blocks, StoreTable, meet
from nas.latency.conditions import Conditions, asked_for
from nas.latency.loop import TimedLoop
from nas.objectives import LATENCY, Constraint, Objective
from nas.recipe import Recipe
from nas.replay import replay as replay_history
from nas.schedulers import make as make_scheduler
from nas.spec import StudySpec
from nas.spending import spent
from nas.store import Store, StudyRecord
from nas.study import Loop, Observer
from nas.tabular import TabularEvaluator
from nas.terms import Terms
from searchspaces import SPACES, Space, find_space
from searchspaces.holes import kinds_in

Evaluate: TypeAlias = Callable[[Any], Any]  # a user's function: architecture -> metrics

TRAINING = "training"
OBJECTIVES = ("accuracy", "flops")


@dataclass(frozen=True)
class Plan:
    """A search whose every part exists: its spec, its space and its evaluator."""

    spec: StudySpec
    space: Space
    evaluator: Evaluator
    left_out: tuple[str, ...] = ()  # baselines that would cost too much

    @property
    def terms(self) -> Terms:
        """The same as objects, with a fresh controller. Latencies are not known: see `terms_on`."""
        return self._terms(None)

    def terms_on(self, store: Store) -> Terms:
        """The same, with the latencies of this machine from the store if the study asks for them."""
        if self.spec.latency is None:
            return self._terms(None)
        conditions = Conditions(**self.spec.latency)
        return self._terms(Blocks(conditions, StoreTable(store, conditions)))

    def _terms(self, blocks: Blocks | None) -> Terms:
        spec = self.spec
        latency = None if blocks is None else blocks.seconds
        # A result that is taken over from another study brings its latency along, so it must be of the same conditions.
        key = self.evaluator.key if blocks is None else f"{self.evaluator.key}+latency:{blocks.conditions.key}"
        objectives = tuple(Objective.parse(text) for text in spec.objectives)
        constraints = tuple(Constraint.parse(text) for text in spec.constraints)
        recipe = Recipe.from_json(spec.recipe)
        problem = Problem(self.space, objectives, constraints, spec.image, spec.classes, recipe.auxiliary > 0, latency)
        return Terms(
            problem=problem,
            controller=make_controller(spec.controller, problem, spec.seed, **dict(spec.controller_options)),
            evaluator_key=key,
            recipe=recipe,
            seed=spec.seed,
            budget=spec.budget,
            baselines={name: baseline_choice.find(name, self.space, spec.image) for name in spec.baselines},
            scheduler=make_scheduler(spec.scheduler, objectives, recipe.epochs, **dict(spec.scheduler_options)),
            max_failures=spec.max_failures,
        )

    def run(
        self,
        store: Store,
        study: StudyRecord,
        observer: Observer | None,
        *,
        replay: bool = False,
        ready: Callable[[], None] = lambda: None,
    ) -> Loop:
        """Search until the budget is used or nothing more can be proposed.

        `replay` first brings the controller to where the stored study stopped. `ready` is called when the executor has
        found its workers, or nothing is left to train. KeyboardInterrupt passes through, and after SIGTERM
        `Terminated`. Raises `ExecutorError` where the executor breaks, `ClusterLost` where Ray's head is gone.
        """
        terms = self.terms_on(store)
        loop = (Loop if terms.problem.latency is None else TimedLoop)(store, study, terms, observer)
        if replay:
            replay_history(loop)
        if loop.done:
            ready()
            return loop
        options = dict(self.spec.executor_options)
        if self.spec.executor == "ray":  # its workers must know the blocks of a script's space and networks
            options["classes"] = kinds_in((self.space.template, *terms.baselines.values()))
            options["share_of"] = share_of(terms, self.evaluator)
            if terms.problem.latency is not None:
                meet(terms.problem.latency, self.space, self.spec.image, self.spec.classes)
        executor = make_executor(self.spec.executor, self.evaluator, **options)
        share = executor.share
        ready()
        try:
            executor.run(loop)
        except (KeyboardInterrupt, Terminated, ExecutorError):  # the children in flight wait again
            loop.release()
            self._account(store, study, share)
            raise
        self._account(store, study, share)
        return loop

    def _account(self, store: Store, study: StudyRecord, share: Share) -> None:
        now = store.study(study.name)
        recipe = Recipe.from_json(self.spec.recipe)
        store.spend(study.id, spent(store, now, self.evaluator, recipe, share).to_json())


def make_plan(
    space: str | Space,
    *,
    evaluator: Evaluator | Evaluate | str | None = None,
    evaluator_options: Mapping[str, str] | None = None,
    dataset: str | DataSpec = "digits",
    image: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    controller: str = "pareto",
    controller_options: Mapping[str, Any] | None = None,
    budget: int = 20,
    objectives: Sequence[str] = OBJECTIVES,
    constraints: Sequence[str] = (),
    latency: Mapping[str, Any] | None = None,
    recipe: Recipe | Mapping[str, str] | None = None,
    baselines: str | Sequence[str] = "auto",
    executor: str = "inline",
    executor_options: Mapping[str, Any] | None = None,
    scheduler: str = "none",
    scheduler_options: Mapping[str, Any] | None = None,
    max_failures: int = 1,
    seed: int = 0,
) -> Plan:
    """Check every word of a search and load what it names.

    `evaluator` None trains on `dataset`; "table:PATH" looks results up, read as `evaluator_options` say (see
    `TabularEvaluator.named`); a function of an architecture is wrapped, and `image` (channels, height, width) and
    `classes` then say what to price. `max_failures`: how often a child whose worker died or hung is tried again.
    `latency`: under what the objective or constraint `latency` is measured (device, threads, batch, precision; see
    `nas.latency.conditions`). `recipe` may be a `Recipe` or the options that
    differ from the data's default. Raises a `NasError` that says what does not exist or cannot be.
    """
    arguments.check(locals())
    for known, name, error in ((CONTROLLERS, controller, ControllerError), (EXECUTORS, executor, ExecutorError)):
        if name not in known:
            raise error(unknown("controller" if known is CONTROLLERS else "executor", name, known))
    if isinstance(space, str) and not _known(space):
        raise StudyError(unknown("space", space, SPACES) + "; or give module:attribute")
    goals = [Objective.parse(text) for text in objectives]
    rules = [Constraint.parse(text) for text in constraints]
    conditions = asked_for(goals, rules, latency)
    data = DataSpec(dataset) if isinstance(dataset, str) else dataset
    if evaluator_options and not isinstance(evaluator, str):
        raise StudyError("evaluator_options go with an evaluator that is named, as in evaluator='table:PATH'")
    if isinstance(evaluator, str):
        evaluator = TabularEvaluator.named(evaluator, space, evaluator_options or {})
    judge, training = _evaluator(evaluator, data, image, classes)
    if isinstance(judge, TrainingEvaluator):
        data = judge.spec
    chosen = find_space(space, min(judge.image[1:])) if isinstance(space, str) else space
    if isinstance(judge, TabularEvaluator):
        judge = judge.within(chosen)
        if baselines == "auto":  # whatever the table lacks would fail
            baselines = [name for name, network in chosen.networks.items() if judge.look_up(network) is not None]
    picked = baseline_choice.choose(
        chosen, baselines, judge.image, judge.classes, budget, [rule for rule in rules if rule.name != LATENCY]
    )
    spec = StudySpec(
        space=chosen.name,
        evaluator=TRAINING if training else judge.key,
        image=judge.image,
        classes=judge.classes,
        controller=controller,
        controller_options=dict(controller_options or {}),
        objectives=tuple(objectives),
        constraints=tuple(constraints),
        recipe=_recipe(recipe, judge).to_json(),
        seed=seed,
        budget=budget,
        dataset=data.to_json() if training else None,
        data_key=judge.key if training else None,
        baselines=tuple(picked.networks),
        executor=executor,
        executor_options=dict(executor_options or {}),
        table=judge.to_json() if isinstance(judge, TabularEvaluator) else None,
        scheduler=scheduler,
        scheduler_options=dict(scheduler_options or {}),
        latency=conditions,
        max_failures=max_failures,
    )
    plan = Plan(spec, chosen, judge, picked.left_out)
    _ = plan.terms  # a bad option of the controller or the scheduler shows now
    if executor_options:  # and one of the executor; without any there is no need to import Ray yet
        make_executor(executor, judge, **executor_options)
    return plan


def plan_of(
    spec: StudySpec,
    *,
    space: Space | None = None,
    evaluator: Evaluator | Evaluate | None = None,
    budget: int | None = None,
) -> Plan:
    """The plan of a stored study. A space or evaluator of the user's own must be given again.

    Raises `StudyError` when one is missing or is not the one of the study, `LatencyError` where the study's latencies
    are those of another machine.
    """
    if spec.latency is not None:
        Conditions(**spec.latency).check_here()
    if space is None:
        if not _known(spec.space):
            raise StudyError(f"the study's space {spec.space!r} is not in the catalogue; give it as space=…")
        space = find_space(spec.space, min(spec.image[1:]))
    data = None if spec.dataset is None else DataSpec.from_json(spec.dataset)
    if evaluator is None and spec.table is not None:
        evaluator = TabularEvaluator(**spec.table, image=spec.image, classes=spec.classes, space=space)
        if evaluator.key != spec.evaluator:
            raise StudyError(f"the table {evaluator.path} has changed since the study; start another")
    if evaluator is None and spec.evaluator != TRAINING:
        raise StudyError(f"the study's evaluator {spec.evaluator!r} is a function of yours; give it as evaluator=…")
    judge, _ = _evaluator(evaluator, data or DataSpec("digits"), spec.image, spec.classes)
    if spec.data_key not in (None, judge.key):
        raise StudyError(
            f"the data has changed since the study: it is {judge.key} now and was {spec.data_key}; start another"
        )
    if spec.evaluator not in (TRAINING, judge.key):
        raise StudyError(f"the study was evaluated by {spec.evaluator!r}, not by {judge.key!r}")
    return Plan(spec if budget is None else replace(spec, budget=budget), space, judge)


def _known(space: str) -> bool:
    """Whether a name can be looked up: one of the catalogue, with options or without, or `module:attribute`."""
    return ":" in space or space.partition("+")[0] in SPACES


def _evaluator(
    evaluator: Evaluator | Evaluate | None, data: DataSpec, image: tuple[int, int, int], classes: int
) -> tuple[Evaluator, bool]:
    if evaluator is None:
        return TrainingEvaluator(data), True
    if hasattr(evaluator, "run"):
        return cast(Evaluator, evaluator), isinstance(evaluator, TrainingEvaluator)
    if callable(evaluator):
        return CallableEvaluator(evaluator, image, classes), False
    raise StudyError(f"evaluator {evaluator!r} is neither a function of an architecture nor an Evaluator")


def _recipe(recipe: Recipe | Mapping[str, str] | None, judge: Evaluator) -> Recipe:
    if isinstance(recipe, Recipe):
        return recipe
    default = Recipe()
    if isinstance(judge, TrainingEvaluator):
        default = Recipe.for_data(len(judge.data.train), min(judge.image[1:]))
    return default.with_options(recipe) if recipe else default
