"""Analyses on order: a project's open tasks of today, asked by a process of its own and never within the request."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from llm_monitoring.access import audit
from llm_monitoring.access.requests import Reply
from llm_monitoring.app import App
from llm_monitoring.errors import NotReady
from llm_monitoring.runs import orders
from llm_monitoring.runs.orders import Order, Preview
from llm_monitoring.runs.reasons import ProblemCode
from llm_monitoring.web.api.schemas import Page, Usd
from llm_monitoring.web.guard import ProjectCaller, on_project
from llm_monitoring.web.idempotency import Key, once
from llm_monitoring.web.paging import Cursor, Limit, decode, number, page
from llm_monitoring.web.problems import Problem

router: Final = APIRouter(prefix="/projects/{project_id}", tags=["orders"])

OrderId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The order's number.")]
CODES: Final = {
    ProblemCode.BLOCKED: "budget_exhausted",
    ProblemCode.KEYLESS: "no_key",
    ProblemCode.KEY_UNREADABLE: "no_key",
}


class OrderView(BaseModel):
    """An order: `status` waiting, running, completed, failed or cancelled; `reason` is a code."""

    id: int
    project_id: int
    day: date
    status: str
    reason: str | None
    run_id: int | None
    open_calls: int = Field(description="Calls that were open when it was placed.")
    ceiling_usd: Usd | None = Field(description="What they cost at most, without sentiment; null for a viewer.")
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class OrderProgress(OrderView):
    """An order with how far its day is now."""

    answered: int
    failed: int
    open: int
    cost_usd: Usd | None = Field(description="What the ledger has charged since it was placed; null for a viewer.")


class Cost(BaseModel):
    """What an analysis now would ask and cost at most; `status` is `nothing_open` if the day is complete."""

    status: str
    day: date
    open_calls: int
    ceiling_usd: Usd


@router.post(
    "/analyze",
    status_code=202,
    response_model=OrderView,
    responses={200: {"model": Cost, "description": "A dry run, or nothing is open."}},
)
def analyze(
    request: Request,
    here: Annotated[ProjectCaller, on_project("runs:start")],
    dry_run: Annotated[bool, Query(description="Only say what it would cost.")] = False,
    key: Key = None,
) -> Response:
    """Order an analysis of what is open today: 202 with the order's address. It spends within the user's budget.

    While an order of the project is open, that one is answered: there is no second.
    """
    if dry_run:
        return JSONResponse(jsonable_encoder(cost_of(preview(here.app, here.project_id))))

    def work(app: App) -> Reply:
        wanted = preview(app, here.project_id)
        if not wanted.open_calls:
            return Reply(200, cost_of(wanted), {})
        order, is_new = orders.place(app.db, here.project_id, here.caller.user_id, wanted)
        if is_new:
            audit.record(
                app.db,
                here.caller.actor,
                "order.place",
                project_id=here.project_id,
                object_id=order.id,
                after={"open_calls": order.open_calls, "ceiling_usd": str(order.ceiling_usd)},
            )
        address = f"{request.url.path.removesuffix('/analyze')}/orders/{order.id}"
        return Reply(202, view_of(order), {"Location": address})

    return once(here.caller, key, request, b"", work)


@router.get("/orders", response_model=Page[OrderView])
def list_orders(
    here: Annotated[ProjectCaller, on_project("projects:read")], *, limit: Limit = 50, cursor: Cursor = None
) -> Any:
    """List the project's orders, latest first."""
    filters = {"list": "orders", "project": here.project_id}
    place = decode(cursor, filters, number)
    found = orders.orders_of(here.app.db, here.project_id, before_id=place[0] if place else None, limit=limit + 1)
    return page([view_of(each, here.role).model_dump() for each in found], limit, filters, ("id",))


@router.get("/orders/{order_id}", response_model=OrderProgress)
def show_order(order_id: OrderId, here: Annotated[ProjectCaller, on_project("projects:read")]) -> OrderProgress:
    """Show how far an order is: the state of its day, which a reload and a restart find as it is."""
    found = orders.orders_of(here.app.db, here.project_id, order_id=order_id, limit=1)
    if not found:
        raise Problem("not_found")
    done = orders.progress(here.app, found[0])
    return OrderProgress(
        **view_of(found[0], here.role).model_dump(),
        answered=done.answered,
        failed=done.failed,
        open=done.open,
        cost_usd=done.cost_usd if here.role == "owner" else None,
    )


def preview(app: App, project_id: int) -> Preview:
    """What is open; raises Problem with the reason why nothing can be asked."""
    try:
        return orders.preview(app, project_id)
    except NotReady as exc:
        known = next((code for problem, code in CODES.items() if problem == exc.code), None)
        raise (Problem(known) if known else Problem("not_ready", str(exc))) from exc


def cost_of(wanted: Preview) -> Cost:
    status = "open" if wanted.open_calls else "nothing_open"
    return Cost(status=status, day=wanted.day, open_calls=wanted.open_calls, ceiling_usd=wanted.ceiling_usd)


def view_of(order: Order, role: Literal["owner", "viewer"] = "owner") -> OrderView:
    view = OrderView(**{name: getattr(order, name) for name in OrderView.model_fields})
    return view if role == "owner" else view.model_copy(update={"ceiling_usd": None})
