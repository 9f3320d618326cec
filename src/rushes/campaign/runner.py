"""Go through a campaign: phase after phase, gate after gate, from whatever is finished already.

Nothing is remembered but what stands on disk: started again after any end, it goes the same way and does what
is left. Asked to look only, it goes as far as the finished stages lead.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rushes.campaign.folder import CampaignFolder
from rushes.campaign.judging.askings import number_of, require_on_record
from rushes.campaign.judging.comparable import (
    answers_again,
    require_apart,
    require_own_seeds,
    require_same_rows,
)
from rushes.campaign.judging.gate import decide
from rushes.campaign.judging.gate import failure as failure_of
from rushes.campaign.judging.hashing import hash_shared
from rushes.campaign.judging.judge import Seen, judge, lost
from rushes.campaign.judging.seal import hash_of, open_seal, openings_of, select
from rushes.campaign.judging.standing import Board
from rushes.campaign.live import Show
from rushes.campaign.manifest.schema import Phase
from rushes.campaign.manifest.trials import Campaign
from rushes.campaign.pages.leaderboard import FILE as LEADERBOARD
from rushes.campaign.pages.leaderboard import write_leaderboard
from rushes.campaign.pages.logs import missing_reasons, write_logs
from rushes.campaign.records import Logged, Result, Selection, Trial, Verdict
from rushes.campaign.trackers.mirror import Trackers
from rushes.campaign.trackers.tracker import TrackerName
from rushes.campaign.work import do_shared, map_some, open_known
from rushes.engine import LOCAL, Engine, Failure, Unit
from rushes.errors import GateError
from rushes.metrics.estimate import Estimate
from rushes.metrics.paired import paired_t
from rushes.recipe import Recipe
from rushes.runs.looks import TEST, Datasets, Look, look_back, seen_by, settled
from rushes.runs.run import Run
from rushes.stages import StageSpec
from rushes.storage import Workspace
from rushes.tasks import TASKS
from rushes.train.events import read_events


@dataclass(slots=True)
class Runner:
    """A campaign in a workspace.

    Args:
        campaign: what is to be done.
        workspace: folder of all stages.
        show: told what happens.
        work: whether to do what is not done yet; without, only what is finished is looked at.
        workers: processes.
        engine: where they run.
        trackers: where finished runs are logged as well.

    Attributes:
        results: what came of each trial that was begun, by key.
        verdicts: of the gates that were asked, by name.
        selections: what the test side was opened for.
        waiting: what was not begun, or is not finished, and why.
        looks: at the test side of its datasets, by whomever.
    """

    campaign: Campaign
    workspace: Workspace
    show: Show
    work: bool = True
    workers: int = 2
    engine: Engine = LOCAL
    trackers: tuple[TrackerName, ...] = ()
    results: dict[str, Result] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    selections: tuple[Selection, ...] = ()
    waiting: dict[str, str] = field(default_factory=dict)
    looks: tuple[Look, ...] = ()
    _datasets: dict[str, Run[Any]] = field(default_factory=dict)
    _tested: list[StageSpec] = field(default_factory=list)
    _fingerprints: dict[str, str | None] = field(default_factory=dict)
    _mirror: Trackers | None = None

    @property
    def folder(self) -> CampaignFolder:
        """Where its own files stand."""
        return CampaignFolder.of(self.workspace, self.campaign.name)

    @property
    def board(self) -> Board:
        """What runs are measured by."""
        manifest = self.campaign.manifest
        measured = (manifest.metric, manifest.lower_is_better, manifest.worth)
        return Board(self.campaign.name, self.campaign.task, *measured)

    @property
    def missing_reasons(self) -> list[str]:
        """Runs below their baseline for which the manifest gives no reason."""
        return missing_reasons(self.board, list(self.results.values()), self.campaign.manifest.reasons)

    @property
    def unfinished(self) -> list[str]:
        """What was not done, or does not hold, and a further run may put right."""
        bad = [one for one in self.results.values() if one.state in ("failed", "invalid") and not one.final]
        said = [f"{one.trial.key} {one.state}" for one in bad]
        return said + [f"{name}: {why}" for name, why in self.waiting.items()]

    def run(self) -> GateError | None:
        """Go through all phases and write all files; the error of the first gate that failed for good."""
        self.folder.begin(self.campaign.path)
        settled(self.workspace)  # before anything is judged: a look that was hidden ends it here
        require_on_record(self.workspace, self.folder.askings())
        if self.work:  # a look changes nothing
            self.folder.sweep()
        if self.trackers:
            self._mirror = Trackers(self.trackers, self.folder.path, self.campaign.name, report=self.show.say)
        ended: dict[str, bool] = {}
        for phase in self.campaign.phases:
            reason = self._obstacle(phase, ended)
            if reason is not None:
                self.waiting[phase.name] = reason
                self.show.say(f"{phase.name}: not begun: {reason}")
            elif phase.gate is None:
                ended[phase.name] = self._try(self.campaign.trials(phase, self.winners))
            else:
                ended[phase.name] = self._ask(phase)
            self._write()
            self._log()
        if open_ends := self._open_ends(self.results.keys()):
            self.waiting["test side"] = f"sealed while {', '.join(open_ends)} may still be done"
        else:
            self._unseal()
        self._write()
        return next((failure_of(verdict) for verdict in self.verdicts.values() if not verdict.passed), None)

    @property
    def winners(self) -> dict[str, str]:
        """Best run of each group on the validation side, and of each gate that passed, as far as known."""
        found = {gate: verdict.better for gate, verdict in self.verdicts.items() if verdict.passed}
        for group, cells in self.campaign.names.groups.items():
            name = self.campaign.best_of(self.results.values(), [cell.name for cell in cells])
            if name is not None:
                found[group] = name
        return found

    def _obstacle(self, phase: Phase, ended: Mapping[str, bool]) -> str | None:
        """Why a phase cannot begin; None where it can."""
        if phase.after is not None and phase.after not in ended:
            return f"{phase.after} was not begun"
        if phase.after is not None and not ended[phase.after]:
            verdict = self.verdicts.get(phase.after)
            return f"{phase.after} is not finished" if verdict is None else f"gate {phase.after} failed"
        winners = self.winners
        if missing := [name for name in self.campaign.needs(phase) if name not in winners]:
            return f"no run of {' and '.join(missing)} counts"
        return None

    def _open_ends(self, keys: Collection[str]) -> list[str]:
        """Which of these trials failed by what the same command may still mend."""
        return [
            key
            for key, one in self.results.items()
            if key in keys and one.state == "failed" and not one.final
        ]

    # --- trials -------------------------------------------------------------------------------------------

    def _try(self, trials: Sequence[Trial]) -> bool:
        """Do trials and judge them; whether all of them have ended."""
        self.show.expect(trials)
        runs = {trial.key: self._open(self.campaign.recipe_of(trial)) for trial in trials}
        self._judge({trial.key: Seen(trial, runs[trial.key]) for trial in trials})
        return all(trial.key in self.results for trial in trials)

    def _open(self, recipe: Recipe) -> Run[Any]:
        run = open_known(recipe, self.workspace, self._fingerprints, self.engine)
        if self.work:
            run.bring_base()  # folders have their final names from the start
        return run

    def _judge(self, due: Mapping[str, Seen]) -> None:
        """Do and judge trials, but for those of which no file was changed since they were judged."""
        fresh = {key: one for key, one in due.items() if self._is_fresh(key, one)}
        failed = self._do_shared(fresh) if self.work else {}
        for key, failure in failed.items():
            self._keep(lost(fresh.pop(key).trial, failure))
        self._do_each(fresh)
        self._order()
        self._require_comparable(due)

    def _require_comparable(self, judged: Mapping[str, Seen]) -> None:
        """See that what was judged may stand beside everything before it; raises what differs."""
        results = list(self.results.values())

        def run_of(trial: Trial) -> Run[Any]:
            return self._open(self.campaign.recipe_of(trial))

        def learns(result: Result) -> bool:
            run = run_of(result.trial)
            return run.task.learns(run.recipe)

        require_same_rows(results, run_of)
        require_own_seeds(results, learns, self._gives_its_answers)
        done = [one.run for key, one in judged.items() if self.results.get(key) and self.results[key].figures]
        new = {run.folder(run.dataset).name: run for run in done}
        new = {name: run for name, run in new.items() if name not in self._datasets}
        if new:
            self._datasets |= new
            require_apart(self._datasets)
            for name in new:
                look_back(self._datasets[name])
                self._tested += seen_by(self._datasets[name], TEST)

    def _gives_its_answers(self, result: Result) -> bool:
        """Whether the weights of a result say again what is on file; asked once, for it may take hours."""
        if self.folder.is_proven(result):
            return True
        self.show.say(f"{result.trial.key}: asked again, since another seed has the same answers")
        again = answers_again(self._open(self.campaign.recipe_of(result.trial)))
        same = again == (result.fingerprints or {}).get("predictions")
        if same:
            self.folder.write_proven(result)
        return same

    def _is_fresh(self, key: str, one: Seen) -> bool:
        """Whether a trial is to be done or judged now; if not, its result or its absence is taken note of."""
        kept = self.folder.kept_result(one.trial, one.stamps(self.board)) if one.is_done else None
        if kept is not None:
            self.results[key] = kept
            self.show.judged(kept)
            return False
        if self.work or one.is_done:
            return True
        ended = self.folder.read_result(one.trial)
        if ended is not None and ended.state == "failed" and self.folder.is_own(ended):
            self.results[key] = ended
        else:
            self.waiting[key] = "its stages are not done"
        return False

    def _do_shared(self, fresh: Mapping[str, Seen]) -> dict[str, Failure]:
        """Do what trials share; those that cannot go on, and why."""
        runs = {(key, run.recipe.evaluate.split): run for key, one in fresh.items() for run in one.runs}
        failed = do_shared(runs, self.show, workers=self.workers, engine=self.engine)
        return {key: failure for (key, _), failure in failed.items()}

    def _do_each(self, fresh: Mapping[str, Seen]) -> None:
        """Do what is left of each trial and judge it; trials that share their training go to one process."""
        together: dict[str, list[str]] = {}
        for key, one in fresh.items():
            together.setdefault(one.run.folder("train").name, []).append(key)
        self.show.share(together)
        hashed = hash_shared(
            [run for one in fresh.values() for run in one.runs],
            workers=self.workers,
            engine=self.engine,
            on_event=partial(self.show.event, "hashing"),
        )
        units = [
            Unit(folder, tuple(fresh[key].case(self.board, hashed) for key in keys))
            for folder, keys in together.items()
        ]
        results = map_some(
            judge, units, workers=self.workers, engine=self.engine, on_event=partial(self.show.event, "run")
        )
        for found in results:
            for number, key in enumerate(together[found.key]):
                if found.error is None:
                    outcome = found.value[number]
                    self._keep(Result.of(outcome["result"]), outcome["stamps"])
                else:
                    self._keep(lost(fresh[key].trial, found.error))

    def _order(self) -> None:
        """Results in the order of the manifest, whichever ended first: so are they in every file."""
        order = {cell.name: number for number, cell in enumerate(self.campaign.cells)}
        seeds = self.campaign.manifest.seeds
        self.results = dict(
            sorted(
                self.results.items(),
                key=lambda pair: (order[pair[1].trial.name], seeds.index(pair[1].trial.seed)),
            )
        )

    def _keep(self, result: Result, stamps: Sequence[str] = ()) -> None:
        self.results[result.trial.key] = result
        self.folder.write_result(result, stamps)
        self.show.judged(result)

    def _log(self) -> None:
        """Mirror what counts in the trackers; a run that stands there is passed over."""
        if self._mirror is None:
            return
        for result in self.results.values():
            if result.figures is None:
                continue
            recipe = self.campaign.recipe_of(result.trial)
            logs = sorted(self._open(recipe).folder("train").rglob("events.jsonl"))
            self._mirror.log_run(
                result.trial.key,
                recipe.model_dump(mode="json"),
                [event for path in logs for event in read_events(path)],
                {name: one["value"] for name, one in result.figures.items() if one["value"] is not None},
            )

    # --- gates and the test side --------------------------------------------------------------------------

    def _ask(self, phase: Phase) -> bool:
        """Ask a gate, and try what it has to offer until it passes or its budget is spent."""
        winners = self.winners
        question = self.campaign.question(phase, winners)
        sides = {f"{name}-s{seed}" for name in (*question.better, *question.than) for seed in question.seeds}
        if not self.work and not sides <= self.results.keys():
            self.waiting[phase.name] = "not asked: its runs are not done"
            return False
        if open_ends := self._open_ends(sides):
            self.waiting[phase.name] = f"not asked while {', '.join(open_ends)} may still be done"
            return False
        tried: list[str] = []
        attempts = iter(self.campaign.attempts(phase, winners))
        verdict = None
        while True:
            verdict = decide(
                question,
                list(self.results.values()),
                seed_test=paired_t,
                clip_test=self._clip_test,
                tried=tried,
                attempts=() if verdict is None else verdict.attempts,
                number_of=partial(number_of, self.workspace, self.campaign.name, self.campaign.names.gates),
            )
            self.show.say(f"gate {phase.name}: {verdict.attempts[-1]}")
            trials = None if verdict.passed else next(attempts, None)
            if trials is None:
                break
            if not self._try(trials) or self._open_ends({trial.key for trial in trials}):
                self.waiting[phase.name] = "not decided: what it tries is not done"
                return False  # looked at only, or ended by what may not end it again
            tried.append(trials[0].name)
        self.verdicts[phase.name] = verdict
        self.folder.write_verdict(verdict)
        return verdict.passed

    def _clip_test(self, ours: Result, theirs: Result, confidence: float) -> Estimate | None:
        compare = TASKS[self.campaign.task].compare.get(self.campaign.manifest.metric)
        if compare is None:
            return None
        better, than = (self._open(self.campaign.recipe_of(result.trial)) for result in (ours, theirs))
        return compare(better, than, confidence)

    def _unseal(self) -> None:
        """Freeze the best run of each selected group, then, and only then, measure these on the test side."""
        manifest = self.campaign.manifest
        chosen = select(
            self.campaign.selectable(self.winners),
            list(self.results.values()),
            metric=manifest.metric,
            seeds=manifest.seeds,
            lower_is_better=manifest.lower_is_better,
        )
        known = {one.hash for one in openings_of(settled(self.workspace), self.campaign.name)}
        if not chosen:
            if manifest.select:
                self.waiting["test side"] = "sealed: nothing that is selected counts"
            return
        if not self.work and hash_of(self.campaign.name, chosen) not in known:
            self.waiting["test side"] = "sealed: `rushes campaign run` opens it for what is selected now"
            return
        due = {}
        for result in self.results.values():
            if any(one.admits(result.trial) for one in chosen):
                sealed = self.campaign.recipe_of(result.trial)
                unsealed = self.campaign.opened_recipe(result.trial, chosen)
                due[result.trial.key] = Seen(result.trial, self._open(sealed), self._open(unsealed))
        if self.work:
            open_seal(
                self.workspace,
                self.campaign.name,
                chosen,
                [run for one in due.values() for run in one.runs[1:]],
            )
        self.selections = chosen
        self._judge(due)
        for key in due:
            if faults := self.results[key].test_faults:
                self.waiting[f"{key} on the test side"] = faults[0]

    # --- files --------------------------------------------------------------------------------------------

    def _write(self) -> None:
        from rushes.campaign.pages.report import write_report  # Altair stands behind it

        path, results = self.folder.path, list(self.results.values())
        seen = Datasets.of(self._tested)
        self.looks = tuple(one for one in settled(self.workspace) if one.concerns(seen, self.campaign.name))
        write_leaderboard(path / LEADERBOARD, self.board, results)
        logged = Logged(
            verdicts=list(self.verdicts.values()),
            selections=self.selections,
            openings=openings_of(self.looks, self.campaign.name),
            looks=self.looks,
            skipped=self.waiting,
            reasons=self.campaign.manifest.reasons,
            manifest=str(self.campaign.path),
        )
        write_logs(path, self.board, results, logged)
        write_report(path, self.board, results, logged)
        self.folder.write_openings(self.looks)
        self.folder.send()
