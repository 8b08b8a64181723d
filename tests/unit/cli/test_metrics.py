"""The text that Prometheus reads: names, kinds, labels that cannot break out of their quotes."""

from __future__ import annotations

from portage_ext.cli import metrics
from portage_ext.tasks.metrics import Metric


def test_samples_are_written_as_prometheus_reads_them() -> None:
    one = Metric("portage_ext_x", "gauge", "What it is.", [((("run", 'a"b\\c\nd'),), 1_795_733_776.0), ((), 0.5)])
    assert "".join(metrics.lines([one])) == (
        "# HELP portage_ext_x What it is.\n# TYPE portage_ext_x gauge\n"
        'portage_ext_x{run="a\\"b\\\\c d"} 1795733776\nportage_ext_x 0.5\n'
    )
