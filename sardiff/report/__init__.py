"""One self-contained HTML page on what was done to a scene.

>>> from sardiff.report import write_report
>>> write_report("scene.tif", "clean.tif", "report.html")  # doctest: +SKIP
"""

from sardiff.report.write import check_page, report_path, write_report

__all__ = ["check_page", "report_path", "write_report"]
