"""`mixkit doctor`."""

import json

from rich.console import Console
from rich.text import Text

from mixkit.doctor import examine
from mixkit.errors import printable


def doctor(as_json: bool) -> None:
    """Prints what was found on this machine, each with a line of advice.

    Args:
        as_json: one JSON document instead.
    """
    findings = examine()
    if as_json:
        document = {
            finding.topic.replace(" ", "_"): {"good": finding.good, **finding.facts, "advice": finding.advice}
            for finding in findings
        }
        print(json.dumps(document, indent=2))  # noqa: T201
        return
    console = Console(highlight=False)
    for finding in findings:
        mark = Text("ok  " if finding.good else "see ", style="green" if finding.good else "bold red")
        console.print(mark + Text(f"{finding.topic}: ", style="bold") + Text(printable(finding.found)), soft_wrap=True)
        console.print(Text(f"    {printable(finding.advice)}"), soft_wrap=True)
