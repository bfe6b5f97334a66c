"""Who the account is, its calendar, and how it draws its days.

Every calendar day of the account (in its own time zone) is drawn from a generator of its own, so
one day costs one day, and the world at a later time is the same world grown older. Times
are whole seconds since the Unix epoch inside this package, and aware datetimes at its door.
Field names and their order are those of impact.com's OpenAPI files (partner, version 16).
"""

# ruff: noqa: S311 - no secret

from __future__ import annotations

from datetime import date, datetime
from decimal import ROUND_DOWN, Decimal
from random import Random
from zoneinfo import ZoneInfo

from impact_sandbox.world.mistakes import NO_MISTAKES

Row = dict[str, str]

DAY = 86_400
LONGEST_LAG = 40 * 60
"""From an event's own timestamp to the time at which impact.com's API shows it."""
ZERO = Decimal(0)
CENT = Decimal("0.01")


class Account:
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
        self.person = "Carrie Oakey"
        self.mail = f"carrie.{''.join(rng.choices(alphabet, k=8)).lower()}@publisher.example"
        self.tax_id = f"EIN-{rng.randrange(10**8, 10**9)}"
        self.bank_account = f"DE{rng.randrange(10**19, 10**20)}"
        self.ftp_password = f"not-a-real-password-{''.join(rng.choices(alphabet, k=8))}"
        self.mistakes = NO_MISTAKES
        self.varied_terms = False
        self._midnights: dict[int, int] = {}

    # -- times ----------------------------------------------------------------------------

    def text(self, at: int | None) -> str:
        """Write a timestamp as impact.com does: in the account's offset, blank if there is none."""
        return datetime.fromtimestamp(at, self.zone).isoformat() if at else ""

    def midnight(self, day: int) -> int:
        """Return the time at which a calendar day (an ordinal) of the account begins."""
        found = self._midnights.get(day)
        if found is None:
            at = datetime.combine(date.fromordinal(day), datetime.min.time(), self.zone)
            found = self._midnights[day] = int(at.timestamp())
        return found

    def day_of(self, at: int) -> int:
        """Return the account's calendar day (an ordinal) that a time is in."""
        return datetime.fromtimestamp(at, self.zone).toordinal()

    @property
    def began(self) -> int:
        """When the account was activated."""
        return self.midnight(self.opened.toordinal())

    def mail_of_brand(self, campaign_id: str) -> str:
        """Return the address that a brand writes from."""
        return f"offers.{self.mail[7:15]}@brand{campaign_id}.example"

    # -- what the API shows ----------------------------------------------------------------

    def account(self) -> Row:
        """Return the account root's object."""
        return {
            "Id": self.account_id,
            "Name": self.name,
            "Status": "ACTIVE",
            "Currency": self.currency,
            "DateActivated": self.text(self.began),
            "ApiVersion": "16",
            "Uri": self.path,
        }


def split(total: Decimal, count: int) -> list[Decimal]:
    """Cut a sum of money into parts that add up to it exactly."""
    share = (total / count).quantize(CENT, ROUND_DOWN) if count > 1 else ZERO
    return [*[share] * (count - 1), total - share * (count - 1)]


def count_of_day(mean: float, day: int, luck: float) -> int:
    """Return how many things happen on a day: more on weekends, and every day differs."""
    weekday = (1.0, 0.9, 0.85, 0.9, 1.05, 1.2, 1.1)[day % 7]
    return int(mean * weekday * (0.7 + 0.6 * luck) + 0.5)


def lag(luck: float) -> int:
    """Return how many seconds pass before the API shows a change; most often few."""
    return int(luck**3 * LONGEST_LAG)
