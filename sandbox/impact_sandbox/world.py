"""A partner account whose actions, items and clicks live through time: one seed, one world.

Every calendar day of the account (in its own time zone) is drawn from a generator of its own, so
one day costs one day, and the world at a later instant is the same world grown older. Instants
are whole seconds since the Unix epoch inside this module, and aware datetimes at its door.
Field names and their order are those of impact.com's OpenAPI files (partner, version 16).
"""

# ruff: noqa: PLR2004, S311 - the odds of a made-up world are literals, and no secret

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import quote
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
Row = dict[str, str]

PENDING, APPROVED, REVERSED = "PENDING", "APPROVED", "REVERSED"
DAY = 86_400
LONGEST_LIFE = 70 * DAY
"""From an action's event to its locking; nothing but clearing happens later."""
LONGEST_LAG = 40 * 60
"""From an event's own timestamp to the moment at which impact.com's API shows it."""
ZERO = Decimal(0)
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Campaign:
    """A program that the account has joined, and how its actions live.

    ``lock_days`` counts from the event's day (or, if open-ended, from the day on which the date
    is set) to the local midnight of locking; None stands for the 28th of the following month.
    """

    id: str
    name: str
    advertiser: str
    tracker: tuple[str, str]
    ads: tuple[tuple[str, str, str], ...]
    share: float
    rate: Decimal
    quantum: Decimal
    lock_days: int | None
    batched: bool = False
    approved_by_hand: float = 0.0
    open_ended: bool = False
    pays_by_item: bool = False


CAMPAIGNS = (
    Campaign(
        "2001",
        "Fernhill Outdoor",
        "Fernhill Outdoor Ltd",
        ("7301", "Sale"),
        (("50101", "Autumn tents", "BANNER"), ("50102", "Shop link", "TEXT_LINK")),
        share=0.34,
        rate=Decimal("0.05"),
        quantum=Decimal("0.01"),
        lock_days=30,
        pays_by_item=True,
    ),
    Campaign(
        "2044",
        "Casa Ñandú",
        "Ñandú Hogar S.A.",
        ("7420", "Online Sale"),
        (("50240", "Deep link", "ONLINE_TRACKING_LINK"),),
        share=0.26,
        rate=Decimal("0.0725"),
        quantum=Decimal("0.0001"),
        lock_days=None,
    ),
    Campaign(
        "2107",
        "Quayside Insurance",
        "Quayside Mutual",
        ("7512", "Policy"),
        (("50301", "Quote form", "TEXT_LINK"), ("50302", "Newsletter", "EMAIL")),
        share=0.16,
        rate=Decimal("0.031416"),
        quantum=Decimal("0.000001"),
        lock_days=45,
        batched=True,
    ),
    Campaign(
        "2150",
        "Bright & Bold Lighting",
        "Bright & Bold GmbH",
        ("7600", "Sale"),
        (("50410", 'Lamps "24/7"', "BANNER"), ("50411", "Coupon page", "COUPON")),
        share=0.16,
        rate=Decimal("0.08"),
        quantum=Decimal("0.1"),
        lock_days=60,
        approved_by_hand=0.45,
        pays_by_item=True,
    ),
    Campaign(
        "2203",
        "雪国 Travel",
        "雪国 Travel K.K.",
        ("7705", "Booking"),
        (("50500", "Ryokan stays", "CONTENT"),),
        share=0.08,
        rate=Decimal("0.04"),
        quantum=Decimal("0.01"),
        lock_days=30,
        open_ended=True,
    ),
)
SHARES = tuple(accumulate(campaign.share for campaign in CAMPAIGNS))

PLACES = (
    ("855", "Santa Barbara", "California", "US"),
    ("807", "San Francisco", "California", "US"),
    ("501", "New York", "New York", "US"),
    ("602", "Chicago", "Illinois", "US"),
    ("", "São Paulo", "São Paulo", "BR"),
    ("", "Zürich", "Zürich", "CH"),
    ("", "Łódź", "Łódzkie", "PL"),
    ("", "東京", "東京都", "JP"),
    ("", "Reykjavík", "Höfuðborgarsvæði", "IS"),
    ("", "", "", ""),
)
SUB_IDS = (
    "",
    "blog",
    "newsletter-2026-03",
    "a b c",
    'say "hi", twice',
    "back\\slash",
    "ключ=значение&x=1",
    "null",
    "00123",
    "🎿 winter",
    "tab\there",
)
DOMAINS = ("", "gear-notes.example", "deals.example", "forum.example")
REFERRING_TYPES = ("CLICK_COOKIE",) * 6 + ("PROMOCODE", "CALL", "REPORTED_PARTNER_ID", "ACTION")
PROMO_CODES = ("",) * 11 + ("SPRING26",)
SKUS = (
    ("TENT-3P", "Three person tent", "Camping"),
    ("A/B 12", "Mug, large", "Kitchen"),
    ("50% off", "Voucher", "Vouchers"),
    ("日本-手袋", "手袋", "衣類"),
    ("ÄÖÜ#7?x=1", "Lämpchen", "Lighting"),
    ("00042", "Rope & hook", "Climbing"),
    ("lamp+bulb", "Lamp with bulb", "Lighting"),
    ("x", "Thing", ""),
)
REASONS = ("ORDER_UPDATE", "ITEM_OUT_OF_STOCK", "CONS_ERROR", "OTHER")


class Step(NamedTuple):
    """One change of an action: its own instant, and the one at which the API begins to show it."""

    at: int
    shown: int
    kind: str
    state: str
    payout: Decimal
    amount: Decimal
    delta_payout: Decimal
    delta_amount: Decimal
    locking: int | None


@dataclass(frozen=True, slots=True)
class Life:
    """All that ever happens to one action. ``lock`` is the instant from which it is final."""

    id: str
    day: int
    campaign: Campaign
    event: int
    salt: int
    steps: tuple[Step, ...]
    lock: int | None
    vanishes: int | None

    def pick(self, choices: tuple[T, ...], shift: int) -> T:
        """Return one of the choices, always the same for this action."""
        return choices[(self.salt >> shift) % len(choices)]

    @property
    def item_count(self) -> int:
        """How many items the action has at first."""
        return 1 + (self.salt >> 20) % 4


@dataclass(frozen=True, slots=True)
class SeenAction:
    """An action as impact.com's API shows it at an instant."""

    world: World
    life: Life
    steps: tuple[Step, ...]
    state: str
    locking: int | None
    cleared: int | None

    @property
    def campaign_id(self) -> str:
        """The program's id."""
        return self.life.campaign.id

    @property
    def event(self) -> int:
        """When the conversion happened."""
        return self.life.event

    @property
    def updated(self) -> int:
        """The hidden "last updated": creation, modification, reversal or restoration."""
        return self.steps[-1].at

    @property
    def order(self) -> int:
        """Ascending sort key for newest creation first, slightly disordered as impact.com's is."""
        return (self.life.salt & 0x3FF) - self.steps[0].at

    def row(self) -> Row:
        """Return the API's Action object."""
        life, campaign, last, first = self.life, self.life.campaign, self.steps[-1], self.steps[0]
        text = self.world.text
        area, city, region, country = life.pick(PLACES, 3)
        return {
            "Id": life.id,
            "CampaignId": campaign.id,
            "CampaignName": campaign.name,
            "ActionTrackerId": campaign.tracker[0],
            "ActionTrackerName": campaign.tracker[1],
            "State": self.state,
            "AdId": life.pick(campaign.ads, 7)[0],
            "Payout": str(last.payout),
            "Amount": str(last.amount),
            "Currency": self.world.currency,
            "EventDate": text(life.event),
            "LockingDate": text(self.locking),
            "Oid": order_id(life),
            "EventCode": "",
            "SharedId": life.pick(("", "", "RT-1924"), 11),
            "SubId1": life.pick(SUB_IDS, 13),
            "SubId2": life.pick(SUB_IDS, 17),
            "SubId3": "",
            "DeltaPayout": str(last.delta_payout),
            "IntendedPayout": str(first.payout),
            "DeltaAmount": str(last.delta_amount),
            "IntendedAmount": str(first.amount),
            "ReferringDate": text(life.event - 60 - life.salt % 90_000),
            "CreationDate": text(first.at),
            "ClearedDate": text(self.cleared),
            "ReferringType": life.pick(REFERRING_TYPES, 23),
            "ReferringDomain": life.pick(DOMAINS, 27),
            "PromoCode": life.pick(PROMO_CODES, 29),
            "CustomerArea": area,
            "CustomerCity": city,
            "CustomerRegion": region,
            "CustomerCountry": country,
            "Uri": f"{self.world.path}/Actions/{life.id}",
        }

    def updates(self) -> Iterator[SeenUpdate]:
        """Yield what ActionUpdates holds of this action; one change may have a row per item."""
        for number, step in enumerate(self.steps):
            parts = self._parts(step)
            for part in range(parts):
                yield SeenUpdate(self, step, number, part, parts)

    def _parts(self, step: Step) -> int:
        life = self.life
        by_item = life.campaign.pays_by_item and (life.salt >> 5) % 5 == 0
        return life.item_count if by_item and step.kind != "dated" else 1

    def items(self) -> list[Row]:
        """Return the API's items; the payouts and amounts add up to the action's."""
        life, last = self.life, self.steps[-1]
        count = life.item_count
        modified = any(step.kind == "modified" for step in self.steps)
        if modified and count > 1 and life.salt >> 33 & 1:
            count -= 1
        adjusted = last.kind in {"modified", "reversed", "restored"}
        reason = "ITEM_RETURNED" if last.kind == "reversed" else life.pick(REASONS, 37)
        payouts, amounts = split(last.payout, count), split(last.amount, count)
        rows = []
        for number in range(count):
            sku, name, category = life.pick(SKUS, 24 + 4 * number)
            rows.append(
                {
                    "Sku": sku,
                    "ItemName": name,
                    "Category": category,
                    "Quantity": str(1 + (life.salt >> (9 + number)) % 3),
                    "SaleAmount": str(amounts[number]),
                    "SaleAmountCurrency": self.world.currency,
                    "Payout": str(payouts[number]),
                    "PayoutCurrency": self.world.currency,
                    "Rebate": "0.00",
                    "RebateCurrency": self.world.currency,
                    "AdjustmentDate": self.world.text(last.at) if adjusted else "",
                    "AdjustmentReason": reason if adjusted else "",
                    "Uri": f"{self.world.path}/Actions/{life.id}/Items/{quote(sku, safe='')}",
                },
            )
        return rows


REPORTING_STATES = {
    "created": "IR_BLANK",
    "modified": "ORDER_UPDATE",
    "reversed": "ITEM_RETURNED",
    "restored": "RESET",
    "dated": "IR_BLANK",
}


@dataclass(frozen=True, slots=True)
class SeenUpdate:
    """One row of ActionUpdates: what it says never changes afterwards."""

    action: SeenAction
    step: Step
    number: int
    part: int
    parts: int

    @property
    def campaign_id(self) -> str:
        """The program's id."""
        return self.action.campaign_id

    @property
    def state(self) -> str:
        """The action's current state, which is what the API's filter means."""
        return self.action.state

    @property
    def event(self) -> int:
        """When the conversion happened."""
        return self.action.event

    @property
    def updated(self) -> int:
        """When this change was made."""
        return self.step.at

    @property
    def locking(self) -> int | None:
        """When the action was to lock, as known at this change."""
        return self.step.locking

    @property
    def order(self) -> int:
        """Ascending sort key for newest first, slightly disordered."""
        return (self.action.life.salt & 0x3FF) - self.step.at

    @property
    def id(self) -> str:
        """The update's id, which begins with the action's."""
        life = self.action.life
        return f"{life.id}.{10_000_000 + life.salt % 9_000_000 + 8 * self.number + self.part}"

    def row(self) -> Row:
        """Return the API's ActionUpdate object."""
        action, step, life = self.action, self.step, self.action.life
        world, campaign = action.world, life.campaign
        sku, _, category = life.pick(SKUS, 24 + 4 * self.part)
        undated = "" if step.locking else "The action is pending and has no locking date yet"
        return {
            "Id": self.id,
            "ActionId": life.id,
            "CampaignId": campaign.id,
            "ActionTrackerId": campaign.tracker[0],
            "EventCode": "",
            "State": step.state,
            "StateDetail": "OPEN" if step.state == PENDING else "",
            "StateDetailDescription": undated,
            "AdId": life.pick(campaign.ads, 7)[0],
            "ReportingState": REPORTING_STATES[step.kind],
            "DeltaPayout": str(split(step.delta_payout, self.parts)[self.part]),
            "DeltaAmount": str(split(step.delta_amount, self.parts)[self.part]),
            "Currency": world.currency,
            "Category": category,
            "Sku": sku,
            "Quantity": str(1 + (life.salt >> (9 + self.part)) % 3),
            "CatalogName": "",
            "CatalogCategory": "",
            "CatalogDescription": "",
            "CatalogManufacturer": "",
            "CatalogOriginalFormatCategory": "",
            "CatalogSubCategory": "",
            "UpdateDate": world.text(step.at),
            "LockingDate": world.text(step.locking),
            "ClearingDate": "",
            "ActionDate": world.text(life.event),
            "Oid": order_id(life),
            "SubId1": life.pick(SUB_IDS, 13),
            "SubId2": life.pick(SUB_IDS, 17),
            "SubId3": "",
            "PaystubId": "",
            "ContractId": f"S-{77_000 + int(campaign.id)}",
            "EventTypeId": campaign.tracker[0],
            "EventTypeName": campaign.tracker[1],
            "PayoutLevel": "ITEM" if self.parts > 1 else "ORDER",
            "DefaultPayout": str(action.steps[0].payout),
            "DefaultPayoutCurrency": world.currency,
            "SharedId": life.pick(("", "", "RT-1924"), 11),
            "ActionUri": f"{world.path}/Actions/{life.id}",
            "Uri": f"{world.path}/ActionUpdates/{self.id}",
        }


def order_id(life: Life) -> str:
    """Return the brand's order id; some programs send none."""
    return "" if life.campaign.batched or life.salt % 23 == 0 else f"A-{life.salt % 10**11:011d}"


def split(total: Decimal, count: int) -> list[Decimal]:
    """Cut a sum of money into parts that add up to it exactly."""
    share = (total / count).quantize(CENT, ROUND_DOWN) if count > 1 else ZERO
    return [*[share] * (count - 1), total - share * (count - 1)]


class World:
    """One partner account.

    Args:
        seed: Another seed is another account, with another SID, token and history.
        actions_per_day: The mean; real days differ.
        clicks_per_day: The mean; real days differ.
        opened: The first day on which anything happened.
        timezone: The account's own, an IANA name.
        currency: The account's own, ISO 4217.
        reattributed: The share of actions that go to another partner before they lock, and so
            vanish without a trace.
    """

    def __init__(
        self,
        seed: int | str = 0,
        *,
        actions_per_day: float = 30,
        clicks_per_day: float = 400,
        opened: date = date(2023, 1, 1),
        timezone: str = "America/Los_Angeles",
        currency: str = "USD",
        reattributed: float = 0.0,
    ) -> None:
        """Nothing is drawn before it is asked for."""
        self.seed = seed
        self.actions_per_day = actions_per_day
        self.clicks_per_day = clicks_per_day
        self.opened = opened
        self.zone = ZoneInfo(timezone)
        self.currency = currency
        self.reattributed = reattributed
        rng = Random(f"{seed}:account")
        alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
        self.account_sid = "IR" + "".join(rng.choices(alphabet, k=32))
        self.auth_token = "not-a-real-token-" + "".join(rng.choices(alphabet, k=15))
        self.account_id = str(rng.randrange(1_000_000, 2_000_000))
        self.name = "Sandbox Publisher"
        self.path = f"/Mediapartners/{self.account_sid}"
        self._days: dict[int, tuple[Life, ...]] = {}
        self._midnights: dict[int, int] = {}

    # -- instants --------------------------------------------------------------------------

    def text(self, instant: int | None) -> str:
        """Write an instant as impact.com does: in the account's offset, blank if there is none."""
        return datetime.fromtimestamp(instant, self.zone).isoformat() if instant else ""

    def midnight(self, day: int) -> int:
        """Return the instant at which a calendar day (an ordinal) of the account begins."""
        found = self._midnights.get(day)
        if found is None:
            at = datetime.combine(date.fromordinal(day), datetime.min.time(), self.zone)
            found = self._midnights[day] = int(at.timestamp())
        return found

    def day_of(self, instant: int) -> int:
        """Return the account's calendar day (an ordinal) that holds an instant."""
        return datetime.fromtimestamp(instant, self.zone).toordinal()

    # -- what the API shows ----------------------------------------------------------------

    def account(self) -> Row:
        """Return the account root's object."""
        return {
            "Id": self.account_id,
            "Name": self.name,
            "Status": "ACTIVE",
            "Currency": self.currency,
            "DateActivated": self.text(self.midnight(self.opened.toordinal())),
            "ApiVersion": "16",
            "Uri": self.path,
        }

    def campaigns(self) -> list[dict[str, str | list[str]]]:
        """Return the API's Campaign objects; the last contract has expired."""
        return [
            {
                "AdvertiserId": str(1_800_000 + int(campaign.id)),
                "AdvertiserName": campaign.advertiser,
                "AdvertiserUrl": f"https://www.brand{campaign.id}.example",
                "CampaignId": campaign.id,
                "CampaignName": campaign.name,
                "CampaignUrl": f"https://shop.brand{campaign.id}.example",
                "CampaignDescription": f"<p>{campaign.name}</p>\n<p>Welcome & enjoy</p>",
                "Type": "Performance",
                "ShippingRegions": ["US", "CANADA", "UK"],
                "CampaignLogoUri": f"{self.path}/Campaigns/{campaign.id}/Logo",
                "PublicTermsUri": f"{self.path}/Campaigns/{campaign.id}/PublicTerms",
                "ContractStatus": "Expired" if campaign is CAMPAIGNS[-1] else "Active",
                "ContractUri": f"{self.path}/Campaigns/{campaign.id}/Contracts/Active",
                "TrackingLink": f"https://go.example/c/{self.account_id}/{campaign.id}",
                "HasStandDownPolicy": "false",
                "AllowsDeeplinking": "true",
                "DeeplinkDomains": [f"brand{campaign.id}.example", f"*.brand{campaign.id}.example"],
                "Uri": f"{self.path}/Campaigns/{campaign.id}",
            }
            for campaign in CAMPAIGNS
        ]

    def seen(
        self,
        at: datetime,
        since: int | None = None,
        until: int | None = None,
    ) -> Iterator[SeenAction]:
        """Yield the visible actions, only those whose event lies in [since, until] if given."""
        now = int(at.timestamp())
        opened = self.opened.toordinal()
        first = opened if since is None else max(opened, self.day_of(since))
        last = self.day_of(now if until is None else min(now, until))
        for day in range(first, last + 1):
            for life in self._lives(day):
                if (since is None or life.event >= since) and (
                    until is None or life.event <= until
                ):
                    action = self._look(life, now)
                    if action is not None:
                        yield action

    def action(self, action_id: str, at: datetime) -> SeenAction | None:
        """Return one visible action by its id."""
        now = int(at.timestamp())
        _, _, tail = action_id.rpartition(".")
        day, number = divmod(int(tail), PER_DAY) if tail.isdecimal() else (0, 0)
        if not self.opened.toordinal() <= day <= self.day_of(now):
            return None
        lives = self._lives(day)
        if number >= len(lives) or lives[number].id != action_id:
            return None
        return self._look(lives[number], now)

    def action_update(self, update_id: str, at: datetime) -> SeenUpdate | None:
        """Return one visible update by its id."""
        action = self.action(update_id.rpartition(".")[0], at)
        updates = action.updates() if action else ()
        return next((update for update in updates if update.id == update_id), None)

    # -- the truth, for tests --------------------------------------------------------------

    def actions(self, at: datetime) -> Iterator[Row]:
        """Yield every visible action, unfiltered and unpaged."""
        return (action.row() for action in self.seen(at))

    def action_updates(self, at: datetime) -> Iterator[Row]:
        """Yield every visible update, unfiltered and unpaged."""
        return (update.row() for action in self.seen(at) for update in action.updates())

    def items(self, action_id: str, at: datetime) -> list[Row]:
        """Return one action's visible items, in their order; none if there is no such action."""
        action = self.action(action_id, at)
        return action.items() if action else []

    def totals(
        self,
        at: datetime,
        since: datetime | None = None,
    ) -> dict[str, tuple[int, Decimal]]:
        """Count the actions (that happened at or after an instant) by state; sum their payouts."""
        totals: dict[str, tuple[int, Decimal]] = {}
        for action in self.seen(at, int(since.timestamp()) if since else None):
            count, payout = totals.get(action.state, (0, ZERO))
            totals[action.state] = count + 1, payout + action.steps[-1].payout
        return dict(sorted(totals.items()))

    # -- how it comes about ----------------------------------------------------------------

    def _look(self, life: Life, now: int) -> SeenAction | None:
        if life.vanishes is not None and now >= life.vanishes:
            return None
        steps = life.steps
        if steps[-1].shown > now:
            steps = tuple(step for step in steps if step.shown <= now)
            if not steps:
                return None
        state, locking, cleared = steps[-1].state, steps[-1].locking, None
        if state != REVERSED and life.lock is not None and now >= life.lock:
            state, locking = APPROVED, life.lock
            clearing = self.midnight(self.day_of(life.lock) + 18 + life.salt % 7)
            cleared = clearing if now >= clearing else None
        return SeenAction(self, life, steps, state, locking, cleared)

    def _lives(self, day: int) -> tuple[Life, ...]:
        lives = self._days.get(day)
        if lives is None:
            lives = self._days[day] = tuple(self._draw(day))
        return lives

    def _draw(self, day: int) -> Iterator[Life]:
        rng = Random(f"{self.seed}:{day}")
        draw = rng.random
        begin, end = self.midnight(day), self.midnight(day + 1)
        event = begin
        for number in range(count_of_day(self.actions_per_day, day, draw())):
            luck = draw()
            if luck > 0.03 or number == 0:  # else: the same second as the one before
                event = begin + int(draw() * (end - begin))
            if luck > 0.985:
                event = begin if luck > 0.9925 else end - 1
            campaign = CAMPAIGNS[min(bisect_left(SHARES, draw()), len(CAMPAIGNS) - 1)]
            salt = rng.getrandbits(64)
            steps, lock = self._live(rng, campaign, day, event, salt)
            vanishes = None
            if self.reattributed and (salt >> 40 & 0xFFFF) / 0x10000 < self.reattributed:
                until = lock or steps[-1].shown + DAY
                vanishes = steps[0].shown + (until - steps[0].shown) * (salt >> 8 & 0xFF) // 0x100
            yield Life(
                f"{campaign.id}.{self.account_id}.{day * PER_DAY + number}",
                day,
                campaign,
                event,
                salt,
                steps,
                lock,
                vanishes,
            )

    def _live(
        self,
        rng: Random,
        campaign: Campaign,
        day: int,
        event: int,
        salt: int,
    ) -> tuple[tuple[Step, ...], int | None]:
        """Draw the steps of an action's life, and the instant from which it is final."""
        draw = rng.random
        created = self._posting(campaign, day, event, draw(), draw())
        fate = FATES[bisect_left(FATE_SHARES, draw())]
        dated = created + int(draw() * 20 * DAY) + 5 * DAY if campaign.open_ended else None
        planned = self._locking(campaign, day if dated is None else self.day_of(dated))
        lock: int | None = planned
        if dated is not None and fate and fate[-1] == "reversed":
            dated = lock = None
        room = planned - created - 3 * 3600
        changes = sorted((created + 60 + int(room * draw() ** 2), kind) for kind in fate)
        kinds = iter(fate)  # the order of the fate, at the drawn instants
        plan = [(at, next(kinds)) for at, _ in changes]
        if dated is not None:
            plan = sorted([*plan, (dated, "dated")])
        cents = 400 + int(draw() ** 3 * 60_000)
        amount = Decimal(cents - cents % 100) / 100 if salt & 3 == 0 else Decimal(cents).scaleb(-2)
        payout = (amount * campaign.rate).quantize(campaign.quantum)
        locking = None if campaign.open_ended else planned
        at, shown = created, created + lag(draw())
        steps = [Step(at, shown, "created", PENDING, payout, amount, payout, amount, locking)]
        before = payout, amount
        for wanted, kind in plan:
            last = steps[-1]
            at = max(wanted, at + 1)
            shown = max(shown, at + lag(draw()))
            state, payout, amount = last.state, last.payout, last.amount
            if kind == "reversed":
                before = payout, amount
                state, payout, amount = REVERSED, ZERO, ZERO
            elif kind == "restored":
                state, (payout, amount) = PENDING, before
            elif kind == "modified":
                factor = Decimal(int(40 + draw() * 100)) / 100
                if salt >> 50 & 3:
                    amount = (amount * factor).quantize(CENT)
                payout = (payout * factor).quantize(campaign.quantum)
            else:
                locking = planned
            deltas = payout - last.payout, amount - last.amount
            steps.append(Step(at, shown, kind, state, payout, amount, *deltas, locking))
        if draw() < campaign.approved_by_hand and steps[-1].state == PENDING:
            calm = steps[-1].at + 3600
            lock = calm + int(draw() * (planned - calm))
        return tuple(steps), lock

    def _posting(
        self,
        campaign: Campaign,
        day: int,
        event: int,
        luck: float,
        length: float,
    ) -> int:
        """When an action is created: minutes after its event, or hours, or up to ten days."""
        if campaign.batched:
            days = 1 if luck < 0.4 else 1 + int(length * 9)
            return self.midnight(day + days) + 6 * 3600 + int(luck * 60)
        if luck < 0.88:
            return event + 30 + int(length * 1200)
        if luck < 0.98:
            return event + 1800 + int(length * 8 * 3600)
        return event + int(length * 10 * DAY)

    def _locking(self, campaign: Campaign, day: int) -> int:
        if campaign.lock_days is not None:
            return self.midnight(day + campaign.lock_days)
        month = date.fromordinal(day).replace(day=28)
        return self.midnight((month + timedelta(days=4)).replace(day=28).toordinal())

    # -- clicks ----------------------------------------------------------------------------

    def clicks(self, day: date, at: datetime) -> Iterator[dict[str, Any]]:
        """Yield the clicks of one of the account's days, as an export made at an instant has them.

        Rows have impact.com's export names; one Id may stand for several rows, and a few rows are
        wholly identical. They are drawn as they are asked for: a day may be any size.
        """
        ordinal = day.toordinal()
        if day < self.opened:
            return
        rng = Random(f"{self.seed}:clicks:{ordinal}")
        draw, bits = rng.random, rng.getrandbits
        begin = self.midnight(ordinal)
        length = self.midnight(ordinal + 1) - begin
        known = int(at.timestamp()) - LONGEST_LAG - begin
        whole = known >= length
        row: dict[str, Any] = {}
        for number in range(count_of_day(self.clicks_per_day, ordinal, draw())):
            second, salt, luck = int(draw() * length), bits(64), draw()
            if luck < 0.006 and row:
                yield row
                continue
            if not whole and second > known:
                continue
            click_id = f"{salt:016x}{salt * 2654435761 % 2**36:09x}{ordinal:06d}{number:08d}"
            if luck < 0.03 and row:
                click_id = row["Id"]
            row = self._click(click_id, begin + second, salt)
            yield row

    def click_count(self, day: date) -> int:
        """Return how many rows a day's clicks have once the day is over."""
        if day < self.opened:
            return 0
        first = Random(f"{self.seed}:clicks:{day.toordinal()}").random()
        return count_of_day(self.clicks_per_day, day.toordinal(), first)

    def click(self, click_id: str, at: datetime) -> list[dict[str, Any]]:
        """Return every click of one Id: there may be several."""
        tail = click_id[25:]
        if len(click_id) != 39 or not tail.isdecimal():
            return []
        day = int(tail[:6])
        if not self.opened.toordinal() <= day <= self.day_of(int(at.timestamp())):
            return []
        rows = self.clicks(date.fromordinal(day), at)
        return [row for row in rows if row["Id"] == click_id]

    def _click(self, click_id: str, event: int, salt: int) -> dict[str, Any]:
        campaign = CAMPAIGNS[min(bisect_left(SHARES, (salt & 0xFFFF) / 0x10000), len(SHARES) - 1)]
        ad_id, ad_name, ad_type = campaign.ads[(salt >> 16) % len(campaign.ads)]
        area, city, region, country = PLACES[(salt >> 18) % len(PLACES)]
        device, family, browser, system = DEVICES[(salt >> 22) % len(DEVICES)]
        place = salt >> 26 & 7
        domain = "NA" if place == 7 else DOMAINS[1 + place % 3]
        brand = salt >> 30 & 15
        return {
            "Id": click_id,
            "ProgramId": campaign.id,
            "ProgramName": campaign.name,
            "ProfileId": f"{salt:016x}-{salt >> 40:06x}",
            "IpAddress": f"{salt * 0x9E3779B97F4A7C15:032x}".rjust(40, "0"),
            "EventDate": self.text(event),
            "MediaId": self.account_id,
            "MediaName": self.name,
            "AdId": ad_id,
            "AdName": ad_name,
            "AdType": ad_type,
            "ProductSku": SKUS[salt >> 34 & 7][0] if salt >> 37 & 1 else "",
            "BrandRelated": [] if brand else [BRAND_RELATED],
            "DealName": "Spring, 10% off" if salt >> 38 & 7 == 0 else "",
            "DealType": "GENERAL_SALE" if salt >> 38 & 7 == 0 else "",
            "DealScope": "ENTIRE_STORE" if salt >> 38 & 7 == 0 else "",
            "CustomerArea": area or "n/a",
            "CustomerCity": city or "n/a",
            "CustomerRegion": region or "n/a",
            "CustomerCountry": country,
            "DeviceType": device,
            "DeviceFamily": family,
            "Browser": browser,
            "Os": system,
            "ReferringUrl": domain if domain == "NA" else f"https://{domain}/p/{salt >> 44 & 255}",
            "ReferringDomain": domain,
            "LandingPageUrl": f"https://shop.brand{campaign.id}.example/?irclickid={click_id}&q=1",
            "TrafficCategory": "Content",
            "TrafficSource": domain,
            "BidKeyword": "",
            "SearchText": " ",
            "SharedId": "",
            "PartnerRelated": [
                {
                    "SubId1": SUB_IDS[(salt >> 48) % len(SUB_IDS)],
                    "SubId2": SUB_IDS[(salt >> 52) % len(SUB_IDS)],
                    "SubId3": "",
                },
            ],
            "CpcBid": "0.0",
            "Payout": "0.00" if salt >> 56 & 7 else "0.125",
            "UniqueClick": "false" if salt >> 60 & 3 == 0 else "true",
        }


PER_DAY = 1_000_000
"""An action's id ends with day * PER_DAY + number, so that it can be found again at once."""

FATES: tuple[tuple[str, ...], ...] = (
    (),
    ("modified",),
    ("modified", "modified"),
    ("reversed",),
    ("modified", "reversed"),
    ("reversed", "restored"),
    ("reversed", "restored", "modified"),
    ("reversed", "restored", "reversed"),
)
FATE_SHARES = (0.74, 0.80, 0.83, 0.91, 0.935, 0.965, 0.985)

DEVICES = (
    ("DESKTOP", "WINDOWS_MACHINE", "CHROME", "WINDOWS_10"),
    ("DESKTOP", "APPLE_MAC", "SAFARI", "null"),
    ("PHONE", "IPHONE", "SAFARI", "IOS"),
    ("PHONE", "null", "CHROME_MOBILE", "ANDROID"),
    ("TABLET", "IPAD", "SAFARI", "IOS"),
    ("UNKNOWN", "UNKNOWN", "null", "null"),
)
BRAND_RELATED = {
    "AdCampaign": "spring",
    "AdGroup": " ",
    "Keyword": "tent; rain",
    "MatchType": " ",
    "Channel": "Search",
}


def count_of_day(mean: float, day: int, luck: float) -> int:
    """Return how many things happen on a day: more on weekends, and every day differs."""
    weekday = (1.0, 0.9, 0.85, 0.9, 1.05, 1.2, 1.1)[day % 7]
    return int(mean * weekday * (0.7 + 0.6 * luck) + 0.5)


def lag(luck: float) -> int:
    """Return how many seconds pass before the API shows a change; most often few."""
    return int(luck**3 * LONGEST_LAG)
