"""How far a watched job is: folded from its events, drawn as a live view, or line by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from alambique.api.views import EventView
from alambique.cli.tables import duration, printable, say
from alambique.spec.states import StageName, State

_STEP = 0.1
"""The part of a stage after which a line is printed."""


def reason_to_wait(ahead: int, why: str) -> str:
    """Return why a job waits, and how many are ahead of it where that does not say so.

    >>> reason_to_wait(2, "2 jobs are ahead of it")
    '2 jobs are ahead of it'
    >>> reason_to_wait(1, "lost_worker: it is tried again at 12:00:00")
    'lost_worker: it is tried again at 12:00:00; 1 ahead of it'
    """
    return why if "ahead" in why or not ahead else f"{why}; {ahead} ahead of it"


@dataclass(frozen=True, slots=True)
class Progress:
    """What the events so far say."""

    state: State = State.QUEUED
    why: str | None = None
    """Why it is in that state."""
    waits: str | None = None
    """What it waits for."""
    stage: StageName | None = None
    fraction: float = 0.0
    eta: float | None = None
    """Seconds until the end of the stage."""
    loss: float | None = None
    metric: float | None = None
    message: str | None = None

    def after(self, event: EventView) -> Progress:
        """Return the progress with one more event."""
        content = event.content
        if event.kind == "state":
            why = ": ".join(filter(None, (content.get("reason"), content.get("message"))))
            return replace(self, state=State(content["state"]), why=why or None, waits=None)
        if event.kind == "waiting":
            return replace(self, waits=reason_to_wait(content["ahead"], content["why"]))
        if event.kind == "progress":
            return replace(
                self,
                stage=StageName(content["stage"]),
                fraction=content.get("fraction") or 0.0,
                eta=content.get("eta_seconds"),
                loss=content.get("loss"),
                metric=content.get("metric"),
                message=content.get("message"),
            )
        return self

    def is_done(self, stage: StageName) -> bool:
        """Return whether the stage is behind the job."""
        if self.state is State.SUCCEEDED:
            return True
        return self.stage is not None and list(StageName).index(stage) < list(StageName).index(
            self.stage
        )

    @property
    def figures(self) -> str:
        """Return time left, loss and metric, as far as they are known."""
        parts = (
            self.eta is not None and f"{duration(self.eta)} left",
            self.loss is not None and f"loss {self.loss:.4f}",
            self.metric is not None and f"metric {100 * self.metric:.2f} %",
        )
        return "  ".join(part for part in parts if part)

    @property
    def line(self) -> str:
        """Return the progress in one line."""
        if self.state.over:
            return str(self.state)  # the report that follows says why
        if self.stage is None or self.state is not State.RUNNING:
            why = self.waits or self.why
            return f"{self.state}: {why}" if why else str(self.state)
        parts = (f"{self.stage} {self.fraction:4.0%}", self.figures, self.message)
        return "  ".join(part for part in parts if part)


def follow(name: str, events: Iterable[EventView], console: Console) -> None:
    """Show the events of a job until there are no more: live, or line by line in a pipe."""
    if not console.is_terminal:
        for line in lines(events):
            say(line, flush=True)
        return
    progress = Progress()
    with Live(_live_view(name, progress), console=console, refresh_per_second=8) as live:
        for event in events:
            progress = progress.after(event)
            live.update(_live_view(name, progress))


def lines(events: Iterable[EventView]) -> Iterator[str]:
    """Yield a line for each new state, stage and reason to wait, and for each tenth of a stage."""
    shown, progress = None, Progress()
    for event in events:
        progress = progress.after(event)
        if shown is None or _is_news(shown, progress):
            shown = progress
            yield f"{event.at:%H:%M:%S}  {progress.line}"


def _is_news(shown: Progress, now: Progress) -> bool:
    step = abs(now.fraction - shown.fraction)  # back where a stage begins again
    moved = step >= _STEP or (step > 0 and now.fraction >= 1)
    waits = now.waits is not None and now.waits != shown.waits
    return (now.state, now.stage) != (shown.state, shown.stage) or waits or moved


def _live_view(name: str, progress: Progress) -> Group:
    head = Text.assemble((printable(name), "bold"), f"  {progress.state}")
    if progress.why and not progress.state.over:
        head.append(f"  {printable(progress.why)}")
    if progress.waits:
        head.append(f"\n  {printable(progress.waits)}")
    if progress.state is not State.RUNNING:
        return Group(head, _stages(progress))
    message = Text(printable(progress.message or ""), style="dim")
    return Group(head, _stages(progress), _bar(progress), message)


def _stages(progress: Progress) -> Text:
    """Return all stages, those behind the job ticked, the one it is at marked."""
    drawn = Text("  ")
    for stage in StageName:
        here = stage is progress.stage and progress.state is State.RUNNING
        mark = "✓" if progress.is_done(stage) else "●" if here else "·"
        style = "green" if mark == "✓" else "bold" if here else "dim"
        drawn.append(f"{mark} {stage}   ", style)
    return drawn


def _bar(progress: Progress) -> Table:
    drawn = Table.grid(padding=(0, 2))
    drawn.add_row(
        ProgressBar(total=1.0, completed=progress.fraction, width=32),
        Text(f"{progress.fraction:4.0%}"),
        Text(progress.figures),
    )
    return drawn
