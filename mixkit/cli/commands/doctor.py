"""`mixkit doctor`."""

from rich.text import Text

from mixkit.cli.options import AsJson
from mixkit.cli.views.terminal import print_json, stdout
from mixkit.errors import printable


def doctor(as_json: AsJson = False) -> None:
    """Look over this machine: versions, devices, codecs, data, and a line of advice on each."""
    from mixkit.doctor import examine

    findings = examine()
    if as_json:
        print_json(
            {
                finding.topic.replace(" ", "_"): {"good": finding.good, **finding.facts, "advice": finding.advice}
                for finding in findings
            }
        )
        return
    console = stdout()
    for finding in findings:
        mark = Text("ok  " if finding.good else "see ", style="green" if finding.good else "bold red")
        console.print(mark + Text(f"{finding.topic}: ", style="bold") + Text(printable(finding.found)), soft_wrap=True)
        console.print(Text(f"    {printable(finding.advice)}"), soft_wrap=True)
