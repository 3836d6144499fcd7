"""Offline HTML reports, one file each: of a run (:func:`write_report`) and of signatures (:mod:`vaebench.report.signatures`)."""

from __future__ import annotations

from vaebench.report.ranked import FIRST
from vaebench.report.runs import GAP, best_point, folder_info, write_report

__all__ = ["FIRST", "GAP", "best_point", "folder_info", "write_report"]
__dir__ = __all__.copy
