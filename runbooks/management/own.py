"""`manage.py runbook apply|export|delete|history`: the runbooks of teams' own, as files."""

import getpass
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import CommandError, OutputWrapper
from django.utils import timezone

from audit.domain.actor import Actor
from proxy.domain.errors import Invalid, Problem
from runbooks import checking, services, shelf
from runbooks.domain.writing import Written, from_markdown
from runbooks.texts import UnknownRunbook

REFUSED = 2


def apply(file: str, options: Mapping[str, Any], out: OutputWrapper, err: OutputWrapper) -> None:
    """Declare the runbook of a Markdown file of its name; with `--plan` only say what would change."""
    written = _read(file, err)
    said = checking.said({"": written}, now=timezone.now())
    if said.problems:
        _refuse(file, said.problems, err)
    for warning in said.warnings:
        err.write(f"warning: {warning}")
    if options["plan"]:
        changes: Iterable[str] = map(str, services.runbook_changes([written]))
    else:
        changes = _declared(written, options)
    out.write("\n".join(changes) or "no difference")


def export(slug: str, options: Mapping[str, Any], out: OutputWrapper, err: OutputWrapper) -> None:
    """The file as it was applied."""
    row = shelf.latest(slug)
    if row is None or row.gone:
        raise CommandError(f"there is no runbook {slug} of a team's own", returncode=REFUSED)
    out.write(row.source, ending="")


def history(slug: str, options: Mapping[str, Any], out: OutputWrapper, err: OutputWrapper) -> None:
    """Who declared each version, when and why; the newest first."""
    for row in shelf.history(slug):
        what = " (deleted)" if row.gone else ""
        out.write(f"{row.number}{what}: {row.at:%Y-%m-%d %H:%M:%S} UTC by {row.by}: {row.reason}")


def delete(slug: str, options: Mapping[str, Any], out: OutputWrapper, err: OutputWrapper) -> None:
    """Take it away; its versions stay to be read."""
    try:
        services.delete(slug=slug, by=_by(options), reason=options["reason"], now=timezone.now())
    except (UnknownRunbook, services.BuiltIn, services.InUse) as error:
        raise CommandError(str(error), returncode=REFUSED) from error
    out.write(f"- runbook {slug}")


def _declared(written: Written, options: Mapping[str, Any]) -> tuple[str, ...]:
    reason = options["reason"] or f"apply {written.slug}.md"
    try:
        return services.declare(declared=[written], by=_by(options), reason=reason, now=timezone.now())
    except (services.BuiltIn, services.ChangedMeanwhile) as error:
        raise CommandError(str(error), returncode=REFUSED) from error


def _read(file: str, err: OutputWrapper) -> Written:
    try:
        return from_markdown(Path(file).stem, Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        _refuse(file, [("", error.strerror or str(error))], err)
    except UnicodeDecodeError:
        _refuse(file, [("", "is not UTF-8")], err)
    except Invalid as error:
        _refuse(file, error.errors, err)


def _refuse(file: str, problems: Iterable[Problem], err: OutputWrapper) -> NoReturn:
    for path, why in problems:
        err.write(f"{file}: {path}: {why}" if path else f"{file}: {why}")
    sys.exit(REFUSED)


def _by(options: Mapping[str, Any]) -> Actor:
    return Actor(options["by"] or getpass.getuser(), "cli")


WORDS: dict[str, Callable[[str, Mapping[str, Any], OutputWrapper, OutputWrapper], None]] = {
    "apply": apply,
    "delete": delete,
    "export": export,
    "history": history,
}
