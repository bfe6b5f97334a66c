"""The contracts that price the actions of each campaign.

Terms are those by which the world's actions are paid and lock. With each amendment a contract's
version and its last update move on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from impact_sandbox.world.account import Account
from impact_sandbox.world.campaigns import CAMPAIGNS, Campaign
from impact_sandbox.world.terms import BONUS_TIERS, PROMO_CODE, amended, terms_of

if TYPE_CHECKING:
    from datetime import datetime

STATUSES = ("ACTIVE", "DECLINED", "EXPIRED", "PENDING", "UPCOMING")
NEVER = 1 << 62


class Paper(NamedTuple):
    """A contract as it was made: the campaign's own, or another that prices nothing yet."""

    id: str
    campaign: Campaign
    status: str
    start_day: int
    end_day: int | None = None
    signed: bool = True


class Contract(NamedTuple):
    """A contract at a time; times are epoch seconds, NEVER for an open end."""

    account: Account
    paper: Paper
    version: int
    updated: int

    @property
    def start(self) -> int:
        """When it takes effect."""
        return self.account.midnight(self.paper.start_day)

    @property
    def end(self) -> int:
        """When it expires."""
        end = self.paper.end_day
        return NEVER if end is None else self.account.midnight(end)

    @property
    def signatories(self) -> tuple[str, str]:
        """Who signed for the brand and for the partner."""
        campaign = self.paper.campaign
        return f"Brand Manager {campaign.id}", self.account.person if self.paper.signed else ""

    def row(self) -> dict[str, Any]:
        """Return the API's Contract object, as the list has it."""
        account, paper = self.account, self.paper
        brand, partner = self.signatories
        made = account.midnight(min(paper.start_day, account.opened.toordinal())) - 529
        uri = f"{account.path}/Contracts/{paper.id}"
        return {
            "Id": paper.id,
            "CampaignId": paper.campaign.id,
            "Status": paper.status,
            "StartDate": account.text(self.start),
            "EndDate": "" if self.end == NEVER else account.text(self.end),
            "BrandSignatory": brand,
            "BrandSignatoryDate": account.text(made),
            "PartnerSignatory": partner,
            "PartnerSignatoryDate": account.text(made) if partner else "",
            "DateCreated": account.text(made),
            "DateLastUpdated": account.text(self.updated),
            "Terms": self._terms(),
            "HasCampaignTerms": "true" if paper.campaign.pays_by_item else "false",
            "PdfUri": f"{account.path}/Campaigns/{paper.campaign.id}/Contracts/{paper.id}/Download",
            "Uri": uri,
        }

    def whole(self) -> dict[str, Any]:
        """Return the object as it is retrieved alone: with the terms of its campaigns."""
        row = self.row()
        terms = []
        if self.paper.campaign.pays_by_item:
            payout = self._event_payout()
            kept = ("EventTypeId", "PayoutLevel", "PayoutGroups")
            terms = [
                {
                    "Id": f"3{self.paper.campaign.id}",
                    "Name": f"{self.paper.campaign.name} - Product Boost",
                    "StartDate": row["StartDate"],
                    "EndDate": row["EndDate"],
                    "EventPayouts": [{name: payout[name] for name in kept}],
                }
            ]
        pdf, uri = row.pop("PdfUri"), row.pop("Uri")
        return row | {"CampaignTerms": terms, "PdfUri": pdf, "Uri": uri}

    def _terms(self) -> dict[str, Any]:
        campaign = self.paper.campaign
        return {
            "TemplateTermName": f"{campaign.name} standard",
            "Currency": self.account.currency,
            "TemplateId": f"8{campaign.id}",
            "VersionId": str(self.version),
            "Name": f"{campaign.name} standard",
            "Labels": ["Gold", "Content"] if campaign.pays_by_item else [],
            "EventPayouts": [self._event_payout()],
            "SpecialTermsList": [
                {
                    "TermsName": "No bidding on the brand",
                    "TermsType": "CUSTOM",
                    "TermsContent": f'<p>Version {self.version}: no "brand" keywords & co.</p>',
                }
            ],
            "ChangeNotificationPeriod": "7",
            "ReturnPolicy": "ALWAYS_OK",
            "MaxReturnPercentage": "100",
            "CustomCreativePayer": "ADVERTISER",
            "ActionLimit": None,
            "ActionLimitPeriod": "",
            "SpendLimit": "10000.00" if campaign.batched else "",
            "SpendLimitPeriod": "MONTH" if campaign.batched else "",
            "MinEarningPerClick": "",
            "ContractStartSlottingFee": "",
        }

    def _event_payout(self) -> dict[str, Any]:
        campaign = self.paper.campaign
        terms = terms_of(campaign, self.version - 1, varied=self.account.varied_terms)
        rate = f"{(terms.share * 100).normalize():f}" if terms.share else ""
        by_item, number = campaign.pays_by_item, int(campaign.id)
        groups = [
            {
                "Id": f"94bc1ae3-0000-4e63-a862-{number:08d}{rank:04d}",
                "Rank": str(rank),
                "Rules": [{"Variable": "ITEM_CATEGORY", "Operator": "IS", "Values": values}],
                "PayoutRate": rate,
                "Limits": [limit("PAYOUT", "250.00", "ITEM", "DAY")] if rank == 1 else [],
            }
            for rank, values in enumerate((["Camping", "Climbing"], ["Lighting"]), 1)
        ]
        of_list = {"Variable": "ITEM_SKU_LIST", "Operator": "IS"}
        groups += [
            {
                "Id": f"94bc1ae3-0000-4e63-a862-{number:08d}0003",
                "Rank": "3",
                "Rules": [of_list | {"Values": [exception_list_id(campaign)]}],
                "PayoutRate": rate,
                "Limits": [],
            }
        ]
        if terms.payout_for_code:
            of_code = {"Variable": "PROMO_CODE", "Operator": "IS", "Values": [PROMO_CODE]}
            groups = [
                {
                    "Id": f"94bc1ae3-0000-4e63-a862-{number:08d}0004",
                    "Rank": "1",
                    "Rules": [of_code],
                    "Payout": str(terms.payout_for_code),
                    "Limits": [],
                }
            ]
        adjustment = {
            "Id": f"8c281c2e-0000-4b11-a9f9-{number:012d}",
            "Rules": [{"Variable": "CUSTOMER_STATUS", "Operator": "IS", "Values": ["EXISTING"]}],
            "Direction": "INCREASE",
            "Rate": "0",
        }
        restriction = {
            "Id": f"5d1f0b7a-0000-4c52-8d1e-{number:012d}",
            "Rules": [
                {"Variable": "PROMO_CODE", "Operator": "IS_NOT", "Values": ["SPRING26", ""]},
                of_list | {"Variable": "PROMO_CODE_LIST", "Values": [promo_code_list_id(campaign)]},
            ],
            "ZeroPayoutHideReport": "false",
        }
        bonus = {
            "Type": "ALL_ACTIONS",
            "Basis": "REVENUE",
            "Period": "CALENDAR_MONTH",
            "Tiers": [
                {"RevenueThreshold": str(threshold), "PayoutRate": str(percentage)}
                for threshold, percentage in BONUS_TIERS
            ],
        }
        return {
            "EventTypeId": campaign.tracker[0],
            "EventTypeName": campaign.tracker[1],
            "EventCategory": "SALE",
            "DefaultPayoutRate": rate,
            "PayoutLevel": "ITEM" if by_item else "ORDER",
            "DefaultPayout": str(terms.payout) if terms.payout else "",
            "PayoutGroups": groups if by_item or terms.payout_for_code else [],
            "PayoutRestrictions": [restriction] if campaign.batched else [],
            "Limits": [limit("ACTION", "500", "CUSTOMER", "MONTH")] if by_item else [],
            "PayoutAdjustments": [adjustment] if campaign.lock_days is None else [],
            "PerformanceBonus": bonus if pays_bonus(campaign) else {},
            "Locking": locking(campaign),
            "PayoutScheduling": {"Basis": "LOCKED", "Period": "END_OF_DAY"},
            "CreditPolicy": "LAST_REFERRER",
            "ValidReferrals": [{"Type": "CLICKS", "Window": "30", "WindowUnit": "DAY"}],
        }


def exception_list_id(campaign: Campaign) -> str:
    """Return the id of the list of SKUs that a campaign pays at a rate of their own."""
    return f"5{campaign.id}"


def promo_code_list_id(campaign: Campaign) -> str:
    """Return the id of the list of promo codes that a campaign does not pay for."""
    return f"3{campaign.id}"


def locking(campaign: Campaign) -> dict[str, str]:
    """Write by which rule a campaign's actions lock."""
    if campaign.lock_days is None:
        return {"Basis": "TRACKED", "Period": "MONTH", "MonthOffset": "1", "DayOffset": "28"}
    days = str(campaign.lock_days)
    return {"Basis": "TRACKED", "Period": "DAY", "MonthOffset": "0", "DayOffset": days}


def limit(kind: str, value: str, by: str, period: str) -> dict[str, str]:
    """Write a cap on payouts."""
    names = ("Type", "Value", "LimitBy", "Period", "WeekendOverrideValue")
    return dict(zip(names, (kind, value, by, period, ""), strict=True))


def pays_bonus(campaign: Campaign) -> bool:
    """Tell whether a campaign pays a bonus for a month's revenue."""
    return campaign.approved_by_hand > 0


class Contracts(Account):
    """The contracts of an account."""

    def contracts(self, at: datetime) -> list[Contract]:
        """Return every contract, whichever its status, as it is at a time."""
        now, opened = int(at.timestamp()), self.opened.toordinal()
        found = []
        for number, paper in enumerate(papers(opened)):
            since = self.began - 529
            amendments, last = amended(self.began, number, now)
            if paper.status != "ACTIVE":
                amendments = 0
            updated = last if amendments else since
            if updated <= now:
                found.append(Contract(self, paper, 1 + amendments, updated))
        return found

    def contract(self, contract_id: str, at: datetime) -> Contract | None:
        """Return one contract by its id."""
        return next((each for each in self.contracts(at) if each.paper.id == contract_id), None)


def papers(opened: int) -> list[Paper]:
    """Return every contract of an account that was activated on a day (an ordinal)."""
    *lasting, ended = CAMPAIGNS
    first, _, third, fourth = lasting
    return [
        *(Paper(each.contract_id, each, "ACTIVE", opened) for each in lasting),
        Paper(ended.contract_id, ended, "EXPIRED", opened, opened + 90),
        Paper(f"S-{97_000 + int(ended.id)}", ended, "PENDING", opened + 91, signed=False),
        Paper(f"S-{97_000 + int(fourth.id)}", fourth, "UPCOMING", opened + 7_300),
        Paper(f"S-{97_000 + int(third.id)}", third, "DECLINED", opened, signed=False),
        Paper(f"S-{57_000 + int(first.id)}", first, "EXPIRED", opened - 365, opened),
    ]
