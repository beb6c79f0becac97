"""What runs and studies came to: statistics, tables, plots, and the page. `mixkit.report(...)` writes one."""

from mixkit.rooms import also_a_function

also_a_function(__name__, "mixkit.report.write")
