"""The command `askwell`. Each command imports what it runs, so that none waits for the others' libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from serve_app import manifests
from serve_app.settings import Settings, load
from state.errors import AskwellError

app = typer.Typer(
    help="Turns the gaps between a CV and a job description into questions, and the answers into true evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
alerts = typer.Typer(help="Alerts: who is told, and whether they can be.", no_args_is_help=True)
app.add_typer(alerts, name="alerts")
console = Console()
REFUSED = 2


def _settings() -> Settings:
    try:
        return load()
    except AskwellError as error:
        raise _refusal(error) from None


def _refusal(error: AskwellError) -> typer.Exit:
    console.print(f"[red]{escape(str(error))}[/red]", soft_wrap=True)
    return typer.Exit(REFUSED)


@app.command()
def up() -> None:
    """Start the whole service on this machine; Ctrl-C stops all of it."""
    from serve_app import up as up_command

    settings = _settings()
    try:
        code = up_command.up(settings, console)
    except AskwellError as error:
        raise _refusal(error) from None
    raise typer.Exit(code)


@app.command()
def interview(  # noqa: PLR0917 - typer reads the command's options from its parameters
    cv: Annotated[Path | None, typer.Argument(help="CV: .txt, .md, .pdf or .docx")] = None,
    job: Annotated[Path | None, typer.Argument(help="Job description, in the same formats")] = None,
    resume: Annotated[str | None, typer.Option(help="Go on with this session instead of a new one.")] = None,
    answers: Annotated[Path | None, typer.Option(help="JSON file with replies, for a run without questions.")] = None,
    user: Annotated[str, typer.Option(help="Your id of the candidate; joins past sessions.")] = "",
    max_questions: Annotated[int, typer.Option(min=1, max=50, help="Most questions to ask.")] = 10,
    url: Annotated[str | None, typer.Option(help="Address of the service; default: this machine's.")] = None,
    api_key: Annotated[str | None, typer.Option(envvar="ASKWELL_API_KEY", help="API key, if it wants one.")] = None,
) -> None:
    """Interview a candidate in the terminal, against a running service."""
    if resume is None and (cv is None or job is None):
        console.print("Give a CV and a job description, or --resume SESSION_ID.")
        raise typer.Exit(REFUSED)
    from serve_app.client import AskwellClient
    from serve_app.terminal import interview as interview_command

    client = AskwellClient(url or _settings().base_url, api_key)
    try:
        code = interview_command.run(
            client,
            cv=cv,
            job=job,
            session_id=resume,
            answers=answers,
            user=user,
            max_questions=max_questions,
            console=console,
        )
    except AskwellError as error:
        raise _refusal(error) from None
    raise typer.Exit(code)


@app.command()
def doctor() -> None:
    """Show what is configured, what answers, what is degraded, and how to fix it."""
    from serve_app import doctor as doctor_command

    raise typer.Exit(doctor_command.run(console))


@app.command()
def bench(  # noqa: PLR0917 - as above
    workloads: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WORKLOAD]...",
            help="questions, overload, batch, retrieval, commits, memory, recording; default: all.",
        ),
    ] = None,
    users: Annotated[str, typer.Option(help="Users in the closed loop, one number or several.")] = "1,10,50,200",
    seconds: Annotated[float, typer.Option(min=0.1, help="Seconds that one measurement takes.")] = 10.0,
    repeats: Annotated[int, typer.Option(min=1, help="Times everything is measured; the median counts.")] = 3,
    output: Annotated[Path | None, typer.Option(help="Also write the figures as JSON.")] = None,
    against: Annotated[Path | None, typer.Option(help="Compare with what --output has written before.")] = None,
) -> None:
    """Measure what a service of its own costs and how long it takes, against a stub of the providers."""
    from serve_app.bench import command as bench_command

    try:
        bench_command.run(
            console,
            workloads=workloads or (),
            users=users,
            seconds=seconds,
            repeats=repeats,
            output=output,
            against=against,
        )
    except AskwellError as error:
        raise _refusal(error) from None


@app.command()
def costs(
    session_id: Annotated[str | None, typer.Argument(help="Session to account for.")] = None,
    day: Annotated[str | None, typer.Option(help="A UTC day (2026-11-22) instead of a session.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose; default: all configured tenants.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a session or a day cost, and what the session would have cost otherwise."""
    from serve_app import costs as costs_command

    try:
        costs_command.run(console, _settings(), session_id=session_id, day=day, tenant=tenant, as_json=as_json)
    except AskwellError as error:
        raise _refusal(error) from None


@app.command()
def replay(  # noqa: PLR0917 - as above
    session_id: Annotated[str, typer.Argument(help="Session to replay.")],
    tenant: Annotated[str | None, typer.Option(help="Whose; default: all configured tenants.")] = None,
    threshold: Annotated[
        list[str] | None, typer.Option(help="What if answers needed this score: 7 for all, CRITICAL=9 for some.")
    ] = None,
    prompt_version: Annotated[
        list[str] | None, typer.Option(help="What if models were told 2, or write_answer/2: asks the provider.")
    ] = None,
    prices: Annotated[Path | None, typer.Option(help="What if the calls cost what this file says.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fold a session's log into its stored state again, and ask what would have been otherwise; it stays as it is."""
    import sys

    import structlog

    from serve_app import replay as replay_command

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        code = replay_command.run(
            console,
            _settings(),
            session_id=session_id,
            tenant=tenant,
            thresholds=threshold or (),
            prompt_versions=prompt_version or (),
            prices=prices,
            as_json=as_json,
        )
    except AskwellError as error:
        raise _refusal(error) from None
    raise typer.Exit(code)


@app.command()
def judge(
    items: Annotated[int | None, typer.Option(min=1, help="Answers to judge; default: all.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the answers and the intervals.")] = 1,
    reruns: Annotated[int, typer.Option(min=0, help="Times every answer is judged again.")] = 2,
    twice: Annotated[bool, typer.Option("--advanced", help="Two passes, as with advanced_quality_evaluation.")] = False,
    output: Annotated[Path | None, typer.Option(help="Also write the figures as JSON.")] = None,
) -> None:
    """Measure the judge of these settings on rated answers: agreement, steadiness, bias."""
    from serve_app import judge as judge_command

    try:
        settings = _settings()
        code = judge_command.run(settings, console, items=items, seed=seed, reruns=reruns, twice=twice, output=output)
    except AskwellError as error:
        raise _refusal(error) from None
    raise typer.Exit(code)


@alerts.command("test")
def alerts_test(
    channel: Annotated[list[str] | None, typer.Argument(help="Channels to try; default: all of them.")] = None,
) -> None:
    """Send a test message to the channels of these settings; needs no running service."""
    from serve_app import alerting as alerting_command

    try:
        code = alerting_command.test(console, _settings(), channel or ())
    except AskwellError as error:
        raise _refusal(error) from None
    raise typer.Exit(code)


@app.command("config")
def config(
    kind: Annotated[manifests.Kind, typer.Argument(help="Which file to print.")],
) -> None:
    """Print the Serve config file or the cluster launcher's file that these settings make."""
    typer.echo(manifests.render(kind, _settings()), nl=False)
