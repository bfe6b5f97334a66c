"""Reports: their list, what they accept and give, their rows at once or as a job.

Sources: the OpenAPI file of reports (partner, version 16) and impact.com's page "Rate limits".
Names of columns are those that publishers met, and differ from report to report.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from impact_sandbox import rules
from impact_sandbox.exchange import Answer, limited, list_page, missing
from impact_sandbox.files import RESULT_FORMATS
from impact_sandbox.limits import spend
from impact_sandbox.world.campaigns import ad_names
from impact_sandbox.world.performance import Figures
from impact_sandbox.world.texts import SUB_IDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from decimal import Decimal

    from impact_sandbox.exchange import Request
    from impact_sandbox.server import Sandbox
    from impact_sandbox.world import SeenAction, World
    from impact_sandbox.world.performance import Place

PAGE_ROWS = 20_000
WIDEST_DAYS = 365
LARGEST_CLICK_LIST = 100_000
DATES = ("START_DATE", "END_DATE")
ACTION_FILTERS = ("SUBAID", "SUPERSTATUS_MS", "SubId1", "SubId2", "SubId3")


class Run(NamedTuple):
    """One run of a report: over which days, and by which of its own filters."""

    report: Report
    first: date
    last: date
    filters: tuple[tuple[str, str], ...]

    def keeps(self, name: str, value: str) -> bool:
        """Tell whether a filter keeps a value; the same filter may be sent several times."""
        wanted = {text for key, text in self.filters if key == name}
        return not wanted or value in wanted

    def rows(self, world: World, at: datetime) -> Iterator[dict[str, str]]:
        """Yield the report's rows as they are at a time."""
        return self.report.rows(world, at, self)

    def days(self) -> list[date]:
        """The days of the span."""
        return [
            self.first + timedelta(days=each) for each in range((self.last - self.first).days + 1)
        ]


class Report(NamedTuple):
    """What there is to know about a report."""

    id: str
    name: str
    category: str
    columns: tuple[tuple[str, str], ...]
    """Name and type of each."""
    rows: Callable[[World, datetime, Run], Iterator[dict[str, str]]]
    filters: tuple[str, ...] = ("SUBAID",)
    """Its own; a span of dates belongs to all of them."""
    group: str = "detail"
    accessible: bool = True
    fails: bool = False

    def entry(self, account: str) -> dict[str, Any]:
        """Return the API's object in the list of reports."""
        entry: dict[str, Any] = {
            "Id": self.id,
            "Name": self.name,
            "Category": self.category,
            "ApiAccessible": self.accessible,
        }
        if self.accessible:
            return entry | {
                "ApiRunUri": f"{account}/Reports/{self.id}",
                "DeferredApiRunUri": f"{account}/ReportExport/{self.id}",
                "MetaDataUri": f"{account}/Reports/{self.id}/MetaData",
            }
        return entry | {"RunUri": "/secure/mediapartner/report/viewReport.report?id=17698"}

    def metadata(self, account: str) -> dict[str, Any]:
        """Return the API's object of filters and columns."""
        day = "Date (yyyy-MM-dd'T'HH:mm:ssZZ)"
        filters = [(name, day) for name in DATES] + [(name, "String") for name in self.filters]
        return {
            "Name": self.name,
            "Id": self.id,
            "Description": f"{self.name}.",
            "Filters": [{"Name": n, "DataType": t, "Format": ""} for n, t in filters],
            "Attributes": [
                {"Name": n, "DataType": t, "Description": f"{n} of the report."}
                for n, t in self.columns
            ],
            "RunUri": f"{account}/Reports/{self.id}",
            "Uri": f"{account}/Reports/{self.id}/MetaData",
        }


# -- how rows are written ------------------------------------------------------------------------


def day_text(day: date) -> str:
    """Write a day as reports show it: Aug 3, 2026."""
    return f"{day:%b} {day.day}, {day.year}"


def money(amount: Decimal) -> str:
    """Write an amount with commas between thousands."""
    return f"{amount:,f}"


def ratio(part: Decimal | int, whole: int) -> str:
    """Write a quotient."""
    return f"{part / whole:.4f}" if whole else "0"


def performance(
    world: World, at: datetime, run: Run, of: Callable[[Place], tuple[str, ...]]
) -> Iterator[tuple[tuple[str, ...], Figures]]:
    """Yield the figures of a span by what makes a row."""
    found: dict[tuple[str, ...], Figures] = {}
    for place, figures in world.performance(at, run.first, run.last):
        if run.keeps("SUBAID", place.campaign_id) and run.keeps("SubId1", place.sub_id1):
            found.setdefault(of(place), Figures()).add(figures)
    yield from sorted(found.items())


def costs(figures: Figures) -> dict[str, str]:
    """Write the figures that most performance reports have."""
    return {
        "Clicks": str(figures.clicks),
        "Actions": str(figures.actions),
        "Action_Cost": money(figures.action_cost),
        "Other_Cost": money(figures.other_cost),
        "Total_Cost": money(figures.total_cost),
    }


COSTS = (
    ("Clicks", "Integer"),
    ("Actions", "Integer"),
    ("Action_Cost", "Decimal"),
    ("Other_Cost", "Decimal"),
    ("Total_Cost", "Decimal"),
)


def by_day(world: World, at: datetime, run: Run) -> Iterator[dict[str, str]]:
    """Yield a row for each day, be it empty."""
    found = dict(performance(world, at, run, lambda place: (place.day.isoformat(),)))
    for day in run.days():
        figures = found.get((day.isoformat(),), Figures())
        yield {
            "date_display": day_text(day),
            **costs(figures),
            "Sale_zzzAmount": money(figures.sale_amount),
        }


def by_program(world: World, at: datetime, run: Run) -> Iterator[dict[str, str]]:
    """Yield a row for each program."""
    names = {row["CampaignId"]: row["CampaignName"] for row in world.campaigns()}
    for (campaign_id,), figures in performance(world, at, run, lambda p: (p.campaign_id,)):
        yield {
            "Campaign": str(names[campaign_id]),
            "campaign_id": campaign_id,
            **costs(figures),
            "Sale_Amount": money(figures.sale_amount),
            "EPA": ratio(figures.action_cost, figures.actions),
            "EPC": ratio(figures.total_cost, figures.clicks),
            "CR": ratio(figures.actions * 100, figures.clicks),
        }


def by_ad(world: World, at: datetime, run: Run) -> Iterator[dict[str, str]]:
    """Yield a row for each ad; what has none has a row of its program's own."""
    names = {row["CampaignId"]: row["CampaignName"] for row in world.campaigns()}
    ads = ad_names()
    of = performance(world, at, run, lambda place: (place.campaign_id, place.ad_id))
    for (campaign_id, ad_id), figures in of:
        yield {
            "Ad": ads.get(ad_id, ""),
            "ad_id": ad_id,
            "Campaign": str(names[campaign_id]),
            "campaign_id": campaign_id,
            **costs(figures),
            "sale_amount": money(figures.sale_amount),
        }


def by_sub_id(world: World, at: datetime, run: Run) -> Iterator[dict[str, str]]:
    """Yield a row for each first sub id; the blank one has what no sub id brought."""
    for (sub_id,), figures in performance(world, at, run, lambda place: (place.sub_id1,)):
        yield {
            "pubsubid1_": sub_id,
            "Clicks": str(figures.clicks),
            "raw_clicks": str(figures.raw_clicks),
            "Actions": str(figures.actions),
            "sale_amount": money(figures.sale_amount),
            "Earnings": money(figures.total_cost),
            "CPC_Cost": money(figures.click_cost),
            "EPC": ratio(figures.total_cost, figures.clicks),
            "AOV": ratio(figures.sale_amount, figures.actions),
        }


def actions_of(world: World, at: datetime, run: Run) -> Iterator[SeenAction]:
    """Yield the actions that happened in a span, in every state that the filters keep."""
    begin = world.midnight(run.first.toordinal())
    end = world.midnight(run.last.toordinal() + 1) - 1
    for action in world.seen(at, begin, end):
        values = (action.campaign_id, action.state, *sub_ids(action))
        if all(run.keeps(name, value) for name, value in zip(ACTION_FILTERS, values, strict=True)):
            yield action


def sub_ids(action: SeenAction) -> tuple[str, str, str]:
    """Return the sub ids of an action."""
    return action.life.pick(SUB_IDS, 13), action.life.pick(SUB_IDS, 17), ""


def by_sku(world: World, at: datetime, run: Run) -> Iterator[dict[str, str]]:
    """Yield a row for each item of the actions of a span."""
    for action in actions_of(world, at, run):
        sub_id1, sub_id2, sub_id3 = sub_ids(action)
        for item in action.items():
            yield {
                "ActionId": action.life.id,
                "PubSubid1": sub_id1,
                "PubSubid2": sub_id2,
                "PubSubid3": sub_id3,
                "PubSubid4": "",
                "Sku": item["Sku"],
                "Category": item["Category"],
                "SaleAmount": item["SaleAmount"],
                "Earnings": item["Payout"],
                "ActionDate": world.text(action.event),
                "Action Status": action.state,
                "Quantity": item["Quantity"],
            }


def listing(world: World, at: datetime, run: Run) -> Iterator[dict[str, str]]:
    """Yield a row for each action, with what the list of actions does not have."""
    for action in actions_of(world, at, run):
        row = action.row()
        yield {
            "Action_Id": row["Id"],
            "Action_Date": row["EventDate"],
            "Locking_Date": row["LockingDate"],
            "Campaign": row["CampaignName"],
            "Status": action.state,
            "Payout": money(action.steps[-1].payout),
            "Sale_Amount": money(action.steps[-1].amount),
            "Customer_Id": f"C-{row['Id'][-7:]}",
            "Customer_Status": action.life.pick(("New", "Existing", ""), 41),
            "SubId1": row["SubId1"],
            "oid": row["Oid"],
        }


def brands_own(world: World, at: datetime, run: Run) -> Iterator[dict[str, str]]:
    """Yield a listing with columns that a brand invented."""
    for action in actions_of(world, at, run):
        row = action.row()
        yield {
            "Action_Id": row["Id"],
            "date_display": day_text(date.fromordinal(world.day_of(action.event))),
            "pubsubid1_": row["SubId1"],
            "Sale_zzzAmount": money(action.steps[-1].amount),
            "Text1..": action.life.pick(("Gold", "Silver", "n/a"), 45),
            "Order": row["Oid"],
            "Margin": f"{action.life.salt % 40}%",
            "Basket": f"{action.life.salt:x}",
        }


def withdrawals(world: World, at: datetime, run: Run) -> Iterator[dict[str, str]]:
    """Yield the payments to the partner's bank."""
    for each in world.withdrawals(at):
        if run.first <= each.day <= run.last:
            yield {
                "Paystub_Id": each.id,
                "Date": day_text(each.day),
                "Amount": money(each.amount),
            }


def paid_actions(world: World, at: datetime, run: Run) -> Iterator[dict[str, str]]:
    """Yield the actions that payments of a span have paid."""
    for each in world.withdrawals(at):
        if not run.first <= each.day <= run.last or not run.keeps("Paystub_Id", each.id):
            continue
        for action in each.actions():
            last, (sub_id1, sub_id2, sub_id3) = action.steps[-1], sub_ids(action)
            yield {
                "Paystub_Id": each.id,
                "ActionDate": world.text(action.event),
                "ActionId": action.life.id,
                "SaleAmount": money(last.amount),
                "Earnings": money(last.payout),
                "PubSubId1": sub_id1,
                "PubSubId2": sub_id2,
                "PubSubId3": sub_id3,
            }


def other_earnings(world: World, at: datetime, run: Run) -> Iterator[dict[str, str]]:
    """Yield bonuses and transfers of funds."""
    for each in world.other_earnings(at, run.first, run.last):
        if run.keeps("SUBAID", each.campaign.id):
            yield {
                "Date": day_text(each.day),
                "Campaign": each.campaign.name,
                "campaign_id": each.campaign.id,
                "Type": each.kind,
                "Description": each.description,
                "Amount": money(each.amount),
                "Currency": world.currency,
            }


def overdue(world: World, at: datetime, run: Run) -> Iterator[dict[str, str]]:
    """Yield what brands owe since its due day: it is of now, whatever the span."""
    for invoice, line in world.overdue(at):
        if run.keeps("SUBAID", line.campaign.id):
            yield {
                "Campaign": line.campaign.name,
                "campaign_id": line.campaign.id,
                "Invoice_Id": invoice.id,
                "Event_Month": f"{line.month:%b %Y}",
                "Due_Date": day_text(date.fromordinal(world.day_of(invoice.due))),
                "Amount": money(line.total),
                "Currency": world.currency,
            }


def payable_clicks(world: World, at: datetime, run: Run) -> Iterator[dict[str, str]]:
    """Yield the unique clicks of a span, up to a number."""
    given = 0
    for day in run.days():
        for click in world.clicks(day, at):
            if click["UniqueClick"] != "true" or given == LARGEST_CLICK_LIST:
                continue
            if not run.keeps("SUBAID", click["ProgramId"]):
                continue
            given += 1
            yield {
                "Date": click["EventDate"],
                "pubsubid1_": click["PartnerRelated"][0]["SubId1"],
                "Campaign": click["ProgramName"],
                "ReferringURL": click["ReferringUrl"],
            }


def nothing(world: World, at: datetime, run: Run) -> Iterator[dict[str, str]]:
    """Yield no row."""
    del world, at, run
    yield from ()


def typed(*columns: str, **types: str) -> tuple[tuple[str, str], ...]:
    """Name columns, of texts unless it is said."""
    return tuple((name, types.get(name, "String")) for name in columns)


MONEY = dict.fromkeys(
    ("Amount", "SaleAmount", "Earnings", "Payout", "Sale_Amount", "Sale_zzzAmount", "sale_amount"),
    "Decimal",
)
PLACE_FILTERS = ("SUBAID", "SubId1")
REPORTS = (
    Report(
        *("partner_performance_by_day", "Performance by Day", "Performance"),
        (("date_display", "Date"), *COSTS, ("Sale_zzzAmount", "Decimal")),
        *(by_day, PLACE_FILTERS, "aggregate"),
    ),
    Report(
        *("partner_performance_by_program", "Performance by Brand", "Performance"),
        (
            *typed("Campaign", "campaign_id", campaign_id="Integer"),
            *COSTS,
            *(("Sale_Amount", "Decimal"), ("EPA", "Decimal"), ("EPC", "Decimal")),
            ("CR", "Percentage"),
        ),
        *(by_program, PLACE_FILTERS, "aggregate"),
    ),
    Report(
        *("partner_performance_by_ad", "Performance by Ad", "Performance"),
        (*typed("Ad", "ad_id", "Campaign", "campaign_id"), *COSTS, ("sale_amount", "Decimal")),
        *(by_ad, PLACE_FILTERS, "aggregate"),
    ),
    Report(
        *("partner_performance_by_subid", "Performance by SubId", "Performance"),
        (
            ("pubsubid1_", "String"),
            *((name, "Integer") for name in ("Clicks", "raw_clicks", "Actions")),
            *((name, "Decimal") for name in ("sale_amount", "Earnings", "CPC_Cost", "EPC", "AOV")),
        ),
        *(by_sub_id, PLACE_FILTERS, "aggregate"),
    ),
    Report(
        *("SkuLevelActions", "SKU Level Actions", "Actions"),
        typed(
            *("ActionId", "PubSubid1", "PubSubid2", "PubSubid3", "PubSubid4", "Sku", "Category"),
            *("SaleAmount", "Earnings", "ActionDate", "Action Status", "Quantity"),
            **MONEY,
            ActionDate="Date",
            Quantity="Integer",
        ),
        *(by_sku, ACTION_FILTERS),
    ),
    Report(
        *("mp_action_listing_fast", "Action Listing", "Actions"),
        typed(
            *("Action_Id", "Action_Date", "Locking_Date", "Campaign", "Status", "Payout"),
            *("Sale_Amount", "Customer_Id", "Customer_Status", "SubId1", "oid"),
            **MONEY,
            Action_Date="Date",
            Locking_Date="Date",
        ),
        *(listing, (*ACTION_FILTERS, "SHOW_ACTION_ID")),
    ),
    Report(
        *("adv_action_listing_2001", "Advanced Action Listing /w Text1..", "Actions"),
        typed(
            *("Action_Id", "date_display", "pubsubid1_", "Sale_zzzAmount", "Text1..", "Order"),
            *("Margin", "Basket"),
            **MONEY,
            date_display="Date",
            Margin="Percentage",
            Basket="Hexadecimal",
        ),
        *(brands_own, ACTION_FILTERS),
    ),
    *(
        Report(
            *(name, "Withdrawals", "Finance"),
            typed("Paystub_Id", "Date", "Amount", Date="Date", **MONEY),
            *(withdrawals, (), "aggregate"),
        )
        for name in ("Withdrawals", "mp_paystub_history")
    ),
    Report(
        *("action_listing_withdrawal", "Action Listing for a Withdrawal", "Finance"),
        typed(
            *("Paystub_Id", "ActionDate", "ActionId", "SaleAmount", "Earnings"),
            *("PubSubId1", "PubSubId2", "PubSubId3"),
            **MONEY,
            ActionDate="Date",
        ),
        *(paid_actions, ("Paystub_Id",)),
    ),
    Report(
        *("other_earnings", "Other Earnings", "Finance"),
        typed(
            *("Date", "Campaign", "campaign_id", "Type", "Description", "Amount", "Currency"),
            Date="Date",
            **MONEY,
        ),
        *(other_earnings, ("SUBAID",), "aggregate"),
    ),
    Report(
        *("mp_overdue_payouts", "Overdue Payouts", "Finance"),
        typed(
            *("Campaign", "campaign_id", "Invoice_Id", "Event_Month", "Due_Date", "Amount"),
            "Currency",
            Due_Date="Date",
            **MONEY,
        ),
        *(overdue, ("SUBAID",), "aggregate"),
    ),
    Report(
        *("partner_payable_click_data", "Payable Clicks", "Clicks"),
        typed("Date", "pubsubid1_", "Campaign", "ReferringURL", Date="Date"),
        payable_clicks,
    ),
    Report("mp_monthly_close", "Monthly Close", "Finance", typed("Month"), nothing, fails=True),
    Report(
        *("mp_earnings_by_campaign", "Earnings by Campaign", "Finance", typed("Month"), nothing),
        accessible=False,
    ),
)
BY_ID = {report.id: report for report in REPORTS}


# -- the endpoints -------------------------------------------------------------------------------


def reports(sandbox: Sandbox, request: Request) -> Answer:
    """Answer a page of reports."""
    sent = rules.parameters(request.pairs, frozenset())
    page = rules.read_page(sent, sandbox.switches, event_level=False)
    account = sandbox.world.path
    return list_page(
        request, sent, page, "Reports", REPORTS, write=lambda report: report.entry(account)
    )


def metadata(sandbox: Sandbox, request: Request) -> Answer:
    """Answer the filters and columns of a report."""
    report = BY_ID.get(request.names[0])
    if report is None or not report.accessible:
        return missing("Report", request.names[0])
    return Answer(200, report.metadata(sandbox.world.path))


def run(sandbox: Sandbox, request: Request) -> Answer:
    """Answer a page of a report's rows; filters that it does not know are ignored."""
    report = BY_ID.get(request.names[0])
    if report is None or not report.accessible:
        return missing("Report", request.names[0])
    asked = read_run(sandbox, request, report)
    if report.fails:
        return Answer(500, {"Status": "ERROR", "Message": "Internal error"})
    sent = rules.parameters(request.pairs, repeatable(report))
    size = min(PAGE_ROWS, sandbox.switches.largest_page)
    page = rules.Page(rules.positive("Page", sent, 1), size)
    rows = list(asked.rows(sandbox.world, request.at))
    return list_page(request, sent, page, "Records", rows)


def export(sandbox: Sandbox, request: Request) -> Answer:
    """Queue the export of a report, or find the one that the same parameters have made."""
    allowed, headers = spend(sandbox.jobs.report_exports, request)
    if not allowed:
        return limited(sandbox.switches, headers)
    report = BY_ID.get(request.names[0])
    if report is None or not report.accessible:
        return missing("Report", request.names[0])
    asked = read_run(sandbox, request, report)
    sent = rules.parameters(request.pairs, repeatable(report))
    result_format = rules.one_of(
        "ResultFormat", sent.get("ResultFormat", "CSV").upper(), tuple(RESULT_FORMATS)
    )
    return sandbox.jobs.answer(sandbox.jobs.queue(asked, (), result_format), request, headers)


def group_of(report_id: str) -> str:
    """Return the group of limits that running a report counts against."""
    return BY_ID[report_id].group if report_id in BY_ID else "other"


def repeatable(report: Report) -> frozenset[str]:
    """Name the filters of a report that may be sent several times."""
    return frozenset(report.filters)


def read_run(sandbox: Sandbox, request: Request, report: Report) -> Run:
    """Read what a report is asked for.

    Raises:
        RefusalError: 400 without both dates, or for more than 365 days.
    """
    sent = rules.parameters(request.pairs, repeatable(report))
    first, last = DATES
    for name in DATES:
        if name not in sent:
            raise rules.RefusalError(rules.Rule.PAIR, f"Parameter {name} is required", name)
    start, end = (rules.date_of(name, sent[name]) for name in DATES)
    if start > end:
        raise rules.RefusalError(rules.Rule.ORDER, f"{first} must not be after {last}", first)
    if (end - start).days >= WIDEST_DAYS:
        raise rules.RefusalError(
            rules.Rule.REPORT_WIDTH, f"A report has at most {WIDEST_DAYS} days", last
        )
    own = {*DATES, *report.filters, "Page", "PageSize", "ResultFormat", "RQueryIDx"}
    if any(name not in own for name, _ in request.pairs):
        request.broken.append(rules.Rule.KNOWN)
    today = date.fromordinal(sandbox.world.day_of(request.now))
    kept = tuple(sorted((n, v) for n, v in request.pairs if n in report.filters))
    return Run(report, start, min(end, max(today, start)), kept)
