"""The report that a frozen share link keeps: of the last days that were measured, without what the owner alone sees."""

from __future__ import annotations

from llm_monitoring.access.agencies import agency_of_project
from llm_monitoring.app import App, schedule_day
from llm_monitoring.reporting.page import render
from llm_monitoring.reporting.report_data import Access, ReportRequest, read, without_reasons
from llm_monitoring.reporting.view import view


def frozen_report(app: App, project_id: int) -> bytes:
    """The report as it is now: it says nothing of keys and of the budget, nor why an answer is missing."""
    data = without_reasons(read(app.db, ReportRequest(project_id), schedule_day(app.settings), Access()))
    return render(view(data), agency_of_project(app.db, project_id)).encode("utf-8")
