"""How many requests a run takes, and how many hours, for the present settings and state."""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

from tap_impact.api.client import MAX_PAGES
from tap_impact.errors import TooManyPages
from tap_impact.progress.windows import WIDEST, Window
from tap_impact.streams.actions import HAPPENED, Actions
from tap_impact.streams.base import DatedStream, ImpactStream
from tap_impact.streams.clicks import ClickExports, ClickStream
from tap_impact.streams.items import ActionItems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_impact.tap import TapImpact

# What impact.com allows unless it agreed to more (its page on rate limits).
EVENTS_AN_HOUR = 500
OTHERS_AN_HOUR = 1000

ONE_DAY = timedelta(days=1)

# To ask for an export, to look at its job, and to download it.
REQUESTS_PER_EXPORT = 3


def estimates(tap: TapImpact) -> Iterator[str]:
    """Lines of text, one for each stream. To count actions takes one request."""
    for stream in tap.streams.values():
        match stream:
            case ActionItems():
                yield of_items(stream)
            case DatedStream():
                number = len(stream.steps(stream.held())) * len(
                    tap.settings.campaign_ids or (None,)
                )
                whole = requests(number, EVENTS_AN_HOUR)
                yield f"{stream.name}: {whole}, all in the next run; more where pages are full."
            case ClickExports():
                yield of_clicks(stream)
            case ImpactStream() if not isinstance(stream, ClickStream):
                yield f"{stream.name}: {requests(1, OTHERS_AN_HOUR)}, each run."


def of_items(stream: ActionItems) -> str:
    """What the items take: a list of actions costs a request, and each action one more."""
    settings, progress = stream.settings, stream.progress()
    start = settings.start
    lists = len([*progress.lists(now=settings.now, start=start, reach=settings.reach)])
    left = max(progress.coverage.since - start, timedelta())
    left += max(settings.now - progress.coverage.through, timedelta())
    number = ceil(actions_per_day(stream) * (left / ONE_DAY))
    most = settings.action_items_per_run
    runs = ceil(number / most)
    note = "" if stream.selected else " It is not selected unless a catalog does."
    return (
        f"{stream.name}: the next run {requests(min(number, most) + lists, EVENTS_AN_HOUR)}; the "
        f"whole history about {number} actions, {requests(number + lists, EVENTS_AN_HOUR)}, in "
        f"{runs} runs of {most} actions.{note}"
    )


def actions_per_day(stream: ActionItems) -> float:
    """How many actions happened on a day, as the last weeks had it."""
    settings, found = stream.settings, 0
    start = max(settings.start, settings.now - WIDEST)
    query = HAPPENED.within(Window(start, settings.now)) | {"PageSize": str(settings.page_size)}
    for campaign_id in settings.campaign_ids or (None,):
        of_campaign = {"CampaignId": campaign_id} if campaign_id else {}
        try:
            pages = stream.client.pages(
                Actions.path, query | of_campaign, Actions.data_key, max_pages=MAX_PAGES
            )
            first = next(pages)
            found += first.total or len(first.rows)
        except TooManyPages:
            found += MAX_PAGES * settings.page_size
    return found / ((settings.now - start) / ONE_DAY)


def of_clicks(stream: ClickExports) -> str:
    """What the clicks take: an export for each day, ten a day."""
    names = ", ".join(each.name for each in (stream, *stream.children))
    _, _, days = stream.days_left()
    a_day = stream.settings.click_exports_per_day
    ledger = stream.ledger()
    new = [day for day in days if day.isoformat() not in ledger.jobs]
    now = min(len(new), max(a_day - ledger.asked, 0))
    later = ceil((len(new) - now) / a_day)
    adopted = len(days) - len(new)
    return (
        f"{names}: the next run {now} exports, and {adopted} that were asked for before, "
        f"{requests(REQUESTS_PER_EXPORT * (now + adopted), OTHERS_AN_HOUR)}; the whole history "
        f"{len(new)} exports, which take {later} more days at {a_day} a day."
    )


def requests(number: int, an_hour: int) -> str:
    """A number of requests, and how long their limit makes them last."""
    return f"{number} request{'s'[: number != 1]} ({number / an_hour:.1f} h of the hourly limit)"
