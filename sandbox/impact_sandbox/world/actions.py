"""Actions, their updates and items, and how they live through time."""

# ruff: noqa: PLR2004, S311 - the odds of a made-up world are literals, and no secret

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import quote

from impact_sandbox.world.account import CENT, DAY, ZERO, Account, Row, count_of_day, lag, split
from impact_sandbox.world.campaigns import CAMPAIGNS, Campaign, drawn
from impact_sandbox.world.terms import PROMO_CODE, amended, terms_of
from impact_sandbox.world.texts import DOMAINS, PLACES, SKUS, SUB_IDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

T = TypeVar("T")

PENDING, APPROVED, REVERSED = "PENDING", "APPROVED", "REVERSED"
LONGEST_LIFE = 70 * DAY
"""From an action's event to its locking; nothing but clearing happens later."""
REFERRING_TYPES = ("CLICK_COOKIE",) * 6 + ("PROMOCODE", "CALL", "REPORTED_PARTNER_ID", "ACTION")
PROMO_CODES = ("",) * 11 + (PROMO_CODE,)
REASONS = ("ORDER_UPDATE", "ITEM_OUT_OF_STOCK", "CONS_ERROR", "OTHER")
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


class Step(NamedTuple):
    """One change of an action: its own time, and that at which the API begins to show it."""

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
    """All that ever happens to one action. ``lock`` is the time from which it is final."""

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
    """An action as impact.com's API shows it at a time."""

    world: Actions
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
            "Payout": str(last.payout + self.world.wrong_by(life)),
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
            "ContractId": campaign.contract_id,
            "EventTypeId": campaign.tracker[0],
            "EventTypeName": campaign.tracker[1],
            "PayoutLevel": "ITEM" if self.parts > 1 else "ORDER",
            "DefaultPayout": str(action.steps[0].payout),
            "DefaultPayoutCurrency": world.currency,
            "SharedId": life.pick(("", "", "RT-1924"), 11),
            "ActionUri": f"{world.path}/Actions/{life.id}",
            "Uri": f"{world.path}/ActionUpdates/{self.id}",
        }


def follows_amount(salt: int) -> bool:
    """Tell whether an action's amount changes with its payout; some brands change that alone."""
    return salt >> 50 & 3 > 0


def order_id(life: Life) -> str:
    """Return the brand's order id; some programs send none."""
    return "" if life.campaign.batched or life.salt % 23 == 0 else f"A-{life.salt % 10**11:011d}"


class Actions(Account):
    """The actions of an account."""

    @cached_property
    def _days(self) -> dict[int, tuple[Life, ...]]:
        """The actions of the days that were drawn, by ordinal."""
        return {}

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

    def actions(self, at: datetime, since: datetime | None = None) -> Iterator[Row]:
        """Yield every visible action (that happened at or after a time), unpaged."""
        return (action.row() for action in self.seen(at, int(since.timestamp()) if since else None))

    def action_updates(self, at: datetime, since: datetime | None = None) -> Iterator[Row]:
        """Yield every visible update (that was made at or after a time), unpaged."""
        first = since.timestamp() if since else 0
        return (
            update.row()
            for action in self.seen(at)
            for update in action.updates()
            if update.updated >= first
        )

    def items(self, action_id: str, at: datetime) -> list[Row]:
        """Return one action's visible items, in their order; none if there is no such action."""
        action = self.action(action_id, at)
        return action.items() if action else []

    def totals(
        self,
        at: datetime,
        since: datetime | None = None,
    ) -> dict[str, tuple[int, Decimal]]:
        """Count the actions (that happened at or after a time) by state; sum their payouts."""
        totals: dict[str, tuple[int, Decimal]] = {}
        for action in self.seen(at, int(since.timestamp()) if since else None):
            count, payout = totals.get(action.state, (0, ZERO))
            totals[action.state] = count + 1, payout + action.steps[-1].payout
        return dict(sorted(totals.items()))

    # -- what is wrong on request ----------------------------------------------------------

    def unpriced_actions(self, at: datetime) -> Iterator[str]:
        """Yield the ids of visible actions whose payout no term of a contract gives."""
        for action in self.seen(at):
            fate = tuple(step.kind for step in action.life.steps[1:] if step.kind != "dated")
            if self._is_unpriced(action.life.salt, fate):
                yield action.life.id

    def wrong_by(self, life: Life) -> Decimal:
        """Return by how much the list of actions has the payout of one too high."""
        return CENT if life.id == self._wrong_action else ZERO

    @cached_property
    def _wrong_action(self) -> str:
        """The id of the action with a cent too much; blank if there is none."""
        mistakes = self.mistakes
        if mistakes.source != "actions":
            return ""
        day = max(date.fromisoformat(f"{mistakes.month}-01"), self.opened)
        while mistakes.may_hit("actions", day):
            for life in self._lives(day.toordinal()):
                if life.lock is not None and life.vanishes is None and life.steps[-1].payout:
                    return life.id
            day += timedelta(days=1)
        return ""

    def _is_unpriced(self, salt: int, fate: tuple[str, ...]) -> bool:
        unpriced = self.mistakes.unpriced
        return bool(unpriced) and not fate and salt % unpriced == 0

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
            campaign = drawn(draw())
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
        """Draw the steps of an action's life, and the time from which it is final."""
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
        kinds = iter(fate)  # the order of the fate, at the drawn times
        plan = [(at, next(kinds)) for at, _ in changes]
        if dated is not None:
            plan = sorted([*plan, (dated, "dated")])
        cents = 400 + int(draw() ** 3 * 60_000)
        amount = Decimal(cents - cents % 100) / 100 if salt & 3 == 0 else Decimal(cents).scaleb(-2)
        payout = self._price(campaign, amount, salt, created)
        if self._is_unpriced(salt, fate):
            payout += 1
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
                payout = self._repriced(campaign, payout, amount, salt, at)
            elif kind == "modified":
                factor = Decimal(int(40 + draw() * 100)) / 100
                payout = (payout * factor).quantize(campaign.quantum)
                amount = (amount * factor).quantize(CENT) if follows_amount(salt) else amount
                payout = self._repriced(campaign, payout, amount, salt, at)
            else:
                locking = planned
            deltas = payout - last.payout, amount - last.amount
            steps.append(Step(at, shown, kind, state, payout, amount, *deltas, locking))
        if draw() < campaign.approved_by_hand and steps[-1].state == PENDING:
            calm = steps[-1].at + 3600
            lock = calm + int(draw() * (planned - calm))
        return tuple(steps), lock

    def _price(self, campaign: Campaign, amount: Decimal, salt: int, at: int) -> Decimal:
        """Return what the terms that are in force at a time pay."""
        amendments = 0
        if self.varied_terms and campaign is not CAMPAIGNS[-1]:
            amendments, _ = amended(self.began, CAMPAIGNS.index(campaign), at)
        terms = terms_of(campaign, amendments, varied=self.varied_terms)
        promo_code = PROMO_CODES[(salt >> 29) % len(PROMO_CODES)]
        return terms.price(campaign, amount, promo_code)

    def _repriced(
        self, campaign: Campaign, payout: Decimal, amount: Decimal, salt: int, at: int
    ) -> Decimal:
        """Return the payout after a change: that of the terms in force, where terms vary."""
        if self.varied_terms and follows_amount(salt):
            return self._price(campaign, amount, salt, at)
        return payout

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
